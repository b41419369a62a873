"""prefork reload|stop|status, the pid file, titles and what systemd hears."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess

import pytest
from support.server import BUILD, pid_in, title, until

APP = "process_app:application"


def control(*arguments):
    return subprocess.run([str(BUILD / "prefork"), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def server(serve, tmp_path):
    return serve(APP, "--pid", tmp_path / "pid", "--control-socket", tmp_path / "ctl", "--name", "shop", workers=2)


def test_status_by_pid_file_process_id_and_socket(server, tmp_path):
    server.logged("Serving with 2 workers")
    for target in (tmp_path / "pid", server.pid, tmp_path / "ctl"):
        done = control("status", "--json", target)
        assert done.returncode == 0, done.stderr
        status = json.loads(done.stdout)
        assert status["pid"] == server.pid and [worker["state"] for worker in status["workers"]] == ["ready", "ready"]
    assert (tmp_path / "ctl").stat().st_mode & 0o777 == 0o600


def test_reload_waits_for_the_new_workers_or_says_why_there_are_none(server, tmp_path):
    done = control("reload", "--wait", tmp_path / "pid")
    assert (done.returncode, done.stdout) == (0, "generation 2 serves\n")
    (tmp_path / "broken").touch()
    for line in (r"\[ERROR\] Exception in worker process", r"Traceback \(most recent call last\)", r"\[ERROR\] Worker \(pid:\d+\) exited with code 3[^\n]*", r"\[ERROR\] Reload failed[^\n]*"):
        server.expect(line)
    done = control("reload", "--wait", tmp_path / "pid")
    assert done.returncode == 1 and "did not start" in done.stderr
    assert server.get("/").status == 200


def test_a_second_server_says_how_it_is_reached(serve, tmp_path):
    first, second = (serve(APP, "--control-socket", tmp_path / "ctl") for _ in range(2))
    second.logged(rf"\[INFO\] The control socket {tmp_path}/ctl is another server's; this one is asked by its process id: prefork status {second.pid}\n")
    for server, target in ((first, tmp_path / "ctl"), (second, second.pid)):
        assert json.loads(control("status", "--json", target).stdout)["pid"] == server.pid
    assert second.stop() == 0
    assert control("status", tmp_path / "ctl").returncode == 0


IN_STEPS = """
import pathlib, time
pathlib.Path("importing").touch()
while pathlib.Path("wait").exists():
    time.sleep(0.01)
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
"""


def test_who_asks_while_a_reload_goes_on_waits_for_the_next_one(serve, tmp_path):
    """The one that goes on may have read the files before they were changed."""
    (tmp_path / "steps.py").write_text(IN_STEPS)
    server = serve("steps:application", "--control-socket", "ctl", cwd=tmp_path)
    server.expect(r"\[ERROR\] Reload failed: worker \d+ did not start")
    server.tolerate(r"\[ERROR\] Exception in worker process|\[ERROR\] Worker \(pid:\d+\) exited with code 3")
    (tmp_path / "importing").unlink()
    (tmp_path / "wait").touch()
    server.signal(signal.SIGHUP)
    until((tmp_path / "importing").exists, "the import")
    (tmp_path / "steps.py").write_text("raise RuntimeError('this release is broken')")
    asked = server.log().count("Told to reload wait")
    waiting = subprocess.Popen([BUILD / "prefork", "reload", "--wait", tmp_path / "ctl"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until(lambda: server.log().count("Told to reload wait") > asked, "the question")
    (tmp_path / "wait").unlink()
    said, _ = waiting.communicate(timeout=60)
    assert (waiting.returncode, "did not start" in said) == (1, True), said
    assert server.get("/").status == 200


@pytest.mark.parametrize("command", ["", "reloads", "stopper", "stop now", "wait", " stop", "status xml"])
def test_words_that_are_no_command_do_nothing(serve, tmp_path, command):
    server = serve(APP, "--control-socket", tmp_path / "ctl")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(tmp_path / "ctl"))
        client.sendall(f"{command}\n".encode())
        assert client.recv(4096) == f"1 unknown command: {command}\n".encode()
    assert server.get("/").status == 200
    assert "Told to" not in server.log()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can become somebody else")
@pytest.mark.parametrize("words", [("status",), ("reload", "--wait"), ("stop",), ("stop", "--wait")], ids=" ".join)
def test_another_user_is_refused_and_told_so(serve, tmp_path, words):
    def ask(*arguments):
        command = ["setpriv", "--reuid", "65534", "--clear-groups", BUILD / "prefork", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    if ask("--version").returncode != 0:
        pytest.skip("another user cannot reach this build")
    server = serve(APP, "--control-socket", tmp_path / "ctl")
    for _ in range(20):  # the answer and the question cross
        done = ask(*words, str(server.pid))
        assert (done.returncode, done.stderr) == (1, "only root and the user that runs this server may ask it\n")
    assert server.get("/").status == 200
    assert "Told to" not in server.log()


def test_stop_waits_for_the_end(server, tmp_path):
    assert control("stop", "--wait", tmp_path / "pid").returncode == 0
    assert not server._alive(server.pid)
    assert server.wait() == 0
    assert not (tmp_path / "pid").exists() and not (tmp_path / "ctl").exists()


def test_nobody_there_is_a_clear_answer(tmp_path):
    done = control("status", tmp_path / "absent")
    assert done.returncode == 1 and "absent" in done.stderr


def test_processes_have_titles_and_a_pid_file(server, tmp_path):
    assert title(server.pid) == b"prefork: master [shop]"
    assert all(title(pid) == b"prefork: worker [shop]" for pid in server.workers())
    assert (tmp_path / "pid").read_text() == f"{server.pid}\n"


def test_a_pid_file_of_a_living_server_prevents_a_second_one(server, serve, tmp_path):
    other = serve(APP, "--pid", tmp_path / "pid", ready=None)
    assert other.wait() == 1
    assert "already running" in other.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_systemd_hears_of_start_reload_and_stop(serve, tmp_path, number):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(60)
        server = serve(APP, env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"})

        def hear(word):
            until(lambda: word in notify.recv(4096).decode(), word)

        hear("READY=1")
        hear("WATCHDOG=1")
        server.signal(signal.SIGHUP)
        hear("RELOADING=1")
        hear("READY=1")
        server.signal(number)
        assert server.wait() == 0
        hear("STOPPING=1")


def test_sockets_of_systemd_s_are_served_over_a_reload_and_an_upgrade(serve, tmp_path):
    """More of them than there are addresses in the configuration."""
    def answers(address):
        with socket.create_connection(address, 60) if isinstance(address, tuple) else socket.socket(socket.AF_UNIX) as client:
            if isinstance(address, str):
                client.settimeout(60)
                client.connect(address)
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return client.recv(4096).startswith(b"HTTP/1.1 200")

    with socket.socket() as first, socket.socket(socket.AF_UNIX) as second:
        first.bind(("127.0.0.1", 0))
        second.bind(str(tmp_path / "second"))
        addresses = [first.getsockname(), str(tmp_path / "second")]
        for listener in (first, second):
            listener.listen()
            os.set_inheritable(listener.fileno(), True)
        script = f"exec 3<&{first.fileno()} 4<&{second.fileno()}; export LISTEN_FDS=2 LISTEN_PID=$$; exec {BUILD / 'prefork'} -w 1 --pid pid --no-control-socket {APP}"
        environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).resolve().parents[1] / "apps"), "PYTHONDONTWRITEBYTECODE": "1"}
        with open(tmp_path / "log", "w") as log:
            process = subprocess.Popen(["bash", "-c", script], close_fds=False, stdout=log, stderr=log, env=environment, cwd=tmp_path)
    try:
        until(lambda: f"Listening at: http://127.0.0.1:{addresses[0][1]}" in (tmp_path / "log").read_text(), "the socket")
        assert all(map(answers, addresses))
        process.send_signal(signal.SIGHUP)
        until(lambda: "Reloaded: generation 2" in (tmp_path / "log").read_text(), "the reload")
        assert all(map(answers, addresses))
        process.send_signal(signal.SIGUSR2)
        until(lambda: (tmp_path / "log").read_text().count("Serving with") == 2, "the new master's workers")
        new = pid_in(tmp_path / "pid.2")
        process.terminate()
        process.wait(60)
        until(lambda: pid_in(tmp_path / "pid") == new, "the promotion")
        assert all(map(answers, addresses))
        os.kill(new, signal.SIGTERM)
        until(lambda: not os.path.exists(f"/proc/{new}"), "the end of the new master")
    finally:
        process.terminate()
        process.wait(60)
    assert (tmp_path / "second").exists(), "it is systemd's"


def test_status_names_the_mold(serve, tmp_path):
    server = serve(APP, "--preload", "--control-socket", tmp_path / "ctl", workers=2)
    server.logged("Serving with 2 workers")
    (mold,) = server.molds()
    assert f"\nmold process {mold} generation 1 ready " in control("status", tmp_path / "ctl").stdout
    (listed,) = json.loads(control("status", "--json", tmp_path / "ctl").stdout)["molds"]
    assert (listed["pid"], listed["generation"], listed["state"]) == (mold, 1, "ready") and listed["rss"] > 0
    (tmp_path / "boot-delay").write_text("600")
    server.signal(signal.SIGHUP)
    until(lambda: [one["state"] for one in json.loads(control("status", "--json", tmp_path / "ctl").stdout)["molds"]] == ["loading", "ready"], "two molds")
    assert server.stop() == 0
