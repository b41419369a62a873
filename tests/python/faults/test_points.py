"""Every named fault point (shm/fault.hpp) x kill, stop, abort, slow, under load: a worker that stumbles costs at most the request that it
had started, a master that dies leaves nothing, and one that only stumbles costs nothing. Runs where the points are compiled in: the
presets debug, asan and tiny, or -DPREFORK_FAULTS=ON."""

import contextlib
import itertools
import os
import pathlib
import re
import signal
import socket
import threading

import pytest
from support import load_generator
from support.server import BUILD, ROOT, Server, until

pytestmark = pytest.mark.skipif(b"PREFORK_FAULT" not in (BUILD / "prefork").read_bytes(), reason="the fault points are not compiled in")

ACTIONS = ("kill", "stop", "abort", "slow")
# The passage of the point at which it happens: late enough that others are under way, and 1 where it is passed seldom.
WORKER = {
    "attach": 1, "ready": 1, "pump": 20, "claim": 20, "start": 20, "reply": 20, "replied": 20, "body": 2, "credit": 2, "ring": 20,
    "sleep": 10, "wake": 10, "drain": 1,
}
MASTER = {
    "accept": 3, "read": 20, "parse": 20, "collect": 2, "spool": 1, "enqueue": 20, "dispatch": 20, "revoke": 1, "requeue": 1, "retire": 1,
    "drain": 20, "write": 20, "linger": 1, "close": 2, "spawn": 2, "ready": 2,
}
# The body is larger than what goes along with its head (256 KiB): only then does a worker ask for more of it, and twice.
MIX = "/:90,/sleep/0.02:4,POST /echo#300000:3,/len/300000:3"
OPTIONS = ("--timeout", "1", "--boot-timeout", "10", "--graceful-timeout", "4", "--no-control-socket", "--response-buffer", "16384")


def test_every_point_of_the_sources_is_walked():
    named = set()
    for folder in ("shm", "worker", "master", "python/bridge"):
        for path in (ROOT / folder).rglob("*.cpp"):
            named |= set(re.findall(r'PREFORK_FAULT_POINT\("(.*?)"\)', path.read_text()))
    assert named == {f"worker.{point}" for point in WORKER} | {f"master.{point}" for point in MASTER}
    assert len(named) >= 15


def _state(pid):
    with contextlib.suppress(OSError):
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        return stat[stat.rindex(")") + 2]
    return "gone"


def _start(serve, app, tmp_path, point, action, nth, *arguments, **options):
    fired = tmp_path / "fired"
    # What is slow at every piece of a body takes its time, most where the pieces are small.
    patience = ("--timeout", "60") if action == "slow" else ()
    server = serve(app, *OPTIONS, *patience, *arguments, workers=3, env={"PREFORK_FAULT": f"{point}:{action}:{1 if action == 'slow' else nth}:{fired}"}, **options)
    server.expect(r"()")  # what a death makes it say is looked at by the tests of crashes
    server.sockets_at_start = None  # one is a worker's, and not all of them may have been there
    return server, fired


def _load(target, action, few=30):
    # Where each passage of the point takes 50 ms, less will do.
    count, connections = (few, 3) if action == "slow" else (600, 16)
    return load_generator.start("-c", connections, "-n", count, "-d", "100", "-t", "50", "--mix", MIX, target)


@pytest.mark.parametrize(("app", "point", "action"), [
    *(("process_app:application", *both) for both in itertools.product(WORKER, ACTIONS)),
    *(("process_asgi:application", point, "kill") for point in WORKER if point not in ("sleep", "wake")),
])
def test_a_worker_that_stumbles_costs_at_most_what_it_had_started(serve, tmp_path, app, point, action):
    server, fired = _start(serve, app, tmp_path, f"worker.{point}", action, WORKER[point])
    load = _load(f"http://127.0.0.1:{server.port}/", action, 300 if point in ("body", "credit") else 30)
    if point == "drain":
        server.signal(signal.SIGHUP)
    report = load_generator.finish(load)
    until(fired.exists, "the fault")
    if action == "slow":
        assert report["exit_status"] == 0, report["log"]
    elif app == "process_app:application":
        assert report["failed"] <= 1, report["log"]  # one thread: one request at a time
    assert set(report["statuses"]) <= {"200", "502", "504"}, report
    until(lambda: len(pids := server.workers()) == 3 and "T" not in map(_state, pids), "three workers that run")
    for _ in range(10):
        assert server.get("/").status == 200


def _disturb(server):
    """What makes the master pass the points that a plain request does not: a body in pieces, a bad request, a slow reader, a slow request
    with quick ones behind it, a reload and a worker's death. A master that dies of it ends the connections."""
    with contextlib.suppress(OSError), server.connect() as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(4):  # more than goes along with a head, and than is kept in memory
            client.sendall(b"%x\r\n%s\r\n" % (100_000, bytes(100_000)))
        client.sendall(b"0\r\n\r\n")
        client.recv(4096)
    with contextlib.suppress(OSError), server.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nno colon\r\n\r\n" + b"x" * 1000)
        client.recv(4096)
    with contextlib.suppress(OSError), server.connect() as client:
        client.sendall(b"GET /len/9000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        client.recv(1)
        server.get("/")
        while client.recv(1 << 20):
            pass
    with contextlib.suppress(OSError), server.connect() as client:
        quick = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        client.sendall(200 * quick + (b"GET /sleep/0.1 HTTP/1.1\r\nHost: x\r\n\r\n" + 15 * quick) * 3)
        client.shutdown(socket.SHUT_WR)
        while client.recv(1 << 20):
            pass
    with contextlib.suppress(OSError):
        server.signal(signal.SIGHUP)
        server.get("/sleep/0.1")
        server.signal(signal.SIGKILL, server.workers()[0])
        server.get("/")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("point", MASTER)
def test_a_master_that_stumbles_costs_nothing_and_one_that_dies_leaves_nothing(serve, tmp_path, point, action):
    server, fired = _start(serve, "process_app:application", tmp_path, f"master.{point}", action, MASTER[point], bind=f"unix:{tmp_path}/sock", ready=None)
    pids = set()
    _wait(server, fired, pids)
    load = _load(f"unix:{tmp_path}/sock", action)
    disturber = threading.Thread(target=_rounds, args=(server, fired, pids), daemon=True)
    disturber.start()
    until(fired.exists, "the fault")
    if action == "stop":
        until(lambda: _state(server.pid) == "T", "a master that is stopped")
        server.signal(signal.SIGCONT)
    if action in ("kill", "abort"):
        assert server.wait() == -(signal.SIGKILL if action == "kill" else signal.SIGABRT)
        until(lambda: not any(map(Server._alive, pids)), "the end of the workers")
        until(lambda: not os.path.exists(tmp_path / "sock"), "the end of the socket's file")
        load_generator.finish(load)
    else:
        report = load_generator.finish(load)
        assert report["failed"] <= report["statuses"].get("502", 0) <= 3, report["log"]  # the workers that were killed on purpose
    disturber.join()
    if action in ("slow", "stop"):
        until(lambda: len(server.workers()) == 3, "three workers")
        assert server.get("/").status == 200


def _wait(server, fired, pids):
    """Until it answers, or the fault has come before that."""
    def answered():
        pids.update(server.tree())
        with contextlib.suppress(OSError, Exception):
            return fired.exists() or server.get("/").status == 200
        return fired.exists()

    until(answered, "an answer")


def _rounds(server, fired, pids):
    for _ in range(3):
        pids.update(server.tree())
        if fired.exists() or server.process.poll() is not None:
            return
        with contextlib.suppress(Exception):
            _disturb(server)
