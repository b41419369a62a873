"""What a master that is killed leaves behind: nothing. And what workers that die leave in the master: nothing either."""

import os
import re
import signal
import socket
import subprocess

import pytest
from support.server import APPS, BUILD, Server, until

APP = "process_app:application"
SOON = 20  # seconds; 2 are promised, and a quiet machine takes 0.03


def _gone(pids):
    until(lambda: not any(map(Server._alive, pids)), "the end of the processes", SOON)


def _killed_while_its_successor_runs(server, folder, new):
    """The successor takes the old master's place, and leaves nothing when it ends."""
    server.signal(signal.SIGKILL)
    server.wait()
    try:
        until(lambda: (folder / "pid").exists() and int((folder / "pid").read_text()) == new, "the promotion")
        assert server.get("/").status == 200
    finally:
        os.kill(new, signal.SIGTERM)
        _gone([new])
    until(lambda: not os.listdir(folder), "an empty folder", SOON)


def test_the_files_of_a_master_that_is_killed_are_removed(serve, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    server = serve(APP, "--pid", folder / "pid", "--control-socket", folder / "ctl", "--metrics-bind", f"unix:{folder}/metrics", bind=f"unix:{folder}/sock", workers=3)
    everybody = server.tree()
    assert sorted(os.listdir(folder)) == ["ctl", "metrics", "pid", "sock"]
    server.signal(signal.SIGSTOP, everybody[1])  # who sleeps is killed too
    busy = server.connect()
    busy.sendall(b"GET /sleep/60 HTTP/1.1\r\nHost: x\r\n\r\n")
    server.signal(signal.SIGKILL)
    server.wait()
    _gone(everybody)
    until(lambda: not os.listdir(folder), "an empty folder", SOON)
    busy.close()


def test_a_file_of_another_server_is_left_alone(serve, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    server = serve(APP, "--pid", folder / "pid", "--no-control-socket", bind=f"unix:{folder}/sock")
    os.unlink(folder / "sock")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"{folder}/sock")  # does not even listen
        server.signal(signal.SIGKILL)
        server.wait()
        until(lambda: not (folder / "pid").exists(), "the end of the pid file")
        assert os.listdir(folder) == ["sock"]
        os.unlink(folder / "sock")


def test_the_successor_of_an_upgrade_keeps_its_socket_file(serve, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    server = serve(APP, "--pid", folder / "pid", "--no-control-socket", bind=f"unix:{folder}/sock")
    server.signal(signal.SIGUSR2)
    new = int(until(lambda: (folder / "pid.2").exists() and (folder / "pid.2").read_text(), "the new master"))
    until(lambda: server.log().count("Serving with") == 2, "its worker")
    server.tree()
    _killed_while_its_successor_runs(server, folder, new)


def test_a_master_that_is_killed_while_its_workers_start_leaves_no_process(serve, tmp_path):
    (tmp_path / "boot-delay").write_text("60")
    server = serve(APP, ready=None, workers=4)
    server.logged(r"(Booting worker[^$]*){4}")
    everybody = server.tree()
    server.signal(signal.SIGKILL)
    server.wait()
    _gone(everybody)


HOOKS = """
import time
def on_starting(server): pass
def child_exit(server, worker): time.sleep(0.1)
"""


def _shared_memory():
    return {name for name in os.listdir("/dev/shm") if name.startswith("prefork")} if os.path.isdir("/dev/shm") else set()


def _quiet_kill(server, folder):
    """Kills the master and waits until nothing is left of it."""
    everybody = server.tree()
    server.signal(signal.SIGKILL)
    server.wait()
    _gone(everybody)
    until(lambda: not os.listdir(folder), "an empty folder", SOON)
    with pytest.raises(OSError):
        server.connect()
    return everybody


@pytest.mark.parametrize(
    ("app", "more"),
    [
        (APP, ["--preload"]), (APP, ["-c", "hooks.py"]), (APP, ["-c", "hooks.py", "--preload"]), (APP, ["--reload"]), (APP, ["--reload", "--preload"]),
        (APP, ["--threads", "4"]), (APP, ["--shared-memory", "65536"]), ("process_asgi:application", ["--preload"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value.split(":")[0],
)
@pytest.mark.parametrize("when", ["serves", "starts", "reloads"])
def test_nothing_is_left_of_a_master_that_is_killed_whatever_it_does(serve, tmp_path, app, more, when):
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "hooks.py").write_text(HOOKS)
    if when == "starts":
        (tmp_path / "boot-delay").write_text("60")
    before = _shared_memory()
    options = ["--pid", folder / "pid", "--control-socket", folder / "ctl", *more]
    server = serve(app, *options, bind=f"unix:{folder}/sock", workers=2, cwd=tmp_path, ready=None if when == "starts" else "/")
    if when == "reloads":
        (tmp_path / "boot-delay").write_text("60")
        loads = r"Handling signal: hup.*(Loading the application|Booting worker)(?s:.*)"
        server.signal(signal.SIGHUP)
        until(lambda: re.search(loads, server.log(), re.DOTALL), "the new generation's start")
    elif when == "starts":
        server.logged("Loading the application|Booting worker")
        until(lambda: (folder / "pid").exists(), "its pid file")
    _quiet_kill(server, folder)
    assert _shared_memory() <= before


@pytest.mark.parametrize("killed", ["old", "new"])
def test_one_master_of_an_upgrade_is_killed_while_the_new_one_starts(serve, tmp_path, killed):
    folder = tmp_path / "run"
    folder.mkdir()
    server = serve(APP, "--pid", folder / "pid", "--no-control-socket", bind=f"unix:{folder}/sock", workers=2)
    (tmp_path / "boot-delay").write_text("2")
    server.signal(signal.SIGUSR2)
    new = int(until(lambda: (folder / "pid.2").exists() and (folder / "pid.2").read_text(), "the new master"))
    server.tree()
    if killed == "new":
        server.expect(r"\[ERROR\] The new master ended")
        os.kill(new, signal.SIGKILL)
        server.logged("The new master ended")
        assert server.get("/").status == 200
        until(lambda: sorted(os.listdir(folder)) == ["pid", "sock"], "the end of its pid file")
        assert (folder / "pid").read_text() == f"{server.pid}\n"
        return
    _killed_while_its_successor_runs(server, folder, new)


def test_nothing_is_left_of_a_daemon_that_is_killed(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    options = ["-b", f"unix:{folder}/sock", "-w", "2", "--daemon", "--preload", "--pid", folder / "pid", "--error-logfile", tmp_path / "log", "--control-socket", folder / "ctl"]
    environment = {**os.environ, "PYTHONPATH": str(APPS), "PYTHONDONTWRITEBYTECODE": "1", "PREFORK_TEST": str(tmp_path)}
    subprocess.run([BUILD / "prefork", *map(str, options), APP], cwd=tmp_path, env=environment, timeout=60, check=True)
    until(lambda: (tmp_path / "log").exists() and "Serving with 2 workers" in (tmp_path / "log").read_text(), "the workers")
    master = int((folder / "pid").read_text())
    everybody = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and _session(pid) == _session(master) and Server._alive(pid)]
    try:
        assert len(everybody) == 4  # master, mold, workers
    finally:
        os.kill(master, signal.SIGKILL)
    _gone(everybody)
    until(lambda: not os.listdir(folder), "an empty folder", SOON)


# A configuration file, or a hook of it, that never ends once it is told not to.
HANGS = """
import os, pathlib, time
def hang(where):
    if pathlib.Path(where).exists():
        pathlib.Path(where + "-hangs").touch()
        time.sleep(3600)
hang("file")
def child_exit(server, worker):
    hang("hook")
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("where", ["file", "hook"])
def test_a_configuration_that_hangs_does_not_outlive_the_master(serve, tmp_path, where, number):
    (tmp_path / "hangs.py").write_text(HANGS)
    server = serve(APP, "-c", "hangs.py", "--no-control-socket", "--graceful-timeout", "2", cwd=tmp_path)
    (tmp_path / where).touch()
    if where == "file":
        server.signal(signal.SIGHUP)
    else:
        server.tolerate(r"\[ERROR\] Worker \(pid:\d+\) was killed by SIGKILL")
        server.signal(signal.SIGKILL, int(server.get("/pid").body))
    until((tmp_path / f"{where}-hangs").exists, "the hang")
    assert server.get("/").status == 200
    everybody = server.tree()
    server.signal(number)
    assert server.wait() == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    _gone(everybody)


def _session(pid):
    try:
        return os.getsid(int(pid))
    except OSError:
        return None


@pytest.mark.parametrize(("app", "most"), [(APP, 200), ("process_asgi:application", 60)])
def test_hundreds_of_deaths_leave_no_descriptor_and_no_memory(serve, app, most):
    def descriptors():
        return len(os.listdir(f"/proc/{server.pid}/fd"))

    def resident():
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{server.pid}/status").read()).group(1))

    server = serve(app, "--no-control-socket", "--log-level", "critical", workers=4)
    before = None
    deaths = 0
    while deaths < most:
        workers = until(lambda: len(found := server.workers()) == 4 and server.get("/").status == 200 and found, "four workers")
        if deaths == 20:
            before = descriptors(), resident()
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        _gone(workers)
        deaths += len(workers)
    until(lambda: len(server.workers()) == 4 and server.get("/").status == 200, "four workers")
    until(lambda: descriptors() <= before[0], f"as few descriptors as {before[0]}")
    assert resident() < before[1] + 2048
