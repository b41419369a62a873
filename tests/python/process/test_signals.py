"""Signals to the master and to workers, at any time; files and addresses that are somebody's; applications that do not want to go."""

import os
import random
import signal
import socket

import pytest
from support import load_generator
from support.server import pid_in, until

WSGI, ASGI, STUBBORN = "process_app:application", "process_asgi:application", "stubborn_app:application"
BOTH = pytest.mark.parametrize("app", [WSGI, ASGI])
PRELOAD = pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])


def _replaced(server, victim, workers):
    until(lambda: victim not in server.workers() and len(server.workers()) == workers, "a replacement")


@BOTH
@PRELOAD
def test_a_worker_that_is_told_to_end_finishes_what_it_runs_and_is_replaced(serve, app, preload):
    server = serve(app, *preload, workers=1)
    victim = int(server.get("/pid").body)
    with server.connect() as client:
        client.sendall(b"GET /sleep/1 HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: b'"in_flight":1' in _status(server), "the request's start")
        server.signal(signal.SIGTERM, victim)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
    _replaced(server, victim, 1)
    assert server.get("/").status == 200


@pytest.mark.parametrize("options", [(WSGI,), (WSGI, "--threads", "4"), (ASGI,), (ASGI, "--preload")], ids=" ".join)
def test_a_worker_that_is_told_to_end_while_nobody_asks_for_anything_ends(serve, options):
    """It hears of that without a request, whatever its bell is (the build `fallback` has pipes)."""
    server = serve(*options, workers=1)
    victim = int(server.get("/pid").body)
    server.signal(signal.SIGTERM, victim)
    _replaced(server, victim, 1)


def _status(server):
    import subprocess

    from support.server import BUILD

    return subprocess.run([BUILD / "prefork", "status", "--json", str(server.pid)], capture_output=True, timeout=60, check=False).stdout


ENDLESS = """
import asyncio, itertools, os, time

def ticks():
    for _ in itertools.count():
        yield b"tick\\n"
        time.sleep(0.05)

def wsgi(environ, start_response):
    start_response("200 OK", [])
    return ticks() if environ["PATH_INFO"] == "/ticks" else [str(os.getpid()).encode()]

async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while scope["path"] == "/ticks":
        await send({"type": "http.response.body", "body": b"tick\\n", "more_body": True})
        await asyncio.sleep(0.05)
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""


@pytest.mark.parametrize("options", [("wsgi",), ("wsgi", "--threads", "4"), ("asgi",), ("wsgi", "--preload")], ids=" ".join)
def test_a_worker_that_is_told_to_end_is_replaced_at_once_and_has_its_graceful_timeout(serve, tmp_path, options):
    (tmp_path / "endless.py").write_text(ENDLESS)
    app, *more = options
    server = serve(f"endless:{app}", *more, "--graceful-timeout", "2", cwd=tmp_path)
    for entry in (r"\[WARNING\] Error handling request GET /ticks", r"\[(ERROR|WARNING)\] Worker \(pid:\d+\) [^\n]*not finished within --graceful-timeout"):
        server.expect(entry)
    (victim,) = server.workers()
    with server.connect() as client:
        client.sendall(b"GET /ticks HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: b"tick" in client.recv(4096), "the stream")
        server.signal(signal.SIGTERM, victim)
        until(lambda: int(server.get("/").body) != victim, "another worker's answer")
        while client.recv(1 << 16):  # until it is broken off
            pass
    _replaced(server, victim, 1)


@PRELOAD
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_who_is_told_to_end_in_an_import_ends_at_once_and_another_one_comes(serve, tmp_path, preload, number):
    server = serve(STUBBORN, *preload, env={"STUBBORN": "import"})
    before = server.tree()
    server.expect(r"The mold \(pid:\d+\) was killed by SIGTERM: a new one" if preload else r"\[WARNING\] Worker \(pid:\d+\) was killed by SIGTERM before it served: another one")
    (tmp_path / "wait").touch()
    server.signal(signal.SIGHUP)
    until((tmp_path / "importing").exists, "the import")
    server.signal(number, next(pid for pid in server.tree() if pid not in before))
    server.logged("atexit has run")
    (tmp_path / "wait").unlink()
    server.logged("Reloaded: generation 2")
    assert "Traceback" not in server.log() and "Exception ignored" not in server.log()


@BOTH
@PRELOAD
def test_workers_that_are_told_to_end_all_the_time_fail_no_request(serve, app, preload):
    server = serve(app, *preload, workers=3)
    load = load_generator.start("-c", "64", "-d", "4", "-t", "60", "--mix", "/:98,/sleep/0.02:2", f"http://127.0.0.1:{server.port}/")
    choose = random.Random(3)
    while load.poll() is None:
        for pid in server.workers():
            try:
                os.kill(pid, choose.choice([signal.SIGTERM, signal.SIGHUP, signal.SIGWINCH, signal.SIGUSR1]))
            except ProcessLookupError:
                continue
        server.get("/")
    report = load_generator.finish(load)
    assert report["exit_status"] == 0, report["log"]
    # Told before it had handlers, or before it could serve. One that has served is no error.
    server.tolerate(r"\[WARNING\] Worker \(pid:\d+\) was killed by SIG(TERM|HUP|USR1) before it served")


@BOTH
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGPIPE, signal.SIGURG])
def test_signals_that_are_not_for_workers_leave_them_alone(serve, app, number):
    server = serve(app, workers=2)
    server.logged("Serving with 2 workers")
    before = server.workers()
    for pid in before:
        for _ in range(3):
            server.signal(number, pid)
    for _ in range(5):
        assert server.get("/").status == 200
    assert server.workers() == before


@BOTH
@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGABRT, signal.SIGSEGV])
def test_a_worker_that_is_ended_by_another_signal_is_replaced(serve, app, number):
    server = serve(app, workers=2)
    server.logged("Serving with 2 workers")
    victim = server.workers()[0]
    server.tolerate(r"\[ERROR\] (Worker \(pid:\d+\)|Error handling request) |\[CRITICAL\] Worker aborted|Fatal Python error")
    server.signal(number, victim)
    until(lambda: server.get("/").status == 200, "an answer")
    _replaced(server, victim, 2)
    assert server.get("/").status == 200


ON_STARTING = """
import pathlib, time
def on_starting(server):
    pathlib.Path("starting").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
"""


@PRELOAD
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH])
def test_what_it_is_told_before_it_serves_is_done_when_it_does(serve, tmp_path, number, preload):
    (tmp_path / "conf.py").write_text(ON_STARTING)
    server = serve(WSGI, *preload, "-c", "conf.py", "--pid", "pid", ready=None, cwd=tmp_path)
    until((tmp_path / "starting").exists, "the hook")
    server.signal(number, pid_in(tmp_path / "pid"))
    (tmp_path / "go").touch()
    server.logged("Handling signal: " + number.name[3:].lower())
    if number == signal.SIGHUP:
        server.logged("Reloaded: generation 2")
    if number == signal.SIGWINCH:
        server.signal(signal.SIGHUP)  # it serves again
    until(lambda: server.get("/").status == 200, "an answer")


@PRELOAD
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_who_is_told_to_end_before_it_serves_ends_at_once_and_leaves_nothing(serve, tmp_path, number, preload):
    (tmp_path / "conf.py").write_text(ON_STARTING)
    server = serve(WSGI, *preload, "-c", "conf.py", "--pid", "pid", ready=None, cwd=tmp_path)
    until((tmp_path / "starting").exists, "the hook")
    server.tree()
    server.signal(number, pid_in(tmp_path / "pid"))
    assert server.wait() == 0
    until(lambda: not (tmp_path / "pid").exists(), "the end of its pid file")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_while_an_address_is_waited_for(serve, number):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        server = serve(WSGI, bind=address, ready=None)
        server.port = other.getsockname()[1]
        server.expect(r"\[ERROR\] Connection in use")
        server.logged("Connection in use")
        server.signal(number)
        if number == signal.SIGTERM:
            assert server.wait() == 0
            return
    server.logged("Reloaded: generation 2")
    assert server.get("/").status == 200


PHASES = ["starts", "serves", "reloads", "drains"]


@PRELOAD
@pytest.mark.parametrize("numbers", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGQUIT], [signal.SIGTERM] * 5, [signal.SIGTERM, signal.SIGQUIT], [signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN, signal.SIGTERM]], ids=lambda ns: "-".join(n.name for n in ns))
@pytest.mark.parametrize("phase", PHASES)
def test_whatever_it_does_it_ends_when_it_is_told(serve, tmp_path, phase, numbers, preload):
    if phase == "starts":
        (tmp_path / "boot-delay").write_text("600")
    server = serve(WSGI, *preload, "--graceful-timeout", "3", workers=2, ready=None if phase == "starts" else "/")
    server.tolerate(r"\[(WARNING|ERROR)\] (Requests are broken off|Error handling request|Worker \(pid:\d+\) was killed by SIG(KILL|TERM))|Exception ignored in")
    client = None
    if phase == "starts":
        until(lambda: _catches(server.pid, signal.SIGTERM) and len(server.tree()) > 1, "its handlers")
    elif phase == "reloads":
        server.logged("Serving with 2 workers")
        (tmp_path / "boot-delay").write_text("600")
        server.signal(signal.SIGHUP)
        server.logged("Handling signal: hup.*(?s:.*)(Booting worker|Loading)")
    elif phase == "drains":
        client = server.connect()
        client.sendall(b"GET /sleep/600 HTTP/1.1\r\nHost: x\r\n\r\n")
        server.get("/")
        server.signal(signal.SIGTERM)
        server.logged("Handling signal: term")
    for number in numbers:
        server.signal(number)
    assert server.wait() == 0
    if client:
        client.close()


@pytest.mark.parametrize("numbers", [[signal.SIGINT], [signal.SIGTERM, signal.SIGQUIT]], ids=lambda ns: "-".join(n.name for n in ns))
@BOTH
def test_a_stop_at_once_under_load_ends_in_good_order(serve, app, numbers):
    for _ in range(4):
        server = serve(app, "--no-control-socket", workers=2)
        server.tolerate(r"\[(WARNING|ERROR)\] (Requests are broken off|Error handling request|… and \d+ more requests|Worker \(pid|ASGI application returned without a response)")
        load = load_generator.start("-c", "64", "-d", "60", "-t", "60", f"http://127.0.0.1:{server.port}/")
        until(lambda server=server: len(server.descriptors()) > 64, "the load")
        for number in numbers:
            server.signal(number)
        assert server.wait() == 0
        load.send_signal(signal.SIGINT)
        load_generator.finish(load)


NAPPING = """
import atexit, time

atexit.register(lambda: print("atexit has run", flush=True))

def application(environ, start_response):
    while environ["PATH_INFO"] == "/naps":
        time.sleep(0.0001)
    start_response("200 OK", [])
    return [b"ok"]
"""


def test_threads_that_run_when_it_stops_at_once_lose_no_interpreter(serve, tmp_path):
    (tmp_path / "napping.py").write_text(NAPPING)
    for _ in range(5):
        server = serve("napping:application", "--threads", "4", cwd=tmp_path)
        server.tolerate(r"\[(WARNING|ERROR)\] (Requests are broken off|Error handling request GET /naps|Worker \(pid:\d+\) exited with code 0)")
        clients = [server.connect() for _ in range(3)]
        for client in clients:
            client.sendall(b"GET /naps HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda server=server: b'"in_flight":3' in _status(server), "their start")
        server.signal(signal.SIGINT)
        assert server.wait() == 0
        server.logged("atexit has run")
        for client in clients:
            client.close()


def _catches(pid, number):
    status = open(f"/proc/{pid}/status").read()
    return int(status.split("SigCgt:")[1].split()[0], 16) >> (number - 1) & 1


def test_an_upgrade_and_a_stop_at_once(serve, tmp_path):
    server = serve(WSGI, "--pid", tmp_path / "pid", "--no-control-socket", workers=1)
    server.signal(signal.SIGUSR2)
    server.signal(signal.SIGUSR2)
    server.signal(signal.SIGHUP)
    server.logged("Upgrading: process")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    new = int(until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the new master's pid file"))
    until(lambda: server.get("/").status == 200, "its answer")
    assert new != server.pid
    os.kill(new, signal.SIGTERM)
    until(lambda: not (tmp_path / "pid").exists(), "the new master's end")


@pytest.mark.parametrize("how", ["ignores-term", "own-handlers", "threads", "atexit", "atexit-raises"])
@PRELOAD
def test_an_application_that_keeps_its_process_is_replaced_and_ended(serve, how, preload):
    server = serve(STUBBORN, "--graceful-timeout", "5", *preload, workers=1, env={"STUBBORN": how})
    server.tolerate(r"Exception ignored in atexit|ZeroDivisionError|" + (r"killed by SIGKILL \(not finished within --graceful-timeout\)" if how == "threads" else "^$"))
    before = server.get("/").body
    server.signal(signal.SIGHUP)
    server.logged("Reloaded: generation 2")
    until(lambda: len(server.workers()) == 1 and server.get("/").body != before, "the new worker alone")
    with server.connect() as client:
        client.sendall(b"GET /sleep/0.5 HTTP/1.1\r\nHost: x\r\n\r\n")
        server.get("/")
        server.signal(signal.SIGTERM)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
    assert server.wait() == 0


@pytest.mark.parametrize("how", ["cleans-up", "cleans-up-and-goes-on", "cleans-up-and-exits"])
@pytest.mark.parametrize("app", [[STUBBORN], [STUBBORN, "--threads", "2"], ["stubborn_app:asgi"], ["stubborn_app:asgi", "--loop", "asyncio"]], ids=" ".join)
def test_what_the_application_does_at_term_it_does_when_its_worker_ends(serve, app, how):
    server = serve(*app, workers=1, env={"STUBBORN": how})
    server.signal(signal.SIGHUP)
    server.logged("Reloaded: generation 2")
    server.logged("the application cleans up at 15")
    assert server.get("/").status == 200
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert server.log().count("the application cleans up at 15") == 2


def test_an_exit_that_blocks_is_cut_short(serve):
    server = serve(STUBBORN, "--graceful-timeout", "2", workers=1, env={"STUBBORN": "atexit-blocks"})
    server.tolerate(r"\[ERROR\] Worker \(pid:\d+\) was killed by SIGKILL")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0


def test_a_graceful_timeout_that_is_over_breaks_off_what_runs(serve):
    server = serve(WSGI, "--graceful-timeout", "1", workers=2)
    server.expect(r"\[WARNING\] Requests are broken off: --graceful-timeout is over")
    server.tolerate(r"\[(WARNING|ERROR)\] (Error handling request|Worker \(pid:\d+\) was killed by SIGKILL)")
    with server.connect() as client:
        client.sendall(b"GET /sleep/600 HTTP/1.1\r\nHost: x\r\n\r\n")
        server.get("/")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert client.recv(4096)[:12] in (b"", b"HTTP/1.1 502", b"HTTP/1.1 503")


@pytest.mark.parametrize("text", ["", "x\n", "0\n", "-1\n", "4194303\n", "99999999999999999999\n", "1 2 3"])
def test_a_pid_file_that_names_nobody_is_taken_over(serve, tmp_path, text):
    (tmp_path / "pid").write_text(text.replace("1 2 3", ""))
    server = serve(WSGI, "--pid", tmp_path / "pid", "--no-control-socket")
    assert (tmp_path / "pid").read_text() == f"{server.pid}\n"
    assert server.stop() == 0
    assert not (tmp_path / "pid").exists()


def test_a_pid_file_of_somebody_else_is_left_alone_in_the_end(serve, tmp_path):
    server = serve(WSGI, "--pid", tmp_path / "pid", "--no-control-socket")
    (tmp_path / "pid").write_text("1\n")
    assert server.stop() == 0
    assert (tmp_path / "pid").read_text() == "1\n"


def test_a_pid_file_that_cannot_be_written_is_a_clear_answer(serve, tmp_path):
    server = serve(WSGI, "--pid", tmp_path / "absent" / "pid", ready=None)
    server.tolerate("prefork: ")
    assert server.wait() == 1
    assert f"pid file {tmp_path}/absent/pid" in server.log()


def test_an_address_in_use_is_tried_again_and_told(serve):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = serve(WSGI, "--no-control-socket", bind=f"127.0.0.1:{other.getsockname()[1]}", ready=None)
        server.tolerate(r"prefork: |\[(WARNING|ERROR)\] ")
        assert server.wait() == 1
        assert server.log().count("in use") >= 2


@pytest.mark.parametrize("left", ["stale", "file", "listening"])
def test_a_unix_socket_that_is_there_already(serve, tmp_path, left):
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as other:
        if left == "file":
            path.write_text("precious")
        else:
            other.bind(str(path))
            if left == "listening":
                other.listen()
        if left == "stale":
            other.close()
            assert serve(WSGI, "--no-control-socket", bind=f"unix:{path}").get("/").status == 200
            return
        if left == "listening":
            server = serve(WSGI, "--no-control-socket", bind=f"unix:{path}", ready=None)
            server.tolerate(r"prefork: |\[(WARNING|ERROR)\] ")
            server.bind = ""  # the file is not its own
            assert server.wait() == 1 and path.exists()
            return
        server = serve(WSGI, "--no-control-socket", bind=f"unix:{path}", ready=None)
        server.tolerate(r"prefork: |\[(WARNING|ERROR)\] ")
        server.bind = ""
        assert server.wait() == 1
        assert path.read_text() == "precious"


@BOTH
def test_each_request_in_a_worker_of_its_own(serve, app):
    server = serve(app, "--max-requests", "1", workers=2)
    report = load_generator.load("-c", "8", "-n", "60", "-t", "60", f"http://127.0.0.1:{server.port}/")
    assert report["exit_status"] == 0, report["log"]


def test_many_workers_are_exchanged_without_a_failure(serve):
    server = serve(WSGI, "--preload", "--threads", "2", workers=32)
    server.logged("Serving with 32 workers")
    load = load_generator.start("-c", "64", "-d", "2", "-t", "60", f"http://127.0.0.1:{server.port}/")
    server.signal(signal.SIGHUP)
    server.logged("Reloaded: generation 2")
    report = load_generator.finish(load)
    assert report["exit_status"] == 0, report["log"]
    until(lambda: len(server.workers()) == 32, "32 workers")


@BOTH
@PRELOAD
def test_the_master_stands_still_for_a_while_and_nobody_loses_a_request(serve, app, preload):
    server = serve(app, *preload, workers=2)
    server.logged("Serving with 2 workers")
    load = load_generator.start("-c", "16", "-d", "3", "-t", "60", f"http://127.0.0.1:{server.port}/")
    for _ in range(20):
        server.signal(signal.SIGSTOP)
        server.signal(signal.SIGHUP)
        server.signal(signal.SIGTTIN)
        server.signal(signal.SIGTTOU)
        server.signal(signal.SIGCONT)
        server.get("/")
    report = load_generator.finish(load)
    assert report["exit_status"] == 0, report["log"]
