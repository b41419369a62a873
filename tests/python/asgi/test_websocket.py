"""WebSockets as ASGI events."""

import json
import socket
import struct

import pytest
from support.server import until
from support.websocket import BINARY, CLOSE, TEXT, connect, handshake


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("asgi_apps:app")


def events(server):
    return json.loads(server.get("/events").body)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [0, 1, 126, 70_000, 3_000_000])
def test_messages_come_back_whole(server, opcode, size):
    with connect(server, "/echo") as client:
        client.send(opcode, b"m" * size)
        assert client.receive() == (opcode, b"m" * size)


def test_first_subprotocol_is_chosen(server):
    with connect(server, "/echo", "Sec-WebSocket-Protocol: two, one\r\n") as client:
        assert (client.status, client.headers["sec-websocket-protocol"]) == (101, "two")


def test_answer_to_a_handshake_has_the_fields_of_every_reply(serve):
    server = serve("asgi_apps:app", "--header", "X-Served-By: prefork", "--request-id-response")
    with connect(server, "/echo") as client:
        assert client.status == 101
        assert client.headers["x-served-by"] == "prefork"
        assert {"server", "date", "x-request-id", "sec-websocket-accept"} <= client.headers.keys()


def test_client_that_closes_gives_code_and_reason(serve):
    server = serve("asgi_apps:app")
    with connect(server, "/echo") as client:
        client.send(CLOSE, struct.pack(">H", 4001) + b"bye")
        until(lambda: events(server), "the disconnect")
    assert events(server) == [["websocket.disconnect", 4001, "bye"]]


def test_client_that_is_lost_gives_1006(serve):
    server = serve("asgi_apps:app")
    with connect(server, "/echo") as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: events(server), "the disconnect")
    assert events(server)[0][:2] == ["websocket.disconnect", 1006]


@pytest.mark.parametrize("how, status", [("close", 403), ("response", 401)])
def test_application_refuses(server, how, status):
    with connect(server, f"/refuse/{how}") as client:
        assert client.status == status
        assert client.headers.get("x-why") == ("because" if how == "response" else None)


def test_application_that_fails_before_it_accepts_is_a_500(serve):
    server = serve("asgi_apps:app")
    server.expect(r"Exception in ASGI application GET /refuse/raise")
    with connect(server, "/refuse/raise") as client:
        assert client.status == 500


def test_application_closes_with_code_and_reason_and_can_send_no_more(serve):
    server = serve("asgi_apps:app")
    with connect(server, "/close/4002/enough") as client:
        assert client.receive() == (CLOSE, struct.pack(">H", 4002) + b"enough")
    assert "the WebSocket is closed" in until(lambda: events(server), "the error")[0]


def test_handshake_that_comes_before_the_application_is_loaded(serve):
    server = serve("asgi_late:app", ready=None)
    until(lambda: "Booting worker" in server.log(), "the worker")
    with server.connect() as client:
        client.sendall(handshake("/echo"))
        (server.folder / "gate").touch()
        assert client.makefile("rb").readline() == b"HTTP/1.1 101 Switching Protocols\r\n"


def test_handshake_behind_other_requests_waits_for_their_replies(server):
    plain = b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n"
    with server.connect() as client:
        client.sendall(plain * 3 + handshake("/echo") + b"\x81\x85\0\0\0\0hello")
        data = b""
        while b"\x81\x05hello" not in data:
            data += client.recv(1 << 16)
    assert data.count(b"HTTP/1.1 200 ") == 3
    assert data.rindex(b"HTTP/1.1 200 ") < data.index(b"HTTP/1.1 101 ")


def test_requests_before_a_handshake_that_was_given_up_are_answered(server):
    with server.connect() as client:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n" + handshake("/echo"))
        client.shutdown(socket.SHUT_WR)
        data = b""
        while piece := client.recv(1 << 16):
            data += piece
    assert data.count(b"HTTP/1.1 200 ") == 1
