"""Bodies that no process keeps whole, and threads that share a worker. PREFORK_NUMBERS is the part of each size that is used: 1 in
`tools/check -k numbers`."""

import concurrent.futures
import contextlib
import hashlib
import os
import random
import threading

import pytest
from support.server import SANITIZED

SCALE = float(os.environ.get("PREFORK_NUMBERS", "0.06"))
MIB = 1 << 20
BLOCK = random.Random(7).randbytes(MIB)


def scaled(mebibytes):
    return max(32, int(mebibytes * SCALE))


def memory(server):
    return server.pss(server.pid), server.pss(server.workers()[0])


def assert_flat(server, before, most):
    """By no more than so many KiB: buffers of fixed sizes, and no part of the body."""
    assert all(now - then < most for now, then in zip(memory(server), before)), (before, memory(server))


@pytest.mark.parametrize("options", [(), ("--threads", "4"), ("--no-request-buffering",)])
def test_down_and_up_without_memory(serve, options):
    if SANITIZED:
        pytest.skip("a sanitizer's memory is its own")
    server = serve("wsgi_apps:app", *options)
    server.post("/digest", BLOCK)  # what is allocated once
    len(server.get("/blocks/100/65536").body)
    before = memory(server)
    count = scaled(1024)
    with contextlib.closing(server.client()) as client:
        client.request("GET", f"/blocks/{count * 16}/65536")
        reply, size = client.getresponse(), 0
        while piece := reply.read(1 << 18):
            assert piece.count(b"b") == len(piece)
            size += len(piece)
            if size % (64 * MIB) < len(piece):
                assert_flat(server, before, 16 * 1024)
        assert size == count * MIB
    digest, count = hashlib.sha256(), scaled(512)

    def blocks():
        for number in range(count):
            digest.update(BLOCK)
            yield BLOCK
            if number % 64 == 63:
                assert_flat(server, before, 16 * 1024)

    for headers in ({"Content-Length": str(count * MIB)}, {}):
        digest = hashlib.sha256()
        reply = server.request("POST", "/digest", blocks(), headers, encode_chunked=not headers)
        assert reply.body.decode() == f"{digest.hexdigest()} {count * MIB}"
    assert_flat(server, before, 16 * 1024)


@pytest.mark.parametrize(("threads", "workers"), [(1, 1), (4, 2), (16, 1)])
def test_eight_clients_get_their_own_answers(serve, threads, workers):
    server = serve("wsgi_apps:app", "--threads", threads, workers=workers)
    started = threading.Barrier(8)

    def client(seed):
        choose = random.Random(seed)
        with contextlib.closing(server.client()) as connection:
            started.wait(60)
            for number in range(60):
                body = choose.randbytes(choose.choice((0, 1, 100, 4096, 65_537, 300_000)))
                path = choose.choice(("/echo", "/read/lines", f"/body/good/{choose.choice(('list', 'generator'))}", f"/environ/{seed}/{number}"))
                connection.request("POST", path, body if path == "/echo" else body[:1000].replace(b"\n", b"n"))
                answer = connection.getresponse().read()
                if path == "/echo":
                    assert answer == body
                elif path.startswith("/body"):
                    assert answer == b"abc"
                elif path.startswith("/environ"):
                    assert f'"{path}"'.encode() in answer

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(client, range(8)))
