"""Errors of applications whose client has gone: what began with its going is no error, everything else is."""

import json
import sys

import pytest
from asgi_gone import FAILURES
from support.server import until
from support.websocket import connect

MISTAKES = {"group-with-another": "a mistake in a group", "os-error-of-its-own": "no database", "os-error-behind-it": "no file"}


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("name", FAILURES)
def test_errors_are_logged_unless_they_began_with_a_client_that_is_gone(serve, name, kind):
    if "group" in name and sys.version_info < (3, 11):
        pytest.skip("Python has no groups of exceptions yet")
    server = serve("asgi_gone:app")
    if name in MISTAKES:
        server.expect(f"Exception in ASGI application GET /{name}.*{MISTAKES[name]}")
    if kind == "websocket":
        with connect(server, f"/{name}") as client:
            client.receive()
    else:
        with server.connect() as client:
            client.sendall(f"GET /{name} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            assert client.recv(1)
    until(lambda: name in json.loads(server.get("/").body), "the error")
