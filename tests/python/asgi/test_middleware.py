"""Middleware, dependencies and cancelled streams of Starlette and FastAPI."""

import asyncio
import json
import socket
import sys

import pytest
from support.server import until

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")


@pytest.fixture(params=[[], ["--no-eager"]], ids=["eager", "tasks"])
def server(serve, request):
    return serve("asgi_middleware:app", *request.param, env={"VIRTUAL_ENV": sys.prefix}, ready="/events")


@pytest.fixture
def client(server):
    with httpx.Client(trust_env=False, base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
        yield client


def test_middleware_sees_and_changes_every_response(client):
    reply = client.get("/large", headers={"Origin": "http://there"})
    assert reply.text == "large " * 1000 and reply.headers["content-encoding"] == "gzip"
    assert (reply.headers["x-timed"], reply.headers["x-plain"], reply.headers["access-control-allow-origin"]) == ("yes", "yes", "http://there")
    allowed = client.options("/large", headers={"Origin": "http://there", "Access-Control-Request-Method": "GET"})
    assert (allowed.status_code, allowed.headers["access-control-allow-methods"].count("GET")) == (200, 1)
    for size in (0, 1000, 300_000):
        assert client.post("/body", content=bytes(size)).json() == size


def test_context_of_a_middleware_is_the_requests_own(server):
    async def everybody():
        async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
            replies = await asyncio.gather(*(client.get("/who", headers={"X-User": str(number)} if number % 2 else {}) for number in range(60)))
            return [reply.json() for reply in replies]
    assert asyncio.run(everybody()) == [str(number) if number % 2 else None for number in range(60)]


def test_dependencies_are_closed_behind_the_response_and_behind_an_error(server, client):
    server.expect("deliberate")
    assert client.get("/depends").json() == "session"
    until(lambda: "closed" in client.get("/events").json(), "the dependency's end")
    assert client.get("/fails").status_code == 500
    until(lambda: "closed" in client.get("/events").json(), "the dependency's end")


@pytest.mark.parametrize("path, end", [("/endless", "cleaned")])
def test_client_that_leaves_is_noticed(server, client, path, end):
    heard = []

    def told(what):
        heard.extend(json.loads(client.get("/events").content))
        return what in heard
    with server.connect() as peer:
        peer.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        until(lambda: told("begun"), "the request")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    until(lambda: told(end), "the end of the request")
