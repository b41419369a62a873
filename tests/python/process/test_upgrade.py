"""USR2: a new master beside the old one, under load, forth and back."""

import os
import signal

from support.load_generator import keep_busy, no_failure
from support.server import pid_in, until

APP = "process_app:application"


def _load(server, seconds):
    # Connections end with their answers while one master hands over to the other.
    return keep_busy(server, seconds, "--requests-per-connection", "20")


def _upgrade(server, pidfile):
    before = server.log().count("Serving with")
    server.signal(signal.SIGUSR2)
    new = until(lambda: pid_in(f"{pidfile}.2"), "the new master's pid file")
    until(lambda: server.log().count("Serving with") > before, "the new master's workers")
    server.tree()
    return new


def test_an_upgrade_under_load_fails_no_request(serve, tmp_path):
    server = serve(APP, "--pid", tmp_path / "pid", "--no-control-socket", workers=2)
    load = _load(server, 4)
    new = _upgrade(server, tmp_path / "pid")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    try:
        until(lambda: pid_in(tmp_path / "pid") == new, "the promotion")
        no_failure(load)
        assert server.get("/").status == 200
    finally:
        os.kill(new, signal.SIGTERM)
        until(lambda: not os.path.exists(f"/proc/{new}"), "the end of the new master")
    assert not (tmp_path / "pid").exists()


def test_an_upgrade_is_taken_back_under_load(serve, tmp_path):
    server = serve(APP, "--pid", tmp_path / "pid", "--no-control-socket", workers=2)
    server.expect(r"\[ERROR\] The new master ended: process \d+")
    load = _load(server, 5)
    new = _upgrade(server, tmp_path / "pid")
    server.signal(signal.SIGWINCH)
    until(lambda: server.log().count("Worker exiting") >= 2, "the old workers' end")
    server.signal(signal.SIGHUP)
    until(lambda: "Reloaded: generation" in server.log(), "the old master's new workers")
    os.kill(new, signal.SIGTERM)
    server.logged("The new master ended")
    no_failure(load)
    assert pid_in(tmp_path / "pid") == server.pid
