"""--sticky: the requests of a key stay on one worker while it lives."""

import concurrent.futures
import contextlib
import os
import signal

import pytest

from support.server import until


def pid(server, headers=()):
    return int(server.get("/pid", dict(headers)).body)


@pytest.mark.parametrize(("key", "headers"), [
    ("cookie:session", lambda i: {"Cookie": f"other=1; session=user-{i}"}), ("header:X-Tenant", lambda i: {"X-Tenant": f"user-{i}"}),
])
def test_a_key_stays_on_its_worker(serve, key, headers):
    server = serve("shared_apps:app", "--sticky", key, workers=3)
    server.logged("Serving with 3 workers")
    before = [pid(server, headers(i)) for i in range(12)]
    assert len(set(before)) == 3
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for _ in range(5):
            assert list(pool.map(lambda i: pid(server, headers(i)), range(12))) == before
    server.expect("SIGKILL|died")
    victim = before[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(server.workers()) == 3 and victim not in server.workers(), "another worker")
    after = [pid(server, headers(i)) for i in range(12)]
    assert victim not in after
    assert all(new == old for new, old in zip(after, before) if old != victim)
    assert [pid(server, headers(i)) for i in range(12)] == after


def test_an_address_stays_on_its_worker(serve):
    server = serve("shared_apps:app", "--sticky", "ip", workers=3)
    server.logged("Serving with 3 workers")
    assert len({pid(server) for _ in range(20)}) == 1


def test_a_reload_moves_the_keys_and_loses_none(serve):
    server = serve("shared_apps:app", "--sticky", "header:X-Tenant", workers=2)
    old = set(server.workers())
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(server.get, "/pid", {"X-Tenant": str(i % 7)}) for i in range(100)]
        os.kill(server.pid, signal.SIGHUP)
        assert all(one.result().status == 200 for one in asked)
    until(lambda: not old & set(server.workers()), "new workers")
    assert pid(server, {"X-Tenant": "1"}) not in old


def test_nobody_waits_behind_a_busy_worker_but_its_own(serve):
    server = serve("shared_apps:app", "--sticky", "header:X-Tenant", "--timeout", "0", workers=2)
    server.logged("Serving with 2 workers")
    owner = pid(server, {"X-Tenant": "slow"})
    with contextlib.closing(server.connect()) as client:
        client.sendall(b"GET /forever HTTP/1.1\r\nHost: h\r\nX-Tenant: slow\r\n\r\n")
        until(lambda: int(server.get("/hits").body) > 0, "the slow one's start")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            waiting = pool.submit(server.get, "/pid", {"X-Tenant": "slow"})
            assert {pid(server) for _ in range(20)} == set(server.workers()) - {owner}
            assert not waiting.done()
            server.expect("SIGKILL|died")
            os.kill(owner, signal.SIGKILL)
            assert waiting.result().status == 200
        client.settimeout(60)
        assert b"502" in client.recv(1000)


@pytest.mark.parametrize("wrong", ["port", "cookie:", "header:a b"])
def test_what_it_does_not_take(serve, wrong):
    server = serve("shared_apps:app", "--sticky", wrong, ready=None)
    server.expect("sticky")
    assert server.process.wait(60) != 0 and "cookie:NAME, header:NAME or ip" in server.log()
