"""What becomes of sockets, streams and requests when workers die, hang, are reloaded, recycled or stopped."""

import contextlib
import os
import signal
import sys
import threading

import pytest
from support.server import until
from support.websocket import CLOSE, TEXT, connect, handshake
from test_websocket_ends import code_of

DEATH = "(?i)worker.*(killed|signal|SIGKILL|died|exited)|Error handling request|WORKER TIMEOUT|Fatal Python error|Worker aborted"


class Stream:
    """A response of /drip."""

    def __init__(self, server, count):
        self.client = server.connect()
        self.client.sendall(f"GET /drip/{count} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        self.file = self.client.makefile("rb")
        self.worker = None
        while line := self.file.readline().strip():
            if line.lower().startswith(b"x-worker:"):
                self.worker = int(line.split()[1])

    def is_whole(self):
        data = b""
        with contextlib.suppress(ConnectionResetError):
            data = self.file.read()
        self.file.close()
        self.client.close()
        return data.endswith(b"0\r\n\r\n")


@contextlib.contextmanager
def sockets(server, count):
    """[(WebSocket, its worker)], with each worker having one at least."""
    with contextlib.ExitStack() as stack:
        found = []
        until(lambda: len(server.workers()) and server.get("/").status == 200, "the workers")

        def enough():
            client = stack.enter_context(connect(server, "/socket"))
            found.append((client, int(client.receive()[1])))
            return len(found) >= count and {worker for _, worker in found} == set(server.workers())
        until(enough, "a socket on each worker")
        yield found


def echoes(client):
    client.send(TEXT, b"still there?")
    return client.receive() == (TEXT, b"still there?")


def closed_with(client):
    opcode, payload = client.receive()
    assert opcode == CLOSE
    client.send(CLOSE, payload[:2])
    assert client.file.read() == b""
    return code_of(payload)


def kill(server, pid):
    os.kill(pid, signal.SIGKILL)


def ask_to_exit(server, pid):
    while pid in server.workers():  # whichever worker has it ends
        server.get("/exit")


def test_death_of_a_worker_is_noticed_by_its_own_clients_only(serve):
    server = serve("asgi_service:app", workers=2)
    server.expect(DEATH)
    until(lambda: len({server.get("/").body for _ in range(20)}) == 2 or len(server.workers()) == 2, "both workers")
    with sockets(server, 6) as found:
        streams = [Stream(server, 100) for _ in range(8)]
        victim = found[0][1]
        kill(server, victim)
        for client, worker in found:
            if worker == victim:
                assert closed_with(client) == 1011
            else:
                assert echoes(client)
        for stream in streams:
            assert stream.is_whole() == (stream.worker != victim)
        assert server.get("/").status == 200


def test_application_that_exits_is_a_death(serve):
    server = serve("asgi_service:app")
    server.expect(DEATH)
    with sockets(server, 2) as found:
        assert server.get("/exit").status == 502
        assert [closed_with(client) for client, _ in found] == [1011, 1011]
    assert server.get("/").status == 200


def test_handler_that_blocks_its_loop_is_ended_and_its_sockets_are_closed(serve):
    server = serve("asgi_service:app", "--timeout", "1")
    server.expect(DEATH)
    with sockets(server, 2) as found, server.connect() as client:
        client.sendall(b"GET /hang HTTP/1.1\r\nHost: h\r\n\r\n")
        assert client.makefile("rb").readline().split()[1] == b"504"
        assert [closed_with(client) for client, _ in found] == [1011, 1011]
    assert "TIMEOUT" in server.log() and "GET /hang for" in server.log()
    assert server.get("/").status == 200


def test_reload_finishes_streams_closes_sockets_and_fails_no_request(serve):
    server = serve("asgi_service:app", workers=2)
    failed, done = [], threading.Event()

    def ask():
        while not done.is_set():
            reply = server.get("/")
            if reply.status != 200:
                failed.append(reply)
    asking = threading.Thread(target=ask)
    with sockets(server, 4) as found:
        streams = [Stream(server, 100) for _ in range(6)]
        before = set(server.workers())
        asking.start()
        server.signal(signal.SIGHUP)
        assert [closed_with(client) for client, _ in found] == [1012] * len(found)
        assert all(stream.is_whole() for stream in streams)
    until(lambda: server.workers() and not before & set(server.workers()), "the new generation")
    done.set()
    asking.join()
    assert failed == []
    with sockets(server, 2) as found:
        assert not {worker for _, worker in found} & before
        assert all(echoes(client) for client, _ in found)


def test_recycled_worker_finishes_streams_and_says_1012(serve):
    server = serve("asgi_service:app", "--max-requests", "30", workers=1)
    with sockets(server, 2) as found:
        streams = [Stream(server, 50) for _ in range(3)]
        assert {server.get("/").status for _ in range(40)} == {200}
        assert [closed_with(client) for client, _ in found] == [1012, 1012]
        assert all(stream.is_whole() for stream in streams)
    assert server.get("/").status == 200


def test_stop_finishes_streams_and_says_1001(serve):
    server = serve("asgi_service:app", workers=2)
    with sockets(server, 4) as found:
        streams = [Stream(server, 50) for _ in range(4)]
        server.signal(signal.SIGTERM)
        assert [closed_with(client) for client, _ in found] == [1001] * len(found)
        assert all(stream.is_whole() for stream in streams)
    assert server.wait() == 0
    assert server.log().count("lifespan ends") == 2


def test_what_does_not_end_is_cancelled_when_patience_is_over_and_the_lifespan_still_ends(serve):
    server = serve("asgi_service:app", "--graceful-timeout", "1")
    server.expect("Requests are broken off|Error handling|worker")
    stream = Stream(server, 100_000)
    with server.connect() as client:
        client.sendall(b"GET /never HTTP/1.1\r\nHost: h\r\n\r\n")
        server.logged("never begins")
        server.signal(signal.SIGTERM)
        assert not stream.is_whole()
        assert server.wait() == 0
    assert server.log().index("never is cleaned up") < server.log().index("lifespan ends")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_quick_stop_cancels_at_once_and_the_lifespan_still_ends(serve, tmp_path, number):
    config = tmp_path / "conf.py"
    config.write_text("def worker_int(worker): print('interrupted', flush=True)\n")
    server = serve("asgi_service:app", "-c", config)
    server.expect("Requests are broken off|Error handling|worker")
    stream = Stream(server, 100_000)
    with sockets(server, 1) as found, server.connect() as client:
        client.sendall(b"GET /never HTTP/1.1\r\nHost: h\r\n\r\n")
        server.logged("never begins")
        server.signal(number)
        assert [closed_with(client) for client, _ in found] == [1001]
        assert not stream.is_whole()
        assert server.wait() == 0
    steps = [server.log().index(step) for step in ("interrupted", "never is cleaned up", "lifespan ends")]
    assert steps == sorted(steps)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_quick_stop_of_an_idle_worker_ends_its_lifespan(serve, loop, number):
    server = serve("asgi_service:app", "--asgi-loop", loop, "--python", sys.executable)
    assert server.get("/").status == 200
    server.signal(number)
    assert server.wait() == 0
    assert "lifespan ends" in server.log()


def test_old_generation_that_does_not_end_is_cancelled_too(serve):
    server = serve("asgi_service:app", "--graceful-timeout", "1")
    server.expect("stopped at once: not finished within --graceful-timeout")
    server.expect("(?i)worker|Error handling")
    before = server.workers()
    stream = Stream(server, 100_000)
    server.signal(signal.SIGHUP)
    assert not stream.is_whole()
    until(lambda: not set(before) & set(server.workers()), "the old worker's end")
    server.logged("lifespan ends")
    assert server.get("/").status == 200


@pytest.mark.parametrize("number, code, told", [(signal.SIGTERM, 1001, "Handling signal: term"), (signal.SIGHUP, 1012, "Reloaded: generation 2")])
def test_socket_that_is_accepted_late_is_told_too(serve, number, code, told):
    server = serve("asgi_service:app")
    with server.connect() as client, client.makefile("rb") as file:
        client.sendall(handshake("/late"))
        server.logged("waits for accept")
        server.signal(number)
        server.logged(told)
        (server.folder / "accept").touch()
        assert_told(client, file, code)
    server.logged(f"heard {code}")


def test_socket_whose_handshake_was_on_its_way_at_a_stop_is_told_too(serve):
    server = serve("asgi_service:app")
    with server.connect() as client, client.makefile("rb") as file:
        asked = handshake("/socket")
        client.sendall(asked[:40])
        assert server.get("/").status == 200  # behind it
        server.signal(signal.SIGTERM)
        server.logged("Handling signal: term")
        client.sendall(asked[40:])
        assert_told(client, file, 1001)
    assert server.wait() == 0


def assert_told(client, file, code):
    assert file.readline().startswith(b"HTTP/1.1 101 ")
    while file.readline().strip():
        pass
    while (head := file.read(2))[0] != 0x88:
        file.read(head[1])
    answer = file.read(head[1])
    assert code_of(answer) == code
    client.sendall(b"\x88\x82\0\0\0\0" + answer[:2])


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_exit_that_a_signal_raises_in_a_task_leaves_the_lifespan_its_end(serve, loop):
    server = serve("asgi_service:app", "--asgi-loop", loop, "--python", sys.executable)
    server.expect("Requests are broken off|Error handling|worker")
    with server.connect() as client:
        client.sendall(b"GET /interrupted HTTP/1.1\r\nHost: h\r\n\r\n")
        assert client.recv(1)
        server.signal(signal.SIGINT)
        assert server.wait() == 0
    assert "lifespan ends" in server.log() and "application's lifespan" not in server.log()


def test_startup_that_never_completes_is_said_so(serve):
    server = serve("asgi_service:app", "--boot-timeout", "1", env={"HANG": "startup"}, ready=None)
    server.expect("not ready within --boot-timeout")
    server.logged("not ready within --boot-timeout")
    server.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_shutdown_that_never_completes_is_ended_by_the_graceful_timeout(serve, number):
    server = serve("asgi_service:app", "--graceful-timeout", "1", env={"HANG": "shutdown"})
    if number == signal.SIGHUP:
        server.expect("graceful-timeout")
    before = server.workers()
    server.signal(number)
    if number == signal.SIGHUP:
        until(lambda: server.workers() and not set(before) & set(server.workers()), "the old worker's end")
        assert server.get("/").status == 200
        server.signal(signal.SIGTERM)
    assert server.wait() == 0
