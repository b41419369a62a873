"""Requests of every kind, many times over: the worker's memory stays as it was."""

import pytest
from support.server import SANITIZED

BATCH = 100
KINDS = {
    "native_apps:app": ["/facts", "/items/a", "/status", "/text", "/generated", "/written", "/file", "/state", "/nowhere"],
    "native_apps:async_app": ["/facts", "/items/a", "/status", "/text", "/generated", "/written", "/async-generated", "/file", "/state", "/nowhere"],
    "rsgi_apps:app": ["/", "/facts", "/empty", "/stream", "/file", "/after"],
}


def ask(client, path, times):
    """Pipelined; the last one closes."""
    for done in range(0, times, BATCH):
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\nX-Two: 2\r\n\r\n".encode() * BATCH)
        seen, rest = 0, b""
        while seen < BATCH:
            piece = client.recv(1 << 20)
            assert piece, (path, done)
            rest += piece
            seen += rest.count(b"HTTP/1.1 ")
            rest = rest[-8:] if not rest.endswith(b"HTTP/1.1 ") else b""


@pytest.mark.parametrize("app", KINDS)
def test_memory_stays_flat(serve, app):
    server = serve(app)
    worker = server.workers()[0]
    paths = KINDS[app]
    for path in paths:
        with server.connect() as client:
            ask(client, path, 10 * BATCH)
    before = server.pss(worker)
    for path in paths:
        with server.connect() as client:
            ask(client, path, 30 * BATCH)
    assert server.pss(worker) - before < 1024 or SANITIZED, paths
