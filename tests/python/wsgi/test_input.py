"""wsgi.input (PEP 3333, "Input and Error Streams")."""

import contextlib
import hashlib
import json
import random
import socket

import pytest
from support.server import until

TEXT = b"ab\ncdefghijklmnop\n\nlast line without end"
LINES = TEXT.splitlines(keepends=True)


def pieces(server, style, body=None, headers=()):
    return [piece.encode("latin-1") for piece in json.loads(server.request("POST", f"/read/{style}", body, headers).body)]


def framed(body, framing):
    return body if framing == "length" else iter([body[:5], body[5:20], body[20:]])


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("style, expected", [
    ("all", [TEXT]), ("minus-one", [TEXT]), ("zero", [b"", TEXT]), ("lines", LINES), ("readlines", LINES), ("hinted", LINES), ("iterated", LINES),
    ("buffered", [TEXT]), ("beyond", [TEXT, b"", b"", b"", b""]),
])
def test_reads_like_a_file(server, style, expected, framing):
    assert pieces(server, style, framed(TEXT, framing)) == expected


def test_takes_its_argument_by_name(server):
    assert pieces(server, "named", TEXT) == [b"ab", b"\n", b"cdefghijklmnop\n", b"\nlast line without end"]


@pytest.mark.parametrize("style, most", [("sized", 7), ("sized-lines", 4), ("into", 5)])
def test_never_reads_more_than_asked(server, style, most):
    got = pieces(server, style, TEXT)
    assert b"".join(got) == TEXT and max(map(len, got)) <= most


@pytest.mark.parametrize("style", ["all", "lines", "sized", "iterated", "beyond", "into"])
def test_is_empty_without_a_body(server, style):
    assert not any(pieces(server, style))


@pytest.mark.parametrize("how", ["length", "chunked"])
def test_large_bodies_arrive_whole(server, how):
    body = random.Random(how).randbytes(5_000_000)
    sent = body if how == "length" else (body[i : i + 70_001] for i in range(0, len(body), 70_001))
    assert server.post("/digest", sent).body.decode() == f"{hashlib.sha256(body).hexdigest()} {len(body)}"


@pytest.mark.parametrize("buffering", [(), ("--no-request-buffering",)])
def test_streams_when_bodies_are_not_collected(serve, buffering):
    server = serve("wsgi_apps:app", *buffering)
    body = random.Random(1).randbytes(3_000_000)
    assert server.post("/digest", body).body.decode() == f"{hashlib.sha256(body).hexdigest()} {len(body)}"


def test_does_not_read_into_the_next_request(server):
    answer = server.raw(b"POST /read/all HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
                        b"GET /pid HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert b'["hello"]' in answer and answer.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize("size", [100, 300_000])
def test_what_was_not_read_is_no_request(server, size):
    smuggled = b"GET /die/exit HTTP/1.1\r\nHost: h\r\n\r\n" * (size // 36)
    pid = server.get("/pid").body
    with contextlib.suppress(OSError):
        server.raw(b"POST /ignore HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(smuggled) + smuggled)
    assert server.get("/pid").body == pid


def test_another_thread_may_read(server):
    assert server.post("/thread_reads", b"read elsewhere").body == b"read elsewhere"


def test_a_client_that_goes_away_is_an_oserror(serve, token):
    server = serve("wsgi_apps:app", "--no-request-buffering", "--log-level", "debug")
    with server.connect() as client:
        client.sendall(f"POST /broken_off/{token} HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello".encode())
        path = server.folder / f"note-{token}"
        until(path.exists)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    until(lambda: "ConnectionResetError" in path.read_text())
    server.logged("Ignored premature client disconnection: POST /broken_off")  # nobody's mistake here: no traceback


def test_expect_continue_is_answered_when_the_application_reads(server):
    with server.connect() as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"hello")
        answer = b"".join(iter(lambda: client.recv(1000), b""))
    assert answer.endswith(b"hello")
