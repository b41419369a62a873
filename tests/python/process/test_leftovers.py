"""What a master that is killed leaves behind: nothing. And what workers that die leave in the master: nothing either."""

import os
import re
import signal
import socket

import pytest
from support.server import Server, until

APP = "process_app:application"


def _gone(pids):
    until(lambda: not any(map(Server._alive, pids)), "the end of the processes")


def test_the_files_of_a_master_that_is_killed_are_removed(serve, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    server = serve(APP, "--pid", folder / "pid", "--control-socket", folder / "ctl", bind=f"unix:{folder}/sock", workers=3)
    everybody = server.tree()
    assert sorted(os.listdir(folder)) == ["ctl", "pid", "sock"]
    server.signal(signal.SIGSTOP, everybody[1])  # who sleeps is killed too
    busy = server.connect()
    busy.sendall(b"GET /sleep/60 HTTP/1.1\r\nHost: x\r\n\r\n")
    server.signal(signal.SIGKILL)
    server.wait()
    _gone(everybody)
    until(lambda: not os.listdir(folder), "an empty folder")
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
    server.signal(signal.SIGKILL)
    server.wait()
    try:
        until(lambda: (folder / "pid").exists() and int((folder / "pid").read_text()) == new, "the promotion")
        assert server.get("/").status == 200
    finally:
        os.kill(new, signal.SIGTERM)
        _gone([new])
    until(lambda: not os.listdir(folder), "an empty folder")


def test_a_master_that_is_killed_while_its_workers_start_leaves_no_process(serve, tmp_path):
    (tmp_path / "boot-delay").write_text("60")
    server = serve(APP, ready=None, workers=4)
    server.logged(r"(Booting worker[^$]*){4}")
    everybody = server.tree()
    server.signal(signal.SIGKILL)
    server.wait()
    _gone(everybody)


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
