"""The worker's start and end, and the kinds of applications."""

import pytest


def test_shutdown_is_awaited(serve):
    server = serve("asgi_apps:app")
    assert server.stop() == 0
    assert "lifespan over" in server.log()


def test_application_without_lifespan_is_served(serve):
    assert serve("asgi_apps:without").get("/").body == b"served"


def test_lifespan_off_does_not_call_the_application(serve):
    assert serve("asgi_apps:broken", "--asgi-lifespan", "off").get("/").body == b"served"


def test_application_of_asgi_2_is_adapted(serve):
    assert serve("asgi_apps:double").get("/").body == b"double"


@pytest.mark.parametrize("arguments", [("asgi_apps:factory", "--factory"), ("asgi_apps:factory()",)])
def test_factories_are_called(serve, arguments):
    assert serve(*arguments).post("/echo", b"made").body == b"made"


def test_requests_in_flight_are_finished_before_the_shutdown(serve):
    server = serve("asgi_apps:app")
    with server.connect() as client:
        client.sendall(b"GET /sleep/0.5 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET ")
        while server.get("/events").status != 200:
            pass
        assert server.stop() == 0
        assert client.makefile("rb").read().endswith(b"slept")
