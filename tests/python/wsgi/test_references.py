"""Requests of every kind leave nothing behind: references under a debug build of Python (Debian's python3-dbg), blocks of memory under
the worker's own, and memory under both. PREFORK_REFERENCE_REQUESTS (2000): how many of each kind are counted."""

import contextlib
import os
import re

import pytest
from support.interpreters import about, has_worker_of_its_own, interpreters
from support.server import SANITIZED
from support.websocket import handshake

BATCH = 50
COUNTED = int(os.environ.get("PREFORK_REFERENCE_REQUESTS", "2000"))
UPLOAD = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n" + b"u" * 100
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nuuu\r\n2\r\nuu\r\n0\r\n\r\n"
WSGI = {
    "hello": "/hello", "environ": "/environ", "post": UPLOAD, "generator": "/body/good/generator", "list": "/body/good/list", "file": "/file/1000", "raw-file": "/file/1000?raw",
    "write": "/write", "late": "/late", "error": "/raise/before/RuntimeError", "late-error": "/raise/later/RuntimeError", "replaced": "/replaced/before", "hints": "/hints",
    "head": b"HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n", "lines": UPLOAD.replace(b"/echo", b"/read/lines"), "twice": "/twice",
    "chunked": CHUNKED, "unread": UPLOAD.replace(b"/echo", b"/ignore"), "refused": "/bad_headers/value-lines", "kept": "/keep",
}
ASGI = {
    "hello": b"GET /echo HTTP/1.1\r\nHost: h\r\n\r\n", "post": UPLOAD, "scope": "/scope", "pieces": "/sizes/30/10/10/10", "suspended": "/sleep/0", "state": "/state", "error": "/raises/before/plain",
    "hints": "/hints",
}


def debug_python():
    for python in interpreters():
        if about(python)["suffixes"][0].startswith(".cpython-3") and "d-" in about(python)["suffixes"][0]:
            return python
    return None


@pytest.fixture(scope="module", params=["own", "debug"])
def options(request):
    if SANITIZED:
        pytest.skip("a sanitizer keeps what was freed for a while")
    if request.param == "own":
        return ()
    python = debug_python()
    if python is None or not has_worker_of_its_own(python):
        pytest.skip("no debug build of Python here" if python is None else f"this build has no worker for {python}")
    return ("--python", python)


@pytest.fixture(scope="module")
def wsgi(options, serve_module):
    server = serve_module("wsgi_apps:app", *options, "--log-level", "critical")
    server.exact = bool(options)
    return server


@pytest.fixture(scope="module")
def asgi(options, serve_module):
    server = serve_module("asgi_apps:app", *options, "--log-level", "critical")
    server.exact = bool(options)
    return server


def ask(server, request, times):
    """Pipelined; a connection that the server closes is made again."""
    if isinstance(request, str):
        request = f"GET {request} HTTP/1.1\r\nHost: h\r\nX-Two: 2\r\n\r\n".encode()
    left = times
    while left > 0:
        with server.connect() as client:
            while left > 0:
                count = min(BATCH, left)
                client.sendall(request * count)
                answered, seen = 0, b""
                while answered < count and (piece := client.recv(1 << 18)):
                    seen = seen[-12:] + piece
                    answered += len(re.findall(rb"HTTP/1\.1 [2-5]", seen)) - len(re.findall(rb"HTTP/1\.1 [2-5]", seen[:12] if len(seen) > len(piece) else b""))
                left -= max(answered, 1)
                if answered < count:
                    break


def alive(server):
    return min(int(server.get("/references").body) for _ in range(3))


def check(server, run):
    """`run(times)`: after some to fill what is kept once, the rest must leave nothing that grows with them. Free lists and caches make
    the number of blocks go up and down by hundreds; references are exact to a few."""
    slack = 60 if server.exact else 800
    worker = server.workers()[0]
    run(max(500, COUNTED // 20))
    alive(server)
    before, memory = alive(server), server.anonymous(worker)
    run(COUNTED)
    left = alive(server) - before
    assert left < max(slack, COUNTED // 100), f"{left} after {COUNTED} requests"
    assert server.anonymous(worker) - memory < 1024
    assert server.workers() == [worker]


@pytest.mark.parametrize("kind", WSGI)
def test_a_wsgi_request_leaves_nothing(wsgi, kind):
    check(wsgi, lambda times: ask(wsgi, WSGI[kind], times))


@pytest.mark.parametrize("kind", ASGI)
def test_an_asgi_request_leaves_nothing(asgi, kind):
    check(asgi, lambda times: ask(asgi, ASGI[kind], times))


def test_a_websocket_leaves_nothing(asgi):
    def talk(times):
        for number in range(max(100, times // 2 if times < 5000 else times // 10)):
            with asgi.connect() as client, contextlib.closing(client.makefile("rb")) as file:
                client.sendall(handshake("/echo") + b"\x81\x85\0\0\0\0hello" * 10)
                while file.readline() != b"\r\n":
                    pass
                assert file.read(70) == b"\x81\x05hello" * 10
                if number % 2:  # every other one just goes
                    client.sendall(b"\x88\x82\0\0\0\0\x03\xe8")
                    assert file.read(1) == b"\x88"

    check(asgi, talk)
