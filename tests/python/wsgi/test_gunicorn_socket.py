"""WebSockets of WSGI applications: Flask's extensions speak through gunicorn.socket, as they do under gunicorn."""

import contextlib
import os
import signal
import sys
import urllib.request

import pytest
from support import websocket
from support.server import until

VENV = {"VIRTUAL_ENV": sys.prefix}


@pytest.fixture
def flask(serve):
    pytest.importorskip("flask_sock")
    return serve("wsgi_sockets:sock()", "--threads", "8", "--access-logfile", "-", env=VENV)


@pytest.fixture
def raw(serve):
    return serve("wsgi_sockets:raw()", "--threads", "4", ready="/keys", env=VENV)


def connect(server, path):
    client = pytest.importorskip("websockets.sync.client")
    return client.connect(f"ws://127.0.0.1:{server.port}{path}", proxy=None, max_size=None)


def get(server, path):
    return urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=60).read().decode()


def test_messages_of_every_kind_and_size_pass(flask):
    with connect(flask, "/echo") as ws:
        for message in ("", "text \u20ac", b"\0\xff", "x" * 300_000, os.urandom(1_000_000)):
            ws.send(message)
            assert ws.recv(60) == message
    flask.logged(r'"GET /echo HTTP/1.1" 101 ')


def test_many_are_open_beside_ordinary_requests(flask):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(connect(flask, "/room")) for _ in range(5)]
        sockets[0].send("to everybody")
        # Those that joined before the message get it; each is in the room before its own message is read.
        assert sockets[0].recv(60) == "to everybody"
        assert get(flask, "/") == "ordinary"


def test_a_view_that_returns_closes_in_good_order(flask):
    exceptions = pytest.importorskip("websockets.exceptions")
    for _ in range(20):
        with connect(flask, "/short") as ws:
            assert ws.recv(60) == "all there is"
            with pytest.raises(exceptions.ConnectionClosedOK):
                ws.recv(60)


def test_a_client_that_leaves_ends_its_view(flask):
    with connect(flask, "/room") as ws:
        ws.send("hello")
        assert ws.recv(60) == "hello"
    assert get(flask, "/ended") == "True"


def test_a_client_that_vanishes_ends_its_view(flask):
    with websocket.connect(flask, "/room") as ws:
        ws.send(websocket.TEXT, b"hello")
        assert ws.receive() == (websocket.TEXT, b"hello")
    assert get(flask, "/ended") == "True"


def test_an_error_of_the_view_ends_the_connection_and_adds_nothing(flask):
    flask.expect("deliberate")
    with websocket.connect(flask, "/broken") as ws:
        assert ws.receive() == (websocket.TEXT, b"before")
        assert b"HTTP/1.1" not in ws.file.read()
    assert get(flask, "/") == "ordinary"


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]], ids="+".join)
def test_socketio_calls_and_broadcasts_over_each_transport(serve, transports):
    pytest.importorskip("flask_socketio")
    socketio = pytest.importorskip("socketio")
    import asyncio

    server = serve("wsgi_sockets:socketio()", "--threads", "16", ready="/socket.io/?EIO=4&transport=polling", env=VENV)

    async def talk():
        clients = [socketio.AsyncClient() for _ in range(2)]
        heard = asyncio.Queue()
        for client in clients:
            client.on("heard", heard.put)
            await client.connect(f"http://127.0.0.1:{server.port}", transports=transports)
        assert await clients[0].call("echo", {"a": [1, "\u20ac"]}) == {"a": [1, "\u20ac"]}
        await clients[1].emit("shout", "everybody")
        assert [await asyncio.wait_for(heard.get(), 60) for _ in clients] == ["everybody"] * 2
        for client in clients:
            await client.disconnect()

    asyncio.run(talk())


def test_only_a_handshake_has_a_socket(raw):
    assert get(raw, "/keys") == "no"
    with raw.connect() as client:
        for _ in range(3):  # an ordinary answer keeps the connection
            client.sendall(websocket.handshake("/keys"))
            answer = b""
            while not answer.endswith(b"yes"):
                answer += client.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("spoiled", [b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13"])
def test_what_is_no_valid_handshake_is_an_ordinary_request(raw, spoiled):
    with raw.connect() as client:
        client.sendall(websocket.handshake("/keys").replace(spoiled, b"X-Spoiled: yes"))
        answer = b""
        while not answer.endswith(b"no"):
            answer += client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 ")


def test_bytes_behind_the_handshake_reach_the_application(raw):
    with raw.connect() as client:
        client.sendall(websocket.handshake("/switch") + b"GET /keys HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = b""
        while not answer.endswith(b"\r\n\r\nGET /keys HTTP/1.1\r\nHost: h\r\n\r\n"):
            answer += client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 101 ") and answer.count(b"HTTP/1.1 ") == 1


def test_the_clients_end_is_told_and_the_answer_still_delivered(raw):
    with raw.connect() as client:
        client.sendall(websocket.handshake("/switch"))
        assert b"101" in client.recv(12)
        client.sendall(b"last")
        client.shutdown(1)
        with client.makefile("rb") as file:
            assert file.read().endswith(b"\r\n\r\nlast")


def test_a_killed_worker_closes_its_sockets_and_nothing_else(raw):
    raw.expect("SIGKILL|signal 9|Killed")
    with raw.connect() as client:
        client.sendall(websocket.handshake("/switch"))
        assert b"101" in client.recv(12)
        worker = raw.workers()[0]
        os.kill(worker, signal.SIGKILL)
        with client.makefile("rb") as file:
            file.read()
    until(lambda: raw.workers() and raw.workers()[0] != worker, "a new worker")
    assert get(raw, "/keys") == "no"


def test_a_reload_lets_open_sockets_be_until_its_time_is_over(serve):
    server = serve("wsgi_sockets:raw()", "--threads", "4", "--graceful-timeout", "3", ready="/keys", env=VENV)
    with server.connect() as client:
        client.sendall(websocket.handshake("/switch"))
        assert b"101" in client.recv(12)
        old = server.workers()
        os.kill(server.pid, signal.SIGHUP)
        until(lambda: set(server.workers()) - set(old), "a new worker")
        client.sendall(b"still here")
        answer = b""
        while not answer.endswith(b"still here"):
            answer += client.recv(65536)
        assert get(server, "/keys") == "no"
        server.expect("not finished within --graceful-timeout")
        server.expect("the worker had to end")
        with client.makefile("rb") as file:
            file.read()  # its worker's time is over
