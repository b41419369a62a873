"""Crowds of clients that are slow, silent or gone: they cost memory, and little of it, but no worker and no request of anybody else.
Afterwards the fixture finds no descriptor and no process of theirs."""

import contextlib
import socket
import struct

import pytest
from support import load_generator
from support.server import BUILD, OUT_OF_DESCRIPTORS, SANITIZED, TINY, until

APP = "process_app:application"
GET = b"GET / HTTP/1.1\r\nHost: crowd\r\n\r\n"
CUT_HEAD = b"GET / HTTP/1.1\r\nHost: crowd\r\nUser-Agent: slow\r\nX-More: "

pytestmark = pytest.mark.usefixtures("many_descriptors")


def crowd(stack, server, count, says=b"", room=None, answered=False):
    clients = []
    for _ in range(count):
        client = stack.enter_context(socket.socket())
        client.settimeout(60)
        if room:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        client.connect(("127.0.0.1", server.port))
        client.sendall(says)
        if answered:
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        clients.append(client)
    return clients


def serves_others(server):
    return all(server.get("/").status == 200 for _ in range(20))


@pytest.mark.parametrize(("says", "most"), [(GET, 1.0), (CUT_HEAD, 2.0)], ids=["idle", "slow heads"])
def test_two_thousand_connections_cost_memory_only(serve, says, most, record_property):
    """KiB of the master's own memory for a connection; the kernel's buffers come on top."""
    server = serve(APP, "--header-timeout", "300", "--keep-alive", "300", workers=2)
    with contextlib.ExitStack() as stack:
        crowd(stack, server, 200, says, answered=says == GET)  # what is there once, whatever the number
        until(lambda: len(server.descriptors()) >= 200, "the first connections")
        assert serves_others(server)
        before = server.pss(server.pid)
        crowd(stack, server, 2000, says, answered=says == GET)
        until(lambda: len(server.descriptors()) >= 2200, "every connection")
        assert serves_others(server)
        cost = (server.pss(server.pid) - before) / 2000
        record_property("KiB a connection", cost)
        assert cost <= most or SANITIZED
    until(lambda: len(server.descriptors()) < 200, "the end of the crowd")
    assert serves_others(server)


def test_two_hundred_slow_readers_hold_no_worker(serve):
    """RFC 9112 says nothing of patience: 5 MB each, two workers, and everybody else is served as if they were not there."""
    server = serve(APP, "--response-buffer", "65536", "--timeout", "300", workers=2)
    with contextlib.ExitStack() as stack:
        readers = crowd(stack, server, 10 if TINY else 200, b"GET /len/5000000 HTTP/1.1\r\nHost: crowd\r\nConnection: close\r\n\r\n", room=4096)
        for reader in readers:
            assert reader.recv(1) == b"H"  # each has its reply under way
        assert serves_others(server)
        first = b"H"
        while piece := readers[0].recv(1 << 20):
            first += piece
        head, _, body = first.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ") and len(body) == 5_000_000
    until(lambda: len(server.descriptors()) < 100, "the end of the crowd")
    assert serves_others(server)


def test_five_hundred_clients_vanish_under_load(serve):
    server = serve(APP, workers=2)
    load = load_generator.start("-c", 16, "-n", 3000, f"http://127.0.0.1:{server.port}/")
    reset = struct.pack("ii", 1, 0)
    for half in (b"POST /echo HTTP/1.1\r\nHost: crowd\r\nContent-Length: 500000\r\n\r\n" + bytes(100_000),
                 b"GET /len/300000 HTTP/1.1\r\nHost: crowd\r\n\r\n"):
        with contextlib.ExitStack() as stack:
            for client in crowd(stack, server, 250, half):
                if half.startswith(b"GET"):
                    assert client.recv(1)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    report = load_generator.finish(load)
    assert report["exit_status"] == 0, report["log"]
    until(lambda: len(server.descriptors()) < 100, "the end of the crowd")
    assert serves_others(server)


@pytest.mark.parametrize("more", [[], ["--close"]], ids=["kept", "one request each"])
def test_512_connections_at_once_meet_no_socket_error(serve, more):
    server = serve(APP, workers=2)
    report = load_generator.load("-c", 512, "-n", 10_000, *more, f"http://127.0.0.1:{server.port}/")
    assert report["exit_status"] == 0, report["log"]
    assert report["ok"] == 10_000
    assert not report["failures"]


def test_descriptors_that_run_out_and_come_back(serve):
    server = serve(APP, workers=1, command=f"bash -c 'ulimit -n 80 && exec \"$0\" \"$@\"' {BUILD / 'prefork'}")
    server.expect(OUT_OF_DESCRIPTORS)
    with contextlib.ExitStack() as stack:
        clients = crowd(stack, server, 150, GET)
        server.logged(OUT_OF_DESCRIPTORS)
        for client in clients[:20]:
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        for client in clients[:120]:  # makes room for all that are left: those who have waited get their answers
            client.close()
        for client in clients[120:]:
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert serves_others(server)


def test_file_for_which_no_descriptor_is_free_breaks_off_its_reply_and_costs_no_worker(serve):
    server = serve("asgi_apps:app", workers=1, command=f"bash -c 'ulimit -n 80 && exec \"$0\" \"$@\"' {BUILD / 'prefork'}")
    server.expect(OUT_OF_DESCRIPTORS)
    server.expect(r"\[ERROR\] Error handling request GET /file/path[^\n]*: no descriptor is free for the file of its reply")
    before = server.workers()
    with contextlib.ExitStack() as stack:
        clients = crowd(stack, server, 150, GET)
        server.logged(OUT_OF_DESCRIPTORS)
        for client in clients[:2]:
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        clients[0].sendall(GET.replace(b"/", b"/file/path", 1))
        reply = b""
        while piece := clients[0].recv(65536):
            reply += piece
        assert reply.startswith(b"HTTP/1.1 200 ") and reply.endswith(b"\r\n\r\n")
        clients[1].sendall(GET)
        assert clients[1].recv(4096).startswith(b"HTTP/1.1 200 ")
    assert server.workers() == before
