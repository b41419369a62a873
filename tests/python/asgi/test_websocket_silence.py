"""Clients of WebSockets that say nothing, read nothing, or only ping: the server lets go of them, and its memory stays."""

import socket
import struct

import pytest
from support.server import SANITIZED, until
from support.websocket import CLOSE, PING, PONG, TEXT, connect
from test_websocket import events
from test_websocket_ends import code_of


def sockets_of(server):
    return len([name for name in server.descriptors() if name.startswith("socket:")])


def test_client_that_answers_neither_ping_nor_close_is_let_go(serve):
    server = serve("asgi_apps:app", "--ws-ping-interval", "0.1", "--ws-ping-timeout", "0.1")
    before = sockets_of(server)
    with connect(server, "/echo") as client:
        frames = []
        while not frames or frames[-1][0] != CLOSE:
            frames.append(client.receive())
        assert PING in [opcode for opcode, _ in frames] and code_of(frames[-1][1]) == 1011
        assert client.file.read() == b""
        until(lambda: sockets_of(server) <= before, "the end of the connection, which the client keeps open")


@pytest.mark.parametrize("how", ["stop", "reload and stop", "worker's death and stop"])
def test_client_that_does_not_answer_a_close_holds_up_no_shutdown(serve, how):
    server = serve("asgi_apps:app", "--graceful-timeout", "600")
    with connect(server, "/echo") as client:
        client.send(TEXT, b"hello")
        assert client.receive() == (TEXT, b"hello")
        if how == "reload and stop":
            server.signal(1)
            assert code_of(client.receive()[1]) == 1012
        elif how == "worker's death and stop":
            server.expect("(?i)worker.*(killed|signal|SIGKILL|died)")
            server.signal(9, server.workers()[0])
            assert code_of(client.receive()[1]) == 1011
            until(lambda: server.get("/echo").status == 200, "the next worker")
        server.signal(15)
        if how == "stop":
            assert code_of(client.receive()[1]) == 1001
        assert server.wait() == 0
    assert "lifespan over" in server.log()


def test_pings_of_a_client_that_reads_nothing_are_not_kept(serve):
    server = serve("asgi_apps:app", "--ws-max-size", "100000")
    ping = bytes([0x89, 0x80 | 125]) + bytes(4) + bytes(125)
    with connect(server, "/echo") as client:
        client.socket.sendall(ping * 1000)
        before = server.pss(server.pid)
        for _ in range(500):
            client.socket.sendall(ping * 1000)
        assert server.pss(server.pid) - before < 8 * 1024 or SANITIZED  # of 64 MiB
        client.socket.sendall(bytes([0x89, 0x84]) + bytes(4) + b"last")
        client.send(TEXT, b"done")
        while (frame := client.receive()) != (PONG, b"last"):
            assert frame[0] == PONG or frame == (TEXT, b"done")


def test_client_that_vanished_is_heard_of_by_its_pings(serve):
    """A half-open connection: nothing comes and nothing is refused."""
    server = serve("asgi_apps:app", "--ws-ping-interval", "0.1", "--ws-ping-timeout", "0.1")
    with connect(server, "/ends") as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        until(lambda: events(server), "the application's end")
    assert events(server)[-1][0] in (1006, 1011)


def test_close_in_the_middle_of_a_message_is_answered(serve):
    server = serve("asgi_apps:app")
    with connect(server, "/echo") as client:
        client.socket.sendall(b"\x01\x84" + bytes(4) + b"half")
        client.send(CLOSE, struct.pack(">H", 1000))
        assert client.receive() == (CLOSE, struct.pack(">H", 1000))
        assert client.file.read() == b""
