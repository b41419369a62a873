"""USR2: a new master beside the old one, under load, forth and back."""

import contextlib
import os
import signal
import socket

import pytest
from support.load_generator import keep_busy, no_failure
from support.server import BUILD, pid_in, until

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


def _ended(pid):
    until(lambda: not os.path.exists(f"/proc/{pid}"), "the end of the new master")


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
        _ended(new)
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


def test_an_upgrade_that_is_taken_back_leaves_the_old_master_its_socket_file(serve, tmp_path):
    server = serve(APP, "--pid", tmp_path / "pid", "--no-control-socket", bind=f"unix:{tmp_path}/socket", workers=2)
    server.expect(r"\[ERROR\] The new master ended: process \d+")
    new = _upgrade(server, tmp_path / "pid")
    os.kill(new, signal.SIGTERM)
    server.logged("The new master ended")
    assert server.get("/").status == 200


def test_two_masters_that_are_told_to_end_together_leave_no_socket_file(serve, tmp_path):
    server = serve(APP, "--pid", tmp_path / "pid", "--no-control-socket", bind=f"unix:{tmp_path}/socket", workers=2)
    server.tolerate(r"\[ERROR\] The new master ended")
    new = _upgrade(server, tmp_path / "pid")
    for pid in (server.pid, new):
        os.kill(pid, signal.SIGTERM)
    assert server.wait() == 0
    _ended(new)
    until(lambda: not (tmp_path / "socket").exists(), "the end of the socket file")


def test_a_socket_file_that_was_named_without_its_folder_goes_with_the_new_master(serve, tmp_path):
    server = serve(APP, "--pid", "pid", "--no-control-socket", bind="unix:socket", cwd=tmp_path, ready=None)
    server.logged("Serving with")
    new = _upgrade(server, tmp_path / "pid")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    until(lambda: pid_in(tmp_path / "pid") == new, "the promotion")
    os.kill(new, signal.SIGTERM)
    _ended(new)
    assert not (tmp_path / "socket").exists()


def test_a_new_master_knows_which_socket_is_which(serve, tmp_path):
    """Also when a reload has put a new address before an old one."""
    def bind(*names):
        (tmp_path / "conf.py").write_text(f"bind = {[f'unix:{tmp_path}/{name}' for name in names]}\n")

    bind("first")
    without_bind = f"sh -c 'shift 2; exec {BUILD}/prefork \"$@\"' sh"
    server = serve(APP, "-c", "conf.py", "--pid", tmp_path / "pid", "--no-control-socket", cwd=tmp_path, bind=f"unix:{tmp_path}/first", workers=None, command=without_bind)
    bind("second", "first")
    server.reload()
    new = _upgrade(server, tmp_path / "pid")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    try:
        until(lambda: pid_in(tmp_path / "pid") == new, "the promotion")
        bind("first")
        os.kill(new, signal.SIGHUP)
        server.logged(rf"\[{new}\] \[INFO\] Reloaded: generation 2")
        assert server.get("/").status == 200
        assert not (tmp_path / "second").exists()
    finally:
        os.kill(new, signal.SIGTERM)
        _ended(new)


def test_systemd_s_watchdog_hears_the_new_master(serve, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(60)
        server = serve(APP, "--pid", tmp_path / "pid", "--no-control-socket", env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"})
        new = _upgrade(server, tmp_path / "pid")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        try:
            until(lambda: f"MAINPID={new}" in notify.recv(4096).decode(), "the new master's number")
            server.logged("The old master has gone")
            notify.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while notify.recv(4096):
                    pass
            notify.settimeout(60)
            until(lambda: notify.recv(4096) == b"WATCHDOG=1", "a sign of life")
        finally:
            os.kill(new, signal.SIGTERM)
            _ended(new)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_systemd_hears_of_the_new_master_before_the_old_one_ends(serve, tmp_path, number):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.setblocking(False)
        server = serve(APP, "--pid", tmp_path / "pid", "--no-control-socket", env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        new = _upgrade(server, tmp_path / "pid")
        os.kill(new, signal.SIGSTOP)  # it says so too, later
        heard = []
        try:
            server.signal(number)
            assert server.wait() == 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    heard.append(notify.recv(4096).decode())
        finally:
            for one in (signal.SIGCONT, signal.SIGTERM):
                os.kill(new, one)
            _ended(new)
        assert heard[-1] == f"MAINPID={new}"


def test_an_upgrade_to_a_release_that_does_not_load_fails_no_request(serve, tmp_path):
    server = serve(APP, "--pid", tmp_path / "pid", "--no-control-socket", workers=2)
    for entry in (r"\[ERROR\] The new master ended: process \d+", r"\[ERROR\] Exception in worker process", r"\[ERROR\] Worker \(pid:\d+\) exited with code 3", r"\[ERROR\] Reason: Worker failed to boot"):
        server.expect(entry)
    load = _load(server, 4)
    (tmp_path / "broken").touch()
    server.signal(signal.SIGUSR2)
    server.logged("The new master ended")
    (tmp_path / "broken").unlink()
    no_failure(load)
    assert pid_in(tmp_path / "pid") == server.pid


def test_while_a_new_release_starts_everybody_is_served_by_the_old_one(serve, tmp_path):
    server = serve(APP, "--pid", tmp_path / "pid", "--no-control-socket", workers=2)
    server.expect(r"\[ERROR\] The new master ended: process \d+")
    (tmp_path / "boot-delay").write_text("600")
    server.signal(signal.SIGUSR2)
    new = until(lambda: pid_in(tmp_path / "pid.2"), "the new master's pid file")
    until(lambda: server.log().count("Booting worker") == 4, "its workers' start")
    for _ in range(50):
        assert server.get("/").status == 200
    server.tree()
    os.kill(new, signal.SIGTERM)
    server.logged("The new master ended")


def test_a_new_master_whose_predecessor_has_gone_takes_the_requests_that_wait(serve, tmp_path):
    server = serve(APP, "--pid", tmp_path / "pid", "--no-control-socket")
    (tmp_path / "boot-delay").write_text("3")
    server.signal(signal.SIGUSR2)
    new = until(lambda: pid_in(tmp_path / "pid.2"), "the new master's pid file")
    server.tree()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    try:
        assert server.get("/").status == 200
    finally:
        os.kill(new, signal.SIGTERM)
        _ended(new)


def test_metrics_and_health_checks_on_socket_files_are_the_new_master_s_after_an_upgrade(serve, tmp_path):
    def answers(name):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            try:
                client.connect(str(tmp_path / name))
            except OSError:
                return False
            client.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
            return client.recv(4096).startswith(b"HTTP/1.1 200")

    server = serve(APP, "--pid", tmp_path / "pid", "--no-control-socket", "--health-path", "/livez", "--health-bind", f"unix:{tmp_path}/health")
    new = _upgrade(server, tmp_path / "pid")
    assert answers("health")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    try:
        until(lambda: answers("health"), "the new master's answer")
    finally:
        os.kill(new, signal.SIGTERM)
        _ended(new)
    assert not (tmp_path / "health").exists()


def test_the_new_master_starts_where_the_link_to_the_release_leads_now(serve, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "app.py").write_text(f"def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'{name}']\n")
    (tmp_path / "current").symlink_to("one")
    server = serve("app:application", "--pid", tmp_path / "pid", "--no-control-socket", cwd=tmp_path / "current", env={"PWD": str(tmp_path / "current")})
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(tmp_path / "current")
    new = _upgrade(server, tmp_path / "pid")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    try:
        assert server.get("/").body == b"two"
    finally:
        os.kill(new, signal.SIGTERM)
        _ended(new)
