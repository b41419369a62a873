"""How a WebSocket ends, whoever ends it: the code that the client gets, and what the application hears."""

import contextlib
import json
import os
import signal
import socket
import struct

import pytest
from support.server import until
from support.websocket import BINARY, CLOSE, PING, PONG, TEXT, connect
from test_websocket import events


def code_of(payload):
    return struct.unpack(">H", payload[:2])[0]


def raw(client, first, payload, masked=True):
    client.socket.sendall(bytes([first, (0x80 if masked else 0) | len(payload)]) + (bytes(4) if masked else b"") + payload)


@contextlib.contextmanager
def ended(server, reason=None):
    """An open socket of /ends; after the block the application has told what it heard."""
    with connect(server, "/ends") as client:
        assert client.receive() == (TEXT, b"accepted")
        before = len(events(server))
        yield client
        until(lambda: len(events(server)) > before, "the application's end")


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("asgi_apps:app", "--ws-max-size", "1000", "--ws-ping-interval", "30")


BROKEN = {
    "text that is no UTF-8": (0x81, b"\xff", True, 1007),
    "a frame without a mask": (0x81, b"x", False, 1002),
    "a reserved bit": (0x91, b"x", True, 1002),
    "a reserved opcode": (0x83, b"x", True, 1002),
    "a continuation of nothing": (0x80, b"x", True, 1002),
    "a ping in pieces": (0x09, b"x", True, 1002),
    "a close code that nobody may send": (0x88, struct.pack(">H", 1005), True, 1002),
    "a close code of one byte": (0x88, b"\3", True, 1002),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_rule_ends_it_with_its_code(server, what):
    first, payload, masked, code = BROKEN[what]
    with ended(server) as client:
        raw(client, first, payload, masked)
        opcode, answer = client.receive()
        assert (opcode, code_of(answer)) == (CLOSE, code)
        assert client.file.read() == b""
    heard = events(server)[-1]
    assert heard[0] in (code, 1006) and heard[2:] == [True, True]


def test_message_that_is_too_large_ends_it_with_1009(server):
    with ended(server) as client:
        client.send(BINARY, bytes(1000))
        client.send(BINARY, bytes(1001))
        opcode, answer = client.receive()
        assert (opcode, code_of(answer)) == (CLOSE, 1009)
    assert events(server)[-2:] == [[None, 1000], [1009, events(server)[-1][1], True, True]]


@pytest.mark.parametrize("payload, heard", [(b"", [1005, ""]), (struct.pack(">H", 1000), [1000, ""]), (struct.pack(">H", 3999) + "\u20ac".encode(), [3999, "\u20ac"])])
def test_close_frame_of_the_client_is_answered_and_heard(server, payload, heard):
    with ended(server) as client:
        raw(client, 0x88, payload)
        opcode, answer = client.receive()
        assert (opcode, answer[:2]) == (CLOSE, payload[:2])
        assert client.file.read() == b""
    assert events(server)[-1] == [*heard, True, True]


def test_answers_to_what_came_before_a_close_are_no_errors(server):
    """The client is answered at once, so what the application sends then is refused. The log stays quiet: looked at behind each test."""
    for _ in range(300):
        with connect(server, "/echo") as client:
            text = bytes([0x81, 0x82]) + bytes(4) + b"hi"
            client.socket.sendall(text * 3 + bytes([0x88, 0x80]) + bytes(4))
            while client.receive()[0] != CLOSE:
                pass


@pytest.mark.parametrize("how", ["reset", "end"])
def test_lost_client_is_1006(server, how):
    with ended(server) as client:
        if how == "reset":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    assert events(server)[-1][0] == 1006 and events(server)[-1][2:] == [True, True]


def test_ping_in_the_middle_of_a_message_is_answered_at_once(server):
    with connect(server, "/echo") as client:
        raw(client, 0x01, b"one ")
        raw(client, 0x89, b"there?")
        assert client.receive() == (PONG, b"there?")
        raw(client, 0x80, b"two")
        assert client.receive() == (TEXT, b"one two")


def test_client_that_answers_no_ping_is_lost(serve):
    server = serve("asgi_apps:app", "--ws-ping-interval", "0.1", "--ws-ping-timeout", "0.1")
    with ended(server) as client:
        opcode, _ = client.receive()
        assert opcode == PING
        while opcode == PING:
            opcode, _ = client.receive()
        assert opcode == CLOSE
    assert events(server)[-1][0] in (1006, 1011) and events(server)[-1][2:] == [True, True]


def test_client_that_answers_pings_stays(serve):
    server = serve("asgi_apps:app", "--ws-ping-interval", "0.05", "--ws-ping-timeout", "5")
    with connect(server, "/echo") as client:
        for _ in range(5):
            opcode, payload = client.receive()
            assert opcode == PING
            client.send(PONG, payload)
        client.send(TEXT, b"still")
        while (answer := client.receive())[0] == PING:
            pass
        assert answer == (TEXT, b"still")


@pytest.mark.parametrize("workers", [1, 2])
def test_server_that_stops_says_1001(serve, workers):
    server = serve("asgi_apps:app", workers=workers)
    with connect(server, "/echo") as client:
        client.send(TEXT, b"hello")
        assert client.receive() == (TEXT, b"hello")
        server.signal(signal.SIGTERM)
        opcode, answer = client.receive()
        assert (opcode, code_of(answer)) == (CLOSE, 1001)
        raw(client, 0x88, answer[:2])
        assert client.file.read() == b""
        assert server.wait() == 0
    assert "lifespan over" in server.log()


def test_reload_says_1012_and_the_next_is_served_by_the_new_worker(serve):
    server = serve("asgi_apps:app")
    before = server.workers()
    with connect(server, "/echo") as client:
        server.signal(signal.SIGHUP)
        opcode, answer = client.receive()
        assert (opcode, code_of(answer)) == (CLOSE, 1012)
        raw(client, 0x88, answer[:2])
        assert client.file.read() == b""
    until(lambda: set(server.workers()) & set(before) == set() and server.workers(), "the old worker's end")
    with connect(server, "/echo") as client:
        client.send(TEXT, b"new")
        assert client.receive() == (TEXT, b"new")


def test_worker_that_is_killed_says_1011_and_streams_are_cut(serve):
    server = serve("asgi_apps:app")
    server.expect("(?i)worker.*(killed|signal|SIGKILL|died)")
    with connect(server, "/echo") as client, server.connect() as stream:
        stream.sendall(b"GET /flood HTTP/1.1\r\nHost: h\r\n\r\n")
        assert stream.recv(10) == b"HTTP/1.1 2"
        os.kill(server.workers()[0], signal.SIGKILL)
        opcode, answer = client.receive()
        assert (opcode, code_of(answer)) == (CLOSE, 1011)
        with contextlib.suppress(ConnectionResetError):
            tail = b""
            while piece := stream.recv(1 << 16):
                tail = (tail + piece)[-5:]
            assert tail != b"0\r\n\r\n"
    assert server.get("/echo").status == 200


def test_client_that_does_not_read_holds_send_back(serve):
    server = serve("asgi_apps:app")
    with connect(server, "/shout") as client:
        seen = [-1]

        def still():
            now = events(server)
            stands = now == seen[0] and now and now[0] > 0
            seen[0] = now
            return stands
        until(still, "send() to wait")
        assert seen[0][0] < 64 << 20
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: len(events(server)) == 2, "an error")


def test_application_that_receives_nothing_holds_its_client_back(serve):
    server = serve("asgi_apps:app", "--ws-max-queue", "4")
    frame = bytes([0x81, 0xFE, 0x20, 0x00]) + bytes(4) + b"m" * 0x2000
    total = 8000  # 64 MiB
    with connect(server, "/deaf/gate") as client:
        client.socket.settimeout(1)
        rest = memoryview(frame * total + bytes([0x81, 0x84]) + bytes(4) + b"last")
        with contextlib.suppress(TimeoutError):
            while len(rest):
                rest = rest[client.socket.send(rest[: 1 << 18]) :]
        assert len(rest) > len(frame) * total // 4
        (server.folder / "gate").touch()
        client.socket.settimeout(60)
        client.socket.sendall(rest)
        assert client.receive() == (TEXT, str(total).encode())


@pytest.mark.parametrize("most", [1, 3, 32, 5000])
def test_small_messages_come_whole_and_in_order_however_short_the_queue(serve, most):
    server = serve("asgi_apps:app", "--ws-max-queue", most)
    with connect(server, "/echo") as client:
        frames = b"".join(b"\x81\x84" + bytes(4) + b"%04d" % number for number in range(3000))
        client.socket.sendall(frames)
        for number in range(3000):
            assert client.receive() == (TEXT, b"%04d" % number)


def test_denial_in_pieces(server):
    with connect(server, "/refuse/response") as client:
        assert (client.status, client.headers["x-why"]) == (401, "because")
    assert json.loads(server.get("/events").body) is not None
