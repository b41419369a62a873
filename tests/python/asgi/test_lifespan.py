"""The worker's start and end, and the kinds of applications."""

import signal

import pytest
from support.server import until


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


@pytest.mark.parametrize("app, arguments, why", [
    ("asgi_apps:broken", (), "no database"), ("asgi_apps:without", ("--asgi-lifespan", "on"), "Application startup failed"),
])
def test_startup_that_fails_ends_the_server(serve, app, arguments, why):
    server = serve(app, *arguments, ready=None)
    server.expect(why)
    server.expect("(?i)worker")
    assert server.wait() != 0
    assert why in server.log()


def test_requests_wait_for_the_startup(serve):
    server = serve("asgi_apps:gated", ready=None)
    until(lambda: "Booting worker" in server.log(), "the worker")
    with server.connect() as client:
        client.sendall(b"GET /state HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        client.settimeout(0.3)
        with pytest.raises(OSError, match="timed out"):
            client.recv(1)
        client.settimeout(60)
        (server.folder / "gate").touch()
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_slow_shutdown_is_awaited_at_stop_and_reload(serve, tmp_path, number):
    (tmp_path / "gate").touch()
    server = serve("asgi_apps:gated")
    server.signal(number)
    until(lambda: "ended slowly" in server.log(), "the shutdown")
    if number == signal.SIGTERM:
        assert server.wait() == 0


def test_reload_whose_startup_fails_leaves_the_old_generation(serve, tmp_path):
    (tmp_path / "gate").touch()
    server = serve("asgi_apps:gated")
    server.expect("no database")
    server.expect("(?i)worker|reload")
    (tmp_path / "broken").touch()
    server.signal(signal.SIGHUP)
    until(lambda: "no database" in server.log(), "the failure")
    for _ in range(20):
        assert server.get("/state").status == 200
    assert "ended slowly" not in server.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_work_behind_a_response_is_finished_first(serve, number):
    server = serve("asgi_apps:app")
    assert server.get("/after/0.5").body == b"answered"
    server.signal(number)
    until(lambda: "lifespan over" in server.log(), "the shutdown")
    assert server.log().index("worked on") < server.log().index("lifespan over")


def test_stream_that_runs_at_a_reload_is_finished(serve):
    server = serve("asgi_apps:app")
    with server.connect() as client:
        client.sendall(b"GET /drip/20 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        file = client.makefile("rb")
        assert file.readline().startswith(b"HTTP/1.1 200 ")
        server.signal(signal.SIGHUP)
        assert file.read().endswith(b"4\r\n019\n\r\n0\r\n\r\n")
    until(lambda: "lifespan over" in server.log(), "the old worker's end")


def test_lifespan_that_returns_at_the_end_without_a_word_is_no_error(serve):
    server = serve("asgi_apps:silent_end")
    assert server.get("/").body == b"served"
    assert server.stop() == 0
