"""--preload: one process loads the application, and workers are forked from it."""

import ast
import concurrent.futures
import os
import pathlib
import re
import signal
import subprocess

import pytest
from support.load_generator import keep_busy, no_failure
from support.server import BUILD, SANITIZED, title, until

APP = "preload_apps:application"
ASGI = "preload_apps:asgi"
PROCESS = "process_app:application"


def facts(server):
    return ast.literal_eval(server.get("/facts").body.decode())


def facts_of_all(server, workers):
    """By process id, when each worker has answered; each request takes a while, so that the next one goes to another worker."""
    found = {}

    def everybody():
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            for reply in pool.map(lambda _: server.get("/facts?slowly"), range(workers)):
                one = ast.literal_eval(reply.body.decode())
                found[one["pid"]] = one
        return len(found) >= workers

    until(everybody, f"answers of {workers} workers")
    return found


def loads(server):
    return [int(line) for line in (server.folder / "loads").read_text().split()]


def settled(server, workers):
    """The mold, when it is alone with that many workers."""
    until(lambda: len(server.molds()) == 1 and len(server.workers()) == workers, f"a mold and {workers} workers")
    return server.molds()[0]


@pytest.mark.parametrize("host", [(), ("--python", "/usr/bin/python3")], ids=["embedded", "host"])
@pytest.mark.parametrize("app", [APP, ASGI])
def test_the_application_is_loaded_once_and_its_workers_are_the_masters_children(serve, app, host):
    server = serve(app, "--preload", *host, workers=3)
    found = facts_of_all(server, 3)
    mold = settled(server, 3)
    assert loads(server) == [mold]
    assert {one["loaded_in"] for one in found.values()} == {mold}
    assert {one["parent"] for one in found.values()} == {server.pid}
    assert len({one["random"] for one in found.values()}) == 3
    assert all(one["frozen"] for one in found.values())
    assert not any("of-the-import" in one["threads"] for one in found.values())
    if app == ASGI:
        assert all(one["started_in"] == pid for pid, one in found.items())


def test_workers_share_the_memory_of_the_application(serve):
    if SANITIZED:
        pytest.skip("a sanitizer's memory is its own")

    def kilobytes(*arguments):
        server = serve(APP, *arguments, workers=4, env={"PRELOAD_MEGABYTES": "100"})
        until(lambda: len(server.workers()) == 4, "all workers")
        facts_of_all(server, 4)
        used = sum(map(server.pss, server.tree()[1:]))
        server.stop()
        return used

    alone = kilobytes()
    shared = kilobytes("--preload")
    assert alone > 4 * 100_000 > 2 * 100_000 > shared


def test_processes_have_titles(serve):
    server = serve(PROCESS, "--preload", "--name", "shop", workers=2)
    mold = settled(server, 2)
    assert title(mold) == b"prefork: mold [shop]"
    assert {title(pid) for pid in server.workers()} == {b"prefork: worker [shop]"}


def test_the_setting_of_a_configuration_file_does_the_same(serve, tmp_path):
    config = tmp_path / "gunicorn.conf.py"
    config.write_text("preload_app = True\nworkers = 2\nthreads = 2\n")
    server = serve(APP, "-c", config, workers=2)
    assert set(facts_of_all(server, 2)) == set(server.workers())
    assert loads(server) == server.molds()


@pytest.mark.parametrize(("workers", "mode", "threads"), [(1, "rolling", 1), (3, "rolling", 4), (2, "surge", 1)])
def test_reloads_under_load_load_the_application_anew_and_fail_no_request(serve, workers, mode, threads):
    server = serve(APP, "--preload", "--reload-mode", mode, "--threads", threads, workers=workers)
    before = {settled(server, workers), *server.workers()}
    load = keep_busy(server, 4, "--mix", "/:98,/sleep/0.02:2")
    for _ in range(4):
        server.reload()
    no_failure(load)
    mold = settled(server, workers)
    assert not before & {mold, *server.workers()}
    assert len(loads(server)) == 5
    assert facts(server)["loaded_in"] == mold == loads(server)[-1]


def test_a_release_that_does_not_load_leaves_the_old_one_serving(serve, tmp_path):
    server = serve(PROCESS, "--preload", "--control-socket", tmp_path / "ctl", workers=2)
    mold, workers = settled(server, 2), server.workers()
    server.expect(r"\[ERROR\] Exception in worker process\nTraceback \(most recent call last\).*?RuntimeError: this release is broken")
    server.expect(r"\[ERROR\] Reload failed: the application was not loaded: the mold \(pid:\d+\) exited with code 3 \(Worker failed to boot.\)")
    (server.folder / "broken").touch()
    load = keep_busy(server, 3)
    told = subprocess.run([str(BUILD / "prefork"), "reload", "--wait", str(tmp_path / "ctl")], capture_output=True, text=True, timeout=60)
    assert told.returncode == 1 and "the application was not loaded" in told.stderr
    no_failure(load)
    assert (settled(server, 2), server.workers()) == (mold, workers)
    assert server.log().count("RuntimeError: this release is broken") == 1
    server.signal(signal.SIGTTIN)  # the mold of before still forks
    assert settled(server, 3) == mold
    (server.folder / "broken").unlink()
    server.reload()
    assert settled(server, 2) != mold


def test_a_release_that_takes_too_long_to_load_leaves_the_old_one_serving(serve):
    server = serve(PROCESS, "--preload", "--boot-timeout", "1", workers=1)
    mold, workers = settled(server, 1), server.workers()
    server.expect(r"\[ERROR\] Reload failed: the application was not loaded: the mold \(pid:\d+\) was killed by SIGKILL \(not ready within --boot-timeout\)")
    (server.folder / "boot-delay").write_text("60")
    server.signal(signal.SIGHUP)
    server.logged("Reload failed")
    assert (settled(server, 1), server.workers()) == (mold, workers)


@pytest.mark.parametrize(("app", "status", "reason"), [(PROCESS, 3, "Worker failed to boot."), ("process_app:absent", 4, "App failed to load.")])
def test_an_application_that_does_not_load_ends_the_server(serve, tmp_path, app, status, reason):
    if status == 3:
        (tmp_path / "broken").touch()
    server = serve(app, "--preload", workers=2, ready=None)
    assert server.wait() == status
    assert f"Reason: {reason}" in server.log()
    assert server.log().count("[ERROR] The mold (pid:") == 1
    server.expect(r".*")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_the_application_loads_waits_for_nothing(serve, tmp_path, number):
    (tmp_path / "boot-delay").write_text("3600")
    server = serve(PROCESS, "--preload", workers=2, ready=None)

    def catches():
        caught = re.search(r"SigCgt:\s*([0-9a-f]+)", pathlib.Path(f"/proc/{server.pid}/status").read_text()).group(1)
        return int(caught, 16) >> (number - 1) & 1

    until(lambda: catches() and server.molds(), "signal handlers and the mold")
    server.signal(number)
    assert server.wait() == 0


def test_workers_live_on_when_their_mold_dies_and_a_new_one_is_made(serve):
    server = serve(APP, "--preload", workers=2)
    mold, workers = settled(server, 2), server.workers()
    server.expect(r"\[ERROR\] The mold \(pid:\d+\) was killed by SIGKILL: a new one is made, the workers go on")
    load = keep_busy(server, 3)
    server.signal(signal.SIGKILL, mold)
    until(lambda: server.molds() and mold not in server.molds(), "a new mold")
    no_failure(load)
    assert server.workers() == workers
    server.signal(signal.SIGTTIN)
    again = settled(server, 3)
    assert facts_of_all(server, 3)[max(server.workers())]["loaded_in"] == again
    server.signal(signal.SIGTTOU)
    assert settled(server, 2) == again


def test_a_term_to_every_process_of_the_service_is_a_stop_in_good_order(serve):
    server = serve(PROCESS, "--preload", workers=2)
    mold = settled(server, 2)
    with server.connect() as client:
        client.sendall(b"GET /sleep/0.5 HTTP/1.1\r\nHost: x\r\n\r\n")
        for pid in (mold, server.pid):
            server.signal(signal.SIGTERM, pid)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
    assert server.wait() == 0
    assert server.log().count("Loading the application in process") == 1


@pytest.mark.parametrize(("path", "said"), [("/segv", "was killed by SIGSEGV"), ("/exit/7", "exited with code 7"), ("/abort", "exited with code 1|was killed by SIGABRT")])
def test_a_workers_death_costs_its_request_and_is_told_as_ever(serve, path, said):
    server = serve(PROCESS, "--preload", workers=1)
    mold = settled(server, 1)
    server.expect(r"\[ERROR\] Error handling request GET [^\n]*")
    server.expect(r"(Fatal Python error.*)?\[ERROR\] Worker \(pid:\d+\) (" + said + r") after [\d.]+ s: .*?requests served; it was running GET " + path + r" for [\d.]+ s")
    server.tolerate(r"\[CRITICAL\][^\n]*|Fatal Python error")
    assert server.get(path).status == 502
    assert server.get("/").status == 200
    assert settled(server, 1) == mold


def test_kills_of_workers_under_load_fail_only_what_was_started(serve):
    server = serve(PROCESS, "--preload", "--retry-crashed", workers=2)
    mold = settled(server, 2)
    server.expect(r"\[ERROR\] Worker \(pid:\d+\) was killed by SIGKILL \(out of memory\?\) after [\d.]+ s: .*?\d+ requests served[^\n]*")
    load = keep_busy(server, 4)
    for _ in range(3):
        victim = server.workers()[0]
        server.signal(signal.SIGKILL, victim)
        until(lambda victim=victim: victim not in server.workers() and len(server.workers()) == 2, "a replacement")
    no_failure(load)
    assert settled(server, 2) == mold


def test_nothing_outlives_a_master_that_is_killed(serve):
    server = serve(PROCESS, "--preload", workers=3)
    settled(server, 3)
    everybody = server.tree()
    assert len(everybody) >= 5
    server.signal(signal.SIGKILL)
    server.wait()
    until(lambda: not any(map(server._alive, everybody)), "the end of all")


def test_more_and_fewer_workers_under_load(serve):
    server = serve(APP, "--preload", workers=2)
    mold = settled(server, 2)
    load = keep_busy(server, 3)
    for number, count in ((signal.SIGTTIN, 3), (signal.SIGTTIN, 4), (signal.SIGTTOU, 3), (signal.SIGTTOU, 2), (signal.SIGTTOU, 1)):
        server.signal(number)
        assert settled(server, count) == mold
    no_failure(load)
    assert loads(server) == [mold]


def test_workers_that_are_worn_are_replaced_by_forks_under_load(serve):
    server = serve(APP, "--preload", "--max-requests", "50", "--max-requests-jitter", "20", workers=2)
    mold = settled(server, 2)
    load = keep_busy(server, 3)
    until(lambda: server.log().count("Worker exiting") >= 8, "replacements")
    no_failure(load)
    assert settled(server, 2) == mold
    assert loads(server) == [mold]


def test_an_upgrade_under_load_fails_no_request(serve, tmp_path):
    server = serve(PROCESS, "--preload", "--pid", tmp_path / "pid", "--no-control-socket", workers=2)
    load = keep_busy(server, 4, "--requests-per-connection", "20")
    server.signal(signal.SIGUSR2)
    new = until(lambda: (tmp_path / "pid.2").exists() and (tmp_path / "pid.2").read_text().strip(), "the new master's pid file")
    until(lambda: server.log().count("Serving with") == 2, "the new master's workers")
    server.tree()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    try:
        no_failure(load)
        assert server.get("/").status == 200
    finally:
        os.kill(int(new), signal.SIGTERM)
        until(lambda: not os.path.exists(f"/proc/{new}"), "the end of the new master")


HOOKS = '''
import os, preload_apps
def note(*words):
    with open(os.environ["PREFORK_TEST"] + "/hooks", "a") as file:
        print(*words, file=file)
def in_mold():
    return os.getpid() == preload_apps.LOADED_IN
MARK = []
def on_starting(server): preload_apps.SEEN.append("on_starting"); MARK.append(1); note("on_starting", in_mold())
def on_reload(server): preload_apps.SEEN.append("on_reload"); note("on_reload", in_mold())
def when_ready(server): preload_apps.SEEN.append("when_ready"); note("when_ready", in_mold())
def pre_fork(server, worker): preload_apps.SEEN.append(worker.age); worker.mark = worker.age; note("pre_fork", in_mold())
def post_fork(server, worker):
    note("post_fork", in_mold(), worker.mark == worker.age, worker.pid == os.getpid(), server.pid == os.getppid(), len(MARK))
def post_worker_init(worker): note("post_worker_init", worker.mark)
def worker_exit(server, worker): note("worker_exit", worker.pid)
def child_exit(server, worker): note("child_exit", in_mold(), worker.pid, worker.mark)
def nworkers_changed(server, new, old): note("nworkers_changed", new, old)
def on_exit(server): note("on_exit", in_mold())
'''


def test_hooks_run_where_the_workers_come_from_and_what_they_leave_is_there_in_workers(serve, tmp_path):
    (tmp_path / "conf.py").write_text(HOOKS)
    server = serve(APP, "--preload", "-c", tmp_path / "conf.py", workers=1)

    def notes():
        return (tmp_path / "hooks").read_text().splitlines()

    assert facts(server)["seen"] == ["on_starting", "when_ready", 1]
    server.signal(signal.SIGTTIN)
    second = facts_of_all(server, 2)[max(server.workers())]
    assert second["seen"] == ["on_starting", "when_ready", 1, 2]
    server.signal(signal.SIGTTOU)
    until(lambda: any(line.startswith("child_exit True") for line in notes()), "child_exit")
    server.reload()
    until(lambda: len(server.workers()) == 1, "one worker")
    assert facts(server)["seen"] == ["on_reload", 3]
    assert server.stop() == 0
    seen = notes()
    assert seen[:3] == ["nworkers_changed 1 None", "on_starting True", "when_ready True"]
    assert "nworkers_changed 1 None" in seen and "nworkers_changed 2 1" in seen and "on_reload True" in seen
    assert [line for line in seen if line.startswith("post_fork")] == ["post_fork False True True True 1"] * 2 + ["post_fork False True True True 0"]
    assert len([line for line in seen if line.startswith("child_exit True")]) == 3
    assert seen[-1] == "on_exit True"


def test_on_starting_can_prevent_the_start(serve, tmp_path):
    (tmp_path / "conf.py").write_text("def on_starting(server): raise RuntimeError('no')\n")
    server = serve(PROCESS, "--preload", "-c", tmp_path / "conf.py", ready=None)
    server.expect(r"\[ERROR\] Exception in the hook on_starting\nTraceback.*?RuntimeError: no")
    assert server.wait() == 1
    assert "on_starting failed" in server.log() and "Listening" not in server.log()


def test_orphans_of_workers_are_reaped(serve):
    server = serve("preload_orphan:application", "--preload", workers=1)
    orphan = int(server.get("/").body)
    until(lambda: server.tree() and orphan not in [int(name) for name in os.listdir("/proc") if name.isdigit()], "the orphan's end")
    assert re.search(r"Booting worker", server.log())


ATFORK = """
import ctypes
import os

opened = []
register = ctypes.CDLL(None).__register_atfork
handler = ctypes.CFUNCTYPE(None)(lambda: opened.append((os.getpid(), os.open(os.devnull, os.O_RDONLY))))
register(None, handler, None, None)


def application(environ, start_response):
    usable = [os.path.exists(f"/proc/self/fd/{number}") for _, number in opened]
    body = repr({"pid": os.getpid(), "opened_by": [pid for pid, _ in opened], "usable": usable}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


def test_what_a_library_does_in_the_parent_of_a_fork_it_does_in_the_mold(serve, tmp_path):
    """As those with threads of their own do, which stop them before a fork and start them again behind it (pthread_atfork)."""
    (tmp_path / "atfork.py").write_text(ATFORK)
    server = serve("atfork:application", "--preload", cwd=tmp_path, workers=1)
    mold = settled(server, 1)
    for forks in range(1, 4):
        found = ast.literal_eval(server.get("/").body.decode())
        assert found["opened_by"] == [mold] * (forks - 1) and all(found["usable"])
        server.expect(r"Worker \(pid:%d\) was killed by SIGKILL" % found["pid"])
        os.kill(found["pid"], signal.SIGKILL)
        until(lambda: server.workers() and found["pid"] not in server.workers(), "the next worker")
