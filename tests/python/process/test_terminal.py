"""A server on a terminal, and one that leaves it: Ctrl-C, the window's size, and --daemon."""

import contextlib
import fcntl
import http.client
import os
import pty
import select
import signal
import struct
import subprocess
import termios

import pytest
from support.server import APPS, BUILD, free_port, until

APP = "process_app:application"


class Terminal:
    """A server as a shell starts it: at the head of a session that has a terminal."""

    def __init__(self, folder, *arguments):
        self.port = free_port()
        self.text = ""
        command = [str(BUILD / "prefork"), "-b", f"127.0.0.1:{self.port}", "--no-control-socket", *map(str, arguments), APP]
        environment = {**os.environ, "PYTHONPATH": str(APPS), "PYTHONDONTWRITEBYTECODE": "1", "PREFORK_TEST": str(folder)}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, environment)

    def type(self, keys):
        os.write(self.fd, keys)

    def read(self):
        with contextlib.suppress(OSError):  # the other end has been closed
            while select.select([self.fd], [], [], 0)[0]:
                self.text += os.read(self.fd, 65536).decode(errors="replace")
        return self.text

    def sees(self, words):
        until(lambda: words in self.read(), f"{words!r} on the terminal")

    def connect(self):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        client.connect()
        return client

    def end(self):
        ended = until(lambda: self.read() is not None and (found := os.waitpid(self.pid, os.WNOHANG)) != (0, 0) and found, "the server's end")
        self.pid = 0
        return os.waitstatus_to_exitcode(ended[1])

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal(tmp_path):
    with contextlib.ExitStack() as stack:

        def start(*arguments):
            one = Terminal(tmp_path, *arguments)
            stack.callback(one.close)
            one.sees("Serving with")
            return one

        yield start


def interrupted(terminal, path, arguments):
    """A server on which Ctrl-C was typed once, and a client that had asked for the path before."""
    server = terminal("-w", "2", *arguments)
    busy = server.connect()
    busy.request("GET", path)
    with contextlib.closing(server.connect()) as other:
        other.request("GET", "/")
        assert other.getresponse().read() == b"hello"  # the first has been read by now
    server.type(b"\x03")
    server.sees("press Ctrl-C again to stop at once")
    return server, busy


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
def test_the_first_ctrl_c_finishes_what_is_started_and_says_so(terminal, preload):
    server, busy = interrupted(terminal, "/sleep/1", preload)
    assert busy.getresponse().read() == b"hello"
    busy.close()
    assert server.end() == 0
    assert "Traceback" not in server.text and "ERROR" not in server.text


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
def test_the_second_ctrl_c_stops_at_once(terminal, preload):
    server, busy = interrupted(terminal, "/sleep/600", preload)
    server.type(b"\x03")
    assert server.end() == 0
    assert "Requests are broken off" in server.text
    busy.close()


def test_a_change_of_the_window_is_no_signal_for_the_workers_to_go(terminal):
    server = terminal("-w", "1")
    fcntl.ioctl(server.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    client = server.connect()
    for _ in range(3):
        client.request("GET", "/")
        assert client.getresponse().read() == b"hello"
    client.close()
    server.type(b"\x03")
    assert server.end() == 0
    assert "winch" not in server.text


def test_a_terminal_that_goes_away_is_a_reload(terminal):
    """As with gunicorn: the kernel tells the leader of the session with HUP."""
    server = terminal("-w", "1")
    os.kill(server.pid, signal.SIGHUP)
    server.sees("Reloaded: generation 2")


@pytest.mark.parametrize("more", [(), ("--preload",), ("--reload",)], ids=["", "preload", "reload"])
def test_a_daemon_serves_detached_and_ends_as_told(tmp_path, more):
    port = free_port()
    options = ["-b", f"127.0.0.1:{port}", "-w", "2", "--daemon", "--pid", "pid", "--error-logfile", "log", "--control-socket", "ctl", *more]
    environment = {**os.environ, "PYTHONPATH": str(APPS), "PYTHONDONTWRITEBYTECODE": "1", "PREFORK_TEST": str(tmp_path)}
    done = subprocess.run([BUILD / "prefork", *options, APP], cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    pid = until(lambda: (tmp_path / "pid").exists() and int((tmp_path / "pid").read_text()), "the pid file")
    try:
        until(lambda: "Serving with 2 workers" in (tmp_path / "log").read_text(), "the workers")
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        client.request("GET", "/")
        assert client.getresponse().read() == b"hello"
        client.close()
        assert os.getsid(pid) not in (pid, os.getsid(0))  # a session of its own, at whose head nobody is
        assert {os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)} == {"/dev/null"}
        told = subprocess.run([BUILD / "prefork", "stop", "--wait", tmp_path / "pid"], timeout=60, check=False)
        assert told.returncode == 0
        until(lambda: not os.path.exists(f"/proc/{pid}"), "the daemon's end")
        assert sorted(os.listdir(tmp_path)) == ["log"]
        assert "ERROR" not in (tmp_path / "log").read_text()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_daemon_whose_application_does_not_load_leaves_nothing_but_its_log(tmp_path):
    options = ["-b", f"127.0.0.1:{free_port()}", "--daemon", "--pid", "pid", "--error-logfile", "log", "--no-control-socket"]
    subprocess.run([BUILD / "prefork", *options, "no_such_module:app"], cwd=tmp_path, capture_output=True, timeout=60, check=True)
    until(lambda: (tmp_path / "log").exists() and "Shutting down: Master" in (tmp_path / "log").read_text(), "the daemon's end")
    until(lambda: os.listdir(tmp_path) == ["log"], "the end of the pid file")
    assert "Reason: Worker failed to boot." in (tmp_path / "log").read_text()


def test_a_daemon_that_cannot_start_says_so_where_it_was_started(tmp_path):
    """What is wrong with the command line is known before it leaves."""
    done = subprocess.run([BUILD / "prefork", "--daemon", "--workers", "none", APP], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "--workers" in done.stderr
    assert not os.listdir(tmp_path)
