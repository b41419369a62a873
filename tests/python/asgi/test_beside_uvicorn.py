"""The same scenes before prefork and before uvicorn: what the client gets and what the application hears are alike."""

import contextlib
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys

import pytest
from support.server import APPS, PATIENCE, free_port, until
from support.websocket import CLOSE, TEXT, Client

pytest.importorskip("uvicorn")
pytest.importorskip("httptools")
pytest.importorskip("websockets")


class Uvicorn:
    """As much of support.server.Server as the scenes need."""

    def __init__(self, folder):
        self.port = free_port()
        self.folder = pathlib.Path(folder)
        self.log_path = self.folder / "uvicorn.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "--port", str(self.port), "--no-access-log", "asgi_apps:app"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=APPS, env={**os.environ, "PREFORK_TEST": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
            )

        def listens():
            with contextlib.suppress(OSError), self.connect():
                return True
        until(listens, "uvicorn")

    def connect(self, timeout=PATIENCE):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def both(serve_module, tmp_path_factory):
    ours = serve_module("asgi_apps:app", "--asgi-disconnect-grace-period", "60")
    ours.expect("Exception in ASGI application|returned without|longer than|shorter than")
    theirs = Uvicorn(tmp_path_factory.mktemp("uvicorn"))
    yield ours, theirs
    theirs.stop()


def talk(server, data):
    with server.connect() as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR) if b"Connection: close" not in data else None
        pieces = []
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(1 << 16):
                pieces.append(piece)
        return b"".join(pieces)


def events_of(server):
    head, _, body = talk(server, b"GET /events HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").partition(b"\r\n\r\n")
    return json.loads(body if b"chunked" not in head.lower() else body.split(b"\r\n")[1])


def told(server, before):
    return until(lambda: events_of(server)[before:], "the application to tell")


def answer(data):
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    fields = {line.split(b":", 1)[0].lower(): line.split(b":", 1)[1].strip() for line in lines}
    if fields.get(b"transfer-encoding") == b"chunked":
        pieces, rest = b"", body
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            pieces, rest = pieces + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        body = pieces
    return status.split(b" ")[1], body


REQUESTS = {
    "an echo": b"POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
    "a chunked echo": b"POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
    "an empty body": b"POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    "HEAD": b"HEAD /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    "an exception": b"GET /raises/before/error HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    "no response": b"GET /silent HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    "body before start": b"GET /order/body-first HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    "an unknown message": b"GET /order/unknown HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    "HTTP/1.0": b"POST /echo HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi",
}


@pytest.mark.parametrize("what", REQUESTS)
def test_answers_are_alike(both, what):
    request = REQUESTS[what] if b"Connection: close" in REQUESTS[what] else REQUESTS[what].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    ours, theirs = (answer(talk(server, request)) for server in both)
    assert ours[0] == theirs[0]
    if ours[0] == b"200":
        assert ours == theirs


SCOPES = [
    b"GET /scope/a%20b%C3%A9?x=%20&y HTTP/1.1\r\nHost: h:81\r\nX-Two: 1\r\nx-TWO: 2\r\nCookie: a=1\r\nCookie: b=2\r\n",
    b"GET /scope/%2F/../x;p?? HTTP/1.1\r\nHost: h\r\n",
    b"DELETE /scope/ HTTP/1.1\r\nHost: h\r\nEmpty:\r\nContent-Type: text/plain\r\n",
    b"GET /scope HTTP/1.0\r\n",
]


@pytest.mark.parametrize("head", SCOPES)
def test_scopes_are_alike(both, head):
    ours, theirs = (json.loads(answer(talk(server, head + b"Connection: close\r\n\r\n"))[1]) for server in both)
    assert ours.pop("server")[0] == theirs.pop("server")[0]
    assert ours.pop("client")[0] == theirs.pop("client")[0]
    for ours_only in ("extensions", "asgi"):  # uvicorn speaks 2.3 of HTTP and has no extensions
        ours.pop(ours_only, None), theirs.pop(ours_only, None)
    assert ours == theirs


def test_websocket_scopes_are_alike(both):
    def scope_of(server):
        client = Client(server, "/tells?q=1", "Sec-WebSocket-Protocol: two, one\r\nSec-WebSocket-Protocol: three\r\n")
        try:
            return json.loads(client.receive()[1])
        finally:
            client.close()
    ours, theirs = map(scope_of, both)
    for differs in ("server", "client", "extensions", "asgi"):
        ours.pop(differs, None), theirs.pop(differs, None)
    for scope in (ours, theirs):  # uvicorn's library sorts them by name, and each client has a key of its own
        scope["headers"] = sorted(pair for pair in scope["headers"] if pair[0] != "sec-websocket-key")
    assert ours == theirs


def close_frame(code, reason=b""):
    return lambda client: client.send(CLOSE, struct.pack(">H", code) + reason)


ENDS = {  # of a lost connection uvicorn says 1005, and the specification 1006
    "1000": close_frame(1000),
    "1001 with a reason": close_frame(1001, b"away"),
    "4999": close_frame(4999, b"own"),
    "no code": lambda client: client.send(CLOSE, b""),
}


@pytest.mark.parametrize("how", ENDS)
def test_applications_hear_the_same_of_an_end(both, how):
    heard = []
    for server in both:
        before = len(events_of(server))
        client = Client(server, "/hears")
        assert client.receive() == (TEXT, b"accepted")
        ENDS[how](client)
        heard.append(told(server, before)[0][0])
        client.close()
    assert heard[0] == heard[1]


@pytest.mark.parametrize("how", ["close", "response", "raise"])
def test_refusals_are_alike(both, how):
    found = []
    for server in both:
        client = Client(server, f"/refuse/{how}")
        found.append((client.status, client.headers.get("x-why")))
        client.close()
    assert found[0] == found[1]


def test_closes_of_the_application_are_alike(both):
    found = []
    for server in both:
        client = Client(server, "/close/4002/enough")
        found.append(client.receive())
        client.close()
    assert found == [(CLOSE, struct.pack(">H", 4002) + b"enough")] * 2
