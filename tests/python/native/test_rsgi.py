"""RSGI applications: scope, protocol and WebSockets."""

import contextlib
import json
import socket
import struct

import pytest

from support.server import APPS, until


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("rsgi_apps:app")


def noted(server, text):
    path = server.folder / "notes"
    return until(lambda: path.exists() and text in path.read_text(), f"the note {text!r}")


def test_a_scope_tells_what_came(server):
    raw = server.raw("GET /facts?a=1&b=%20 HTTP/1.1\r\nHost: h\r\nX-Two: one\r\nX-Two: two\r\nConnection: close\r\n\r\n")
    facts = json.loads(raw.partition(b"\r\n\r\n")[2])
    assert facts["proto"] == "http" and facts["http_version"] == "1.1" and facts["rsgi_version"].startswith("1.") and facts["scheme"] == "http"
    assert facts["server"] == f"127.0.0.1:{server.port}" and facts["client"].startswith("127.0.0.1:") and facts["authority"] is None
    assert facts["method"] == "GET" and facts["path"] == "/facts" and facts["query_string"] == "a=1&b=%20"
    assert facts["keys"] == facts["iterated"] == ["host", "x-two", "connection"] and facts["length"] == 3
    assert facts["values"] == ["h", "one", "two", "close"] and facts["items"][1:3] == [["x-two", "one"], ["x-two", "two"]]
    assert facts["get"] == facts["item"] == "one" and facts["all"] == ["one", "two"] and facts["contains"] and facts["none"] == 5


@pytest.mark.parametrize(("path", "status", "body"), [
    ("/", 200, b"hello"), ("/empty", 204, b""), ("/twice", 204, b""), ("/stream", 200, "aé".encode()), ("/no-file", 404, b"Not found"),
    ("/range", 206, (APPS / "rsgi_apps.py").read_bytes()[3:8]), ("/file", 200, (APPS / "rsgi_apps.py").read_bytes()),
])
def test_each_kind_of_response_arrives(server, path, status, body):
    reply = server.get(path)
    assert (reply.status, reply.body) == (status, body)


@pytest.mark.parametrize("size", [0, 5, 3_000_000])
def test_a_request_body_is_read_whole_or_in_pieces(server, size):
    data = b"abcde" * (size // 5)
    assert server.post("/body", data).body == f"{size} {data[:5]!r}".encode()
    assert server.post("/pieces", data).body == str(size).encode()


@pytest.mark.parametrize(("path", "why"), [
    ("/fail", "an error of the application"), ("/nothing", "without a response"), ("/bad-header", "no header name"), ("/bad-type", "takes bytes"),
])
def test_failures_are_a_clean_500(server, path, why):
    server.expect(why)
    assert server.get(path).status == 500
    server.logged(why)


def test_an_error_in_a_stream_cuts_it(server):
    server.expect("after the first byte")
    raw = server.raw("GET /stream-fail HTTP/1.1\r\nHost: h\r\n\r\n")
    assert b"a part" in raw and not raw.endswith(b"0\r\n\r\n")


def test_client_disconnect_returns_when_the_client_has_gone_or_was_answered(server):
    with contextlib.closing(server.connect()) as client:
        client.sendall(b"GET /disconnect HTTP/1.1\r\nHost: h\r\n\r\n")
        while b"begun" not in client.recv(1000):
            pass
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    noted(server, "disconnected")
    assert server.get("/after").body == b"answered"
    noted(server, "after the answer")


def test_init_and_del_are_called_while_the_loop_does_not_run(serve):
    server = serve("rsgi_apps:app")
    noted(server, "init False")
    server.stop()
    noted(server, "del False")


def connect(server, path):
    client = pytest.importorskip("websockets.sync.client")
    return client.connect(f"ws://127.0.0.1:{server.port}{path}")


def test_a_websocket_echoes(server):
    with connect(server, "/echo") as client:
        assert client.recv() == "ws http GET"
        for message in ("text", b"bytes", "x" * 200_000):
            client.send(message)
            assert client.recv() == message
    noted(server, "closed None")


def test_a_websocket_is_closed_with_a_code(server):
    with connect(server, "/echo") as client:
        client.recv()
        client.send("bye")
        with pytest.raises(pytest.importorskip("websockets.exceptions").ConnectionClosed):
            client.recv()
        assert client.protocol.close_code == 4001


@pytest.mark.parametrize(("path", "status"), [("/refuse", 401), ("/forget", 403)])
def test_a_websocket_is_refused(server, path, status):
    reply = server.get(path, {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert reply.status == status
