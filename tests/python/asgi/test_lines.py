"""Lines of the ASGI checklist (README.md beside this) that no other test here shows."""

import contextlib
import json
import signal
import struct
import zlib

import asgi_apps
import pytest
from support.server import until
from support.websocket import BINARY, CLOSE, TEXT, Client, connect
from test_websocket_ends import code_of


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("asgi_lines:app")


def scope_of(server, head):
    answer = server.raw(head + b"Connection: close\r\n\r\n")
    return json.loads(answer.partition(b"\r\n\r\n")[2])


# The scope

def test_types_of_the_scope(server):
    types = scope_of(server, b"GET /a%20b?q HTTP/1.1\r\nHost: h\r\n")["types"]
    assert types == {"type": "str", "asgi": "dict", "http_version": "str", "server": "tuple", "client": "tuple", "scheme": "str", "root_path": "str", "path": "str",
                     "raw_path": "bytes", "query_string": "bytes", "headers": "list", "state": "dict", "extensions": "dict", "method": "str"}


@pytest.mark.parametrize("target, path, raw_path, query", [
    (b"http://other:81/x%2Fy?a=%20", "/x/y", "/x%2Fy", "a=%20"), (b"/?", "/", "/", ""), (b"/%E2%82%AC/a+b;c=1", "/\u20ac/a+b;c=1", "/%E2%82%AC/a+b;c=1", ""), (b"//two", "//two", "//two", ""),
])
def test_forms_of_the_target(server, target, path, raw_path, query):
    scope = scope_of(server, b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


def test_an_asterisk_is_the_path(server):
    assert scope_of(server, b"OPTIONS * HTTP/1.1\r\nHost: h\r\n")["raw_path"] == "*"


def test_methods_are_upper_case_and_may_be_any(server):
    for method in (b"GET", b"PATCH", b"PROPFIND", b"BREW"):
        with contextlib.suppress(json.JSONDecodeError):  # a method that the server does not know may be refused
            assert scope_of(server, method + b" / HTTP/1.1\r\nHost: h\r\n")["method"] == method.decode()


def test_headers_are_lower_case_in_order_with_duplicates_and_cookies_apart(server):
    scope = scope_of(server, b"GET / HTTP/1.1\r\nHOST: h\r\nX-B: 1\r\nCookie: a=1\r\nx-a: \xff\r\nX-b: 2\r\nCookie: b=2\r\nX-Empty:\r\n")
    assert [tuple(pair) for pair in scope["headers"]][:7] == [("host", "h"), ("x-b", "1"), ("cookie", "a=1"), ("x-a", "\xff"), ("x-b", "2"), ("cookie", "b=2"), ("x-empty", "")]


def test_version_of_http(server):
    assert scope_of(server, b"GET / HTTP/1.0\r\n")["http_version"] == "1.0"
    assert scope_of(server, b"GET / HTTP/1.1\r\nHost: h\r\n")["http_version"] == "1.1"


def test_a_unix_socket_has_no_client_and_its_path_for_a_server(serve, tmp_path):
    path = f"{tmp_path}/s"
    scope = json.loads(serve("asgi_lines:app", bind=f"unix:{path}").get("/").body)
    assert scope["server"] == [path, None] and scope["client"] is None


def test_scheme_of_a_trusted_proxy(server):
    head = b"X-Forwarded-Proto: https\r\n"
    assert scope_of(server, b"GET / HTTP/1.1\r\nHost: h\r\n" + head)["scheme"] == "https"
    for proto in ("https", "wss"):  # the second is Traefik's word for it
        with connect(server, "/socket", f"X-Forwarded-Proto: {proto}\r\n") as client:
            assert json.loads(client.receive()[1])["scheme"] == "wss"
    with connect(server, "/socket") as client:
        assert json.loads(client.receive()[1])["scheme"] == "ws"


def test_what_a_request_writes_to_its_scope_is_its_own(server):
    for _ in range(3):
        assert server.get("/writes_to_its_scope").body == b"true"


def test_extensions_are_what_the_connection_can_do(server):
    of_http = {"http.response.early_hint", "http.response.pathsend", "http.response.zerocopysend"}
    assert set(scope_of(server, b"GET / HTTP/1.1\r\nHost: h\r\n")["extensions"]) == of_http
    assert set(scope_of(server, b"GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n")["extensions"]) == of_http | {"http.response.trailers"}
    with connect(server, "/socket") as client:
        assert set(json.loads(client.receive()[1])["extensions"]) == {"websocket.http.response"}


# Responses

def test_head_waits_for_the_first_piece_and_each_piece_goes_at_once(serve):
    server = serve("asgi_lines:app")
    with server.connect(0.3) as client:
        client.sendall(b"GET /in_steps HTTP/1.1\r\nHost: h\r\n\r\n")
        server.logged("started")
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(60)
        data = b""
        for number in range(3):
            (server.folder / f"step{number}").touch()
            while b"step%d\n" % number not in data:
                data += client.recv(1000)
        assert data.startswith(b"HTTP/1.1 200 ")


def test_responses_without_a_body(server):
    head = server.request("HEAD", "/length_of_a_head")
    assert (head.status, head.body, head.headers["content-length"], head.headers["x-method"]) == (200, b"", "5", "HEAD")
    for path, length in (("/no_content", None), ("/not_modified", "5")):
        with contextlib.closing(server.client()) as client:
            for _ in range(2):  # nothing is left on the connection
                client.request("GET", path)
                reply = client.getresponse()
                assert (reply.read(), reply.headers["content-length"]) == (b"", length)


def test_head_of_a_file(server):
    import os

    assert server.request("HEAD", "/path_with_a_length").headers["content-length"] == str(os.path.getsize(asgi_apps.__file__))


@pytest.mark.parametrize("size, kept", [(100, True), (100_000, True), (50_000_000, False)])
def test_body_that_nobody_receives_is_drained_or_ends_the_connection(server, size, kept):
    with contextlib.closing(server.client()) as client:
        client.sock.sendall(b"POST /ignores_its_body HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        with contextlib.suppress(OSError):
            client.sock.sendall(bytes(size))
        with client.sock.makefile("rb") as file:
            with contextlib.suppress(ConnectionResetError):
                assert file.readline() == b"HTTP/1.1 200 OK\r\n"
                if not kept:
                    return
                while file.readline() != b"\r\n":
                    pass
                assert file.read(8) == b"not read"
                client.sock.sendall(b"GET /length_of_a_head HTTP/1.1\r\nHost: h\r\n\r\n")
                assert file.readline() == b"HTTP/1.1 200 OK\r\n"


def test_chunks_that_nobody_receives_are_drained(server):
    """Their answer could not know how many there are: it has promised to go on."""
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    with contextlib.closing(server.client()) as client:
        client.sock.sendall(b"POST /ignores_its_body HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 80 + b"0\r\n\r\n")
        client.sock.sendall(b"GET /length_of_a_head HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert client.sock.makefile("rb").read().count(b"HTTP/1.1 200 OK\r\n") == 2


# WebSockets

def test_headers_of_an_accept(server):
    with connect(server, "/socket") as client:
        assert (client.status, client.headers["x-up"], client.headers["set-cookie"]) == (101, "1", "a=1")
        assert client.headers["sec-websocket-accept"] and client.headers["upgrade"].lower() == "websocket"


def test_an_event_has_text_or_bytes(server):
    with connect(server, "/socket") as client:
        client.receive()
        for opcode, key in ((TEXT, "text"), (BINARY, "bytes")):
            client.send(opcode, b"x")
            assert client.receive() == (TEXT, str([key, "type"]).encode())


@pytest.mark.parametrize("fields, status", [
    ("Sec-WebSocket-Version: 12\r\n", 426), ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n", 400), ("Sec-WebSocket-Version: 13\r\n", 400),
])
def test_handshakes_that_are_none(serve, fields, status):
    server = serve("asgi_lines:app")
    server.expect("(?i)websocket")
    answer = server.raw(f"GET /socket HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{fields}\r\n")
    assert int(answer.split()[1]) == status
    if status == 426:
        # RFC 9110 15.5.22 and 7.8, RFC 6455 4.4.
        for field in (b"sec-websocket-version: 13", b"upgrade: websocket", b"connection: upgrade", b"connection: close"):
            assert b"\r\n" + field + b"\r\n" in answer.lower()


def test_compressed_bomb_ends_with_1009_and_costs_no_memory(serve):
    server = serve("asgi_apps:app", "--ws-max-size", "1000000")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(bytes(1 << 30)) + packer.flush(zlib.Z_SYNC_FLUSH)
    before = server.pss(server.pid)
    for _ in range(3):
        client = Client(server, "/echo", "Sec-WebSocket-Extensions: permessage-deflate\r\n")
        assert "permessage-deflate" in client.headers["sec-websocket-extensions"]
        client.socket.sendall(bytes([0xC2, 0xFF]) + struct.pack(">Q", len(bomb) - 4) + bytes(4))
        with contextlib.suppress(OSError):
            client.socket.sendall(bomb[:-4])
        opcode, payload = client.receive()
        assert (opcode, code_of(payload)) == (CLOSE, 1009)
        client.close()
    assert server.pss(server.pid) - before < 8 * 1024
    assert server.get("/echo").status == 200


def test_compression_can_be_switched_off(serve):
    server = serve("asgi_apps:app", "--no-ws-per-message-deflate")
    with connect(server, "/echo", "Sec-WebSocket-Extensions: permessage-deflate\r\n") as client:
        assert client.status == 101 and "sec-websocket-extensions" not in client.headers


def test_message_in_many_fragments_is_one(server):
    with connect(server, "/socket") as client:
        client.receive()
        for number in range(5000):
            client.socket.sendall(bytes([0x01 if number == 0 else 0x00, 0x81]) + bytes(4) + b"f")
        client.socket.sendall(b"\x80\x80" + bytes(4))
        assert client.receive() == (TEXT, b"['text', 'type']")


# Lifespan

def test_lifespan_is_each_workers_and_of_those_that_are_recycled_too(serve):
    server = serve("asgi_lines:app", "--max-requests", "5", workers=2)
    until(lambda: server.get("/length_of_a_head").status == 200 and server.log().count("is over") >= 2, "the ends of recycled workers")
    assert server.stop() == 0
    log = server.log()
    assert log.count("is over") == log.count("Booting worker") == log.count("refused twice")


def test_stop_interrupts_a_startup(serve):
    server = serve("asgi_lines:app", env={"SLOW_START": "1"}, ready=None)
    server.logged("startup begins")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert "startup interrupted" in server.log() and "is over" not in server.log()
