"""Large numbers, and memory that stays as it was. PREFORK_NUMBERS is the part of each number that is used: 1 in `tools/check -k numbers`."""

import contextlib
import os
import resource
import selectors

import pytest
from support.server import SANITIZED, until

SCALE = float(os.environ.get("PREFORK_NUMBERS", "0.05"))
HANDSHAKE = b"GET /socket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
HELLO = b"\x81\x85" + bytes(4) + b"hello"
CLOSE = b"\x88\x82" + bytes(4) + b"\x03\xe8"

pytestmark = pytest.mark.usefixtures("many_descriptors")


def scaled(number, least=1):
    return max(least, int(number * SCALE))


@pytest.fixture
def server(serve):
    return serve("asgi_numbers:app", "--worker-connections", "20000")


def read_until(client, end):
    data = b""
    while not data.endswith(end):
        piece = client.recv(1 << 16)
        assert piece, data[-200:]
        data += piece
    return data


@contextlib.contextmanager
def open_clients(server, count, first, answered):
    """So many connections, each of which has sent something and read up to `answered`."""
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(count):
            clients.append(stack.enter_context(server.connect()))
            clients[-1].sendall(first)
        for client in clients:
            read_until(client, answered)
        yield clients


def memory(server):
    """Kilobytes of the worker and of the master."""
    return server.pss(server.workers()[0]), server.pss(server.pid)


def grown(server, before):
    """Nothing under a sanitizer, which keeps what was freed for a while."""
    return 0 if SANITIZED else max(now - then for now, then in zip(memory(server), before))


def ask(server, count, batch=100):
    with server.connect() as client:
        for _ in range(0, count, batch):
            client.sendall(b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n" * batch)
            got = b""
            while got.count(b"\r\n\r\nhello") < batch:
                piece = client.recv(1 << 18)
                assert piece
                got += piece


def talk(server, count):
    """Sockets that are opened, used and closed, one after the other."""
    for number in range(count):
        with server.connect() as client:
            client.sendall(HANDSHAKE + HELLO)
            read_until(client, b"\x81\x05hello")
            if number % 3:  # the others are just gone
                client.sendall(CLOSE)
                assert read_until(client, b"\x03\xe8")


def test_thousand_streams_at_once(server):
    with open_clients(server, 1000, b"GET /held HTTP/1.1\r\nHost: h\r\n\r\n", b"begun\r\n") as clients:
        server.get("/open")
        left = selectors.DefaultSelector()
        sizes = dict.fromkeys(clients, 0)
        for client in clients:
            left.register(client, selectors.EVENT_READ)
        while left.get_map():
            for key, _ in left.select(60):
                piece = key.fileobj.recv(1 << 16)
                assert piece
                sizes[key.fileobj] += len(piece)
                if piece.endswith(b"0\r\n\r\n"):
                    left.unregister(key.fileobj)
        assert all(size > 10_000 for size in sizes.values())


def test_upload_to_an_application_that_does_not_receive_costs_no_memory(server):
    total = scaled(1 << 30, 64 << 20)
    before = memory(server)
    with server.connect(1) as client:
        client.sendall(b"POST /late HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % total)
        block, sent = memoryview(bytes(1 << 18)), 0
        with contextlib.suppress(TimeoutError):
            while sent < total:
                sent += client.send(block[: total - sent])
        assert sent < total  # it is held back
        assert grown(server, before) < 4096
        client.settimeout(60)
        server.get("/open")
        while sent < total:
            sent += client.send(block[: total - sent])
        read_until(client, b"\r\n\r\n%d" % total)
    assert grown(server, before) < 8192


def test_memory_stays_flat_over_requests(server):
    ask(server, scaled(20_000))
    before = memory(server)
    ask(server, scaled(200_000))
    assert grown(server, before) < 1024


def test_memory_stays_flat_over_sockets(server):
    talk(server, scaled(2_000))
    before = memory(server)
    talk(server, scaled(20_000))
    until(lambda: grown(server, before) < 1536, "the memory of before")


def test_idle_sockets_on_one_worker(server, record_property):
    count = min(scaled(10_000), resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)
    before = memory(server)
    with open_clients(server, count, HANDSHAKE, b"\r\n\r\n") as clients:
        each = sum(now - then for now, then in zip(memory(server), before)) / count
        record_property("kilobytes of a socket", each)
        print(f"{count} sockets, {each:.1f} KiB each")
        assert each < 32
        assert server.get("/hello").body == b"hello"
        for client in clients[:: max(1, count // 100)]:
            client.sendall(HELLO)
            assert read_until(client, b"hello") == b"\x81\x05hello"
    until(lambda: len([name for name in server.descriptors() if name.startswith("socket:")]) <= server.sockets_at_start, "the end of all")
