"""What becomes of the iterable that an application returns."""

import contextlib
import http.client
import socket

import pytest
from support.server import until
from wsgi_apps import BODIES, EMPTY, WRONG


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("kind", BODIES)
def test_every_iterable_of_bytes_is_a_body(server, kind, version):
    answer = server.raw(f"GET /body/good/{kind} HTTP/{version}\r\nHost: h\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"chunked" in head:
        assert version == "1.1" and body.endswith(b"0\r\n\r\n")
        body = b"".join(body.split(b"\r\n")[1::2])
    assert body == b"abc"


@pytest.mark.parametrize("kind", EMPTY)
def test_no_bytes_are_an_empty_body(server, kind):
    client = server.client()
    for _ in range(2):
        client.request("GET", f"/body/empty/{kind}")
        reply = client.getresponse()
        assert (reply.status, reply.read()) == (200, b"")
    client.close()


def test_what_is_no_body_is_a_500(serve):
    server = serve("wsgi_apps:app")
    server.expect(r"\[ERROR\] Error handling request GET /body/wrong/.*TypeError: ")
    for kind in WRONG:
        assert server.get(f"/body/wrong/{kind}").status == 500, kind


@pytest.mark.parametrize("kind", ["generator", "write"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_block_is_sent_before_the_next_is_made(server, token, go, kind, version):
    with server.connect() as client:
        client.sendall(f"GET /gated/{token}/{kind} HTTP/{version}\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        seen = b""
        while b"first" not in seen:
            seen += client.recv(1000)
        go()
        seen += b"".join(iter(lambda: client.recv(1000), b""))
    assert b"second" in seen


@pytest.mark.parametrize("target, body", [("/length/6/abc/def", b"abcdef"), ("/length/4/abc/def", b"abcd"), ("/length/0/abc", b"")])
def test_content_length_is_kept(serve, target, body):
    server = serve("wsgi_apps:app")
    if target != "/length/6/abc/def":
        server.expect(r"\[WARNING\][^\n]*more than its Content-Length")
    client = server.client()
    for _ in range(2):
        client.request("GET", target)
        reply = client.getresponse()
        assert (reply.headers["Content-Length"], reply.read()) == (str(len(body)), body)
    client.close()


def test_a_body_that_is_too_short_is_seen_to_be(serve):
    server = serve("wsgi_apps:app")
    server.expect(r"\[ERROR\] Error handling request GET /length.*7 bytes shorter than its Content-Length")
    with pytest.raises(http.client.IncompleteRead):
        server.get("/length/10/abc")


@pytest.mark.parametrize("status", ["204_No_Content", "304_Not_Modified"])
def test_statuses_without_a_body_have_none(server, status):
    client = server.client()
    for _ in range(2):
        client.request("GET", f"/status/{status}/stray")
        reply = client.getresponse()
        assert (reply.status, reply.read(), reply.headers["Transfer-Encoding"]) == (int(status[:3]), b"", None)
    client.close()


@pytest.mark.parametrize("target, length", [("/hello", "13"), ("/body/good/list", "3"), ("/body/good/generator", None), ("/body/empty/list", None)])
def test_head_has_the_headers_of_get(server, target, length):
    client = server.client()
    for _ in range(2):
        client.request("HEAD", target)
        reply = client.getresponse()
        assert (reply.status, reply.headers["Content-Length"], reply.read()) == (200, length, b"")
    client.close()


@pytest.mark.parametrize("method, kind, count", [
    ("GET", "normal", 2), ("HEAD", "normal", 1), ("GET", "no-content", 1), ("HEAD", "no-content", 1), ("GET", "longer", 2), ("HEAD", "longer", 1),
    ("HEAD", "endless", 1),
])
def test_close_is_called_once_after_as_many_blocks_as_can_be_sent(serve, token, method, kind, count):
    """PEP 3333, "Handling the Content-Length Header": the server stops iterating. What is left may be without end."""
    server = serve("wsgi_apps:app")
    if kind == "longer" and method == "GET":
        server.expect(r"\[WARNING\][^\n]*more than its Content-Length")
    server.request(method, f"/closed/{token}/{kind}")
    path = server.folder / f"note-{token}"
    until(lambda: "close" in path.read_text())
    assert server.get("/pid").status == 200
    lines = path.read_text().splitlines()
    assert lines == ["iter", f"close after {count}"]


@pytest.mark.parametrize("kind", ["fails-first", "fails-later", "never-started"])
def test_close_is_called_once_after_a_failure(serve, token, kind):
    server = serve("wsgi_apps:app")
    server.expect(r"\[ERROR\] Error handling request GET /closed/.*RuntimeError: ")
    with contextlib.suppress(http.client.HTTPException, OSError):
        server.get(f"/closed/{token}/{kind}")
    path = server.folder / f"note-{token}"
    until(lambda: "close" in path.read_text())
    assert server.get("/pid").status == 200
    assert path.read_text().count("close") == 1


def test_close_is_called_when_the_client_has_gone(server, token, notes):
    with server.connect() as client:
        client.sendall(f"GET /closed/{token}/endless HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        client.recv(100_000)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    until(lambda: len(notes()) == 2)
    assert int(notes()[1].split()[-1]) < 100_000


def test_the_application_can_ask_whether_its_client_is_there(server, token, notes):
    with server.connect() as client:
        client.sendall(f"GET /disconnected/{token} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        until(notes)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    until(lambda: notes() == ["False", "True"])


@pytest.mark.parametrize("target, size", [("/blocks/300/10000", 3_000_000), ("/list/300/10000", 3_000_000), ("/blocks/20000/5", 100_000), ("/list/1/3000000", 3_000_000)])
def test_large_bodies_arrive_whole(server, target, size):
    assert len(server.get(target).body) == size


@pytest.mark.parametrize("query", ["", "raw", "noted"])
@pytest.mark.parametrize("size", [0, 100, 100_000, 3_000_000])
def test_a_file_arrives_whole(server, size, query):
    client = server.client()
    for _ in range(2):
        client.request("GET", f"/file/{size}?{query}")
        assert client.getresponse().read() == b"".join(b"%09d\n" % i for i in range(size // 10))
    client.close()


@pytest.mark.parametrize("target, body", [
    ("/file/1000/990", b"000000099\n"), ("/file/1000/1000", b""), ("/file/1000/0/10", b"000000000\n"), ("/file/1000/970/20", b"000000097\n000000098\n"),
    ("/file/1000/970?ahead", b"000000098\n000000099\n"), ("/pipe", b"through a pipe"), ("/gzip", b"unpacked"),
])
def test_a_file_is_sent_from_where_it_stands(server, target, body):
    assert server.get(target).body == body


def test_a_wrapped_file_is_closed(server):
    path = server.folder / "note-file"
    path.unlink(missing_ok=True)
    server.get("/file/100?noted")
    server.request("HEAD", "/file/100?noted")
    until(lambda: path.exists() and path.read_text() == "close\nclose\n")


def test_as_much_of_an_endless_file_is_sent_as_was_announced(serve):
    server = serve("wsgi_apps:app")
    server.expect(r"\[WARNING\][^\n]*more than its Content-Length")
    assert server.get("/device/zero/10").body == bytes(10)
    assert server.request("HEAD", "/device/zero/10").headers["Content-Length"] == "10"


def test_head_of_a_file_whose_size_is_not_known_has_no_length(server):
    """RFC 9110 9.3.2: no other length than that of the GET."""
    assert b"Pid:" in server.get("/device/../proc/self/status/").body
    assert server.request("HEAD", "/device/../proc/self/status/").headers["Content-Length"] is None


@pytest.mark.parametrize("method, path, body", [
    ("GET", "/plain", None), ("POST", "/plain", b"x" * 5000), ("HEAD", "/plain", None), ("GET", "/generator", None), ("POST", "/write", b"abc"), ("GET", "/empty", None),
    ("PUT", "/plain", b""), ("OPTIONS", "/generator", None), ("POST", "/generator", iter([b"abc", b"def"])),
])
def test_both_sides_keep_the_rules(serve_validated, method, path, body):
    reply = serve_validated.request(method, path + "?a=b", body, {"Content-Type": "text/x"} if body else {})
    assert reply.status in (200, 204)


@pytest.fixture(scope="module")
def serve_validated(serve_module):
    return serve_module("wsgi_apps:validated")


def test_an_application_may_be_a_class(serve):
    assert serve("wsgi_apps:ClassApp").get("/").body == b"class"
