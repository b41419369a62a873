"""The native interface, on threads and on an event loop: what an application is told, what it can answer, how it may fail."""

import contextlib
import json
import socket
import struct

import pytest

from support.server import APPS, until

WAYS = {"threads": ("native_apps:app", ()), "several threads": ("native_apps:app", ("--threads", "4")), "loop": ("native_apps:async_app", ()),
        "loop without shortcuts": ("native_apps:async_app", ("--no-eager",))}


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.replace(" ", "-"))
def server(request, serve_module):
    app, options = WAYS[request.param]
    server = serve_module(app, *options)
    server.on_loop = "async" in app
    return server


@contextlib.contextmanager
def notes(server, text):
    """Expects the line in what the application notes."""
    path = server.folder / "notes"
    before = path.read_text().count(text) if path.exists() else 0
    yield
    until(lambda: path.exists() and path.read_text().count(text) > before, f"the note {text!r}")


def test_a_request_tells_what_came(server):
    reply = server.get("/facts?a=1&b=%20", {"X-Two": "one", "User-Agent": "test"})
    facts = json.loads(reply.body)
    assert reply.headers["content-type"] == "application/json"
    assert facts["method"] == "GET" and facts["path"] == "/facts" and facts["query"] == "a=1&b=%20" and facts["target"] == "/facts?a=1&b=%20"
    assert facts["scheme"] == "http" and facts["http_version"] == "1.1" and facts["host"] == f"127.0.0.1:{server.port}"
    assert facts["client"] == facts["server"] == "127.0.0.1" and facts["content_length"] == 0 and facts["disconnected"] is False
    assert facts["params"] == {} and facts["repr"] == "<Request GET /facts?a=1&b=%20>"
    assert facts["first"] == facts["bytes"] == "one" and facts["none"] == "else" and facts["contains"] is True


def test_headers_that_come_twice(server):
    raw = server.raw("GET /facts HTTP/1.1\r\nHost: h\r\nX-Two: one\r\nx-TWO: two\r\nX-Other: 3\r\nConnection: close\r\n\r\n")
    facts = json.loads(raw.partition(b"\r\n\r\n")[2])
    assert facts["two"] == ["one", "two"] and facts["first"] == "one"
    assert facts["names"] == facts["iterated"] == ["host", "x-two", "x-other", "connection"] and facts["length"] == 4
    assert facts["items"] == [["host", "h"], ["x-two", "one"], ["x-two", "two"], ["x-other", "3"], ["connection", "close"]]


def test_nothing_of_one_request_is_seen_by_the_next(server):
    with contextlib.closing(server.client()) as client:
        client.request("GET", "/facts", headers={"X-Two": "secret", "Cookie": "a=b"})
        client.getresponse().read()
        client.request("GET", "/facts")
        facts = json.loads(client.getresponse().read())
    assert facts["first"] is None and "cookie" not in facts["names"]
    assert [server.get("/state").body for _ in range(3)] == [b"{}"] * 3


@pytest.mark.parametrize(("path", "status", "body"), [
    ("/", 200, b"hello"), ("/items/caf%C3%A9", 200, "café".encode()), ("/files/a/b", 200, b"GET a/b"), ("/items/", 404, b"Not Found\n"),
    ("/items/a/b", 404, b"Not Found\n"), ("/text", 200, "grün".encode()), ("/nothing", 200, b""), ("/generated", 201, b"0;1;2;"),
    ("/written", 200, b"one;the reply's head is sent already;end"), ("/part", 200, b"23456"),
])
def test_what_is_returned_or_written_is_the_body(server, path, status, body):
    reply = server.get(path)
    assert (reply.status, reply.body) == (status, body)


def test_head_has_the_length_and_no_body(server):
    for path in ("/", "/text", "/part"):
        assert server.request("HEAD", path).headers["content-length"] == str(len(server.get(path).body))
        assert server.request("HEAD", path).body == b""


def test_status_and_headers_are_those_that_were_set(server):
    reply = server.get("/status")
    assert reply.status == 418 and reply.body == b"abcd" and reply.headers["x-one"] == "1"
    assert reply.headers.get_all("x-two") == ["ü", "again"]


def test_a_text_says_what_it_is_unless_the_application_does(server):
    assert server.get("/text").headers["content-type"] == "text/plain; charset=utf-8"
    assert server.get("/").headers["content-type"] is None


def test_a_method_that_a_path_has_not_is_a_405_with_those_it_has(server):
    reply = server.request("DELETE", "/files/x")
    assert reply.status == 405 and reply.headers["allow"] == "GET, HEAD, PUT"
    assert server.request("PUT", "/files/x").body == b"PUT x"


@pytest.mark.parametrize("size", [0, 5, 70_000, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_request_body_is_read_whole_or_in_pieces(server, size, chunked):
    data = b"abcde" * (size // 5)
    body = iter([data[:4], data[4:]]) if chunked and data else data
    options = {"encode_chunked": True} if chunked and data else {}
    headers = {"Transfer-Encoding": "chunked"} if options else {}
    assert server.request("POST", "/body", body, headers, **options).body == f"{size} {data[:5]!r}".encode()
    body = iter([data[:4], data[4:]]) if options else data
    assert server.request("POST", "/stream", body, headers, **options).body == str(size).encode()


def test_a_file_is_sent_with_its_length(server):
    reply = server.get("/file")
    assert reply.body == (APPS / "native_apps.py").read_bytes() and reply.headers["content-length"] == str(len(reply.body))


def test_an_error_before_the_first_byte_is_a_clean_500(server):
    server.expect("before the first byte")
    reply = server.get("/raise")
    assert reply.status == 500 and reply.headers["x-mine"] is None
    assert server.get("/").body == b"hello"


def test_an_error_after_the_first_byte_cuts_the_reply(server):
    server.expect("after the first byte")
    raw = server.raw("GET /raise-late HTTP/1.1\r\nHost: h\r\n\r\n")
    assert b"a part" in raw and not raw.endswith(b"0\r\n\r\n")


def test_a_body_shorter_than_announced_is_cut(server):
    server.expect("shorter than|Content-Length")
    raw = server.raw("GET /short HTTP/1.1\r\nHost: h\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 500") or (b"10\r\n" in raw and raw.endswith(b"short"))


@pytest.mark.parametrize(("what", "why"), [
    ("dict", "must return bytes"), ("number", "not iterable|must return bytes"), ("status", "no status"), ("name", "no header name"),
    ("value", "characters that a header cannot carry"), ("items", "bytes or str, not int"),
])
def test_mistakes_are_a_500_and_a_line_in_the_log(server, what, why):
    server.expect(why)
    raw = server.raw(f"GET /bad/{what} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 500") or (what == "items" and not raw.endswith(b"0\r\n\r\n"))
    server.logged(why)


def test_what_is_kept_outlives_the_request(server):
    assert server.get("/keep", {"X-Kept": "this"}).body == b"kept"
    for _ in range(3):
        server.get("/facts", {"X-Kept": "other"})
    kept = server.get("/kept").body.decode()
    assert kept.startswith("GET;/keep;this;True")
    if not server.on_loop:
        assert kept.count("the request is over") == 3


def test_a_client_that_goes_away_ends_the_application(server):
    with notes(server, "closed"), server.connect() as client:
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n")
        client.recv(100_000)
    with notes(server, "gone"), contextlib.closing(server.connect()) as client:
        with notes(server, "waiting"):
            client.sendall(b"GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() resets


def test_a_reader_that_stands_still_stops_the_writer(server):
    """What the application can send ahead is bounded."""
    if not server.on_loop:
        pytest.skip("the spool of a reply on a thread is larger than this test wants to wait for")
    sent = server.folder / "sent"
    sent.unlink(missing_ok=True)
    with server.connect() as client:
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n")
        until(lambda: sent.exists() and int(sent.read_text() or 0) > 500_000)
        seen = []

        def settled():
            seen.append(int(sent.read_text() or 0))
            return len(seen) > 50 and seen[-50] == seen[-1]

        until(settled, "an end of sending")
        assert seen[-1] < 64 << 20
