"""Middleware, dependencies and cancelled streams of Starlette and FastAPI."""

import asyncio
import json
import pathlib
import socket
import sys

import pytest
from support.server import until

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")

import asgi_middleware  # noqa: E402


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


@pytest.mark.parametrize("arguments", [[], ["--no-sendfile"]], ids=["offered", "not-offered"])
def test_files_are_compressed_when_the_server_is_not_to_send_them(serve, arguments):
    server = serve("asgi_middleware:app", *arguments, env={"VIRTUAL_ENV": sys.prefix}, ready="/events")
    text = pathlib.Path(asgi_middleware.__file__).read_bytes()
    with httpx.Client(trust_env=False, base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
        assert client.get("/file/", headers={"Accept-Encoding": "identity"}).content == text
        reply = client.get("/file/", headers={"Accept-Encoding": "gzip"})
        assert (reply.content, reply.headers.get("content-encoding")) == (text, "gzip" if arguments else None)


def test_middleware_that_swallows_a_file_is_said_to(serve):
    server = serve("asgi_middleware:late", env={"VIRTUAL_ENV": sys.prefix})
    server.expect("returned without a response: GET / .*http.response.pathsend.*--no-sendfile")
    assert server.get("/").status == 500
    server = serve("asgi_middleware:late", "--no-sendfile", env={"VIRTUAL_ENV": sys.prefix})
    assert server.get("/").body == pathlib.Path(asgi_middleware.__file__).read_bytes()
