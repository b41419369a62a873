"""Applications that do what they should not: end the process, use up its memory, close its descriptors, fork. Only they pay for it."""

import os
import signal
import time

import pytest
from support import load_generator
from support.server import until

WSGI, ASGI = "process_app:application", "process_asgi:application"
# What a death makes the server say, in any order and as often as it happens.
DEATH = (
    r"\[ERROR\] Error handling request GET [^\n]*: the worker died while it ran this request",
    r"\[ERROR\] Worker \(pid:\d+\) (was killed by|exited with code) [^\n]*",
)


def _expect_death(server):
    for pattern in DEATH:
        server.expect(pattern)
    server.tolerate(r"Fatal Python error|XXX lineno|\[CRITICAL\] Worker aborted")


@pytest.mark.parametrize("app", [WSGI, ASGI])
@pytest.mark.parametrize("path", ["/segv", "/abort", "/exit/0", "/exit/7", "/memory"])
def test_who_ends_the_process_costs_its_own_request(serve, app, path):
    server = serve(app, workers=2)
    _expect_death(server)
    before = set(server.workers())
    assert server.get(path).status == 502
    assert server.get("/").status == 200
    until(lambda: len(now := set(server.workers())) == 2 and len(now & before) == 1, "a replacement")


@pytest.mark.parametrize("app", [WSGI, ASGI])
@pytest.mark.parametrize("status", [0, 3])
def test_sys_exit_ends_the_request_and_not_the_worker(serve, app, status):
    server = serve(app)
    server.expect(rf"SystemExit: {status}")
    pid = server.get("/pid").body
    assert server.get(f"/sys-exit/{status}").status == 500
    assert server.get("/pid").body == pid


@pytest.mark.parametrize(("app", "options"), [(WSGI, []), (WSGI, ["--threads", "4"]), (ASGI, [])])
@pytest.mark.parametrize("kind", ["socket:", "anon_inode:", "/memfd:", "all"])
def test_a_worker_without_its_descriptors_serves_or_is_replaced(serve, app, options, kind):
    server = serve(app, *options)
    server.tolerate(r"\[CRITICAL\] The application has closed the worker's own descriptors: the worker exits")
    server.tolerate(r"\[ERROR\] Worker \(pid:\d+\) exited with code [^\n]*")
    server.tolerate(r"\[ERROR\][^\n]*(Exception in|lost|cannot be)[^\n]*(\n(?!\[)[^\n]*)*")  # asyncio's own selector is gone too
    server.tolerate(r"\[ERROR\] Error handling request GET [^\n]*")
    assert server.get("/close/" + kind.replace("/", "%2F")).status in (200, 502)
    until(lambda: server.get("/").status == 200, "an answer")  # what was started in it goes with it
    for _ in range(20):
        assert server.get("/").status == 200


def test_threads_that_run_when_the_descriptors_go_end_with_a_502(serve, tmp_path):
    """The process ends under them: they neither answer for themselves nor see the interpreter go."""
    (tmp_path / "closing.py").write_text(
        "import os, time\n"
        "def application(environ, start_response):\n"
        "    if environ['PATH_INFO'] == '/close':\n"
        "        for number in [entry.name for entry in os.scandir('/proc/self/fd') if 'eventfd' in os.readlink(entry)]:\n"
        "            os.close(int(number))\n"
        "    if environ['PATH_INFO'] == '/nap':\n"
        "        open('napping', 'w').close()\n"
        "    while environ['PATH_INFO'] != '/':\n"
        "        time.sleep(0.0001)\n"
        "    start_response('200 OK', [])\n"
        "    return [b'ok']\n"
    )
    server = serve("closing:application", "--threads", "4", cwd=tmp_path)
    server.expect(r"\[CRITICAL\] The application has closed the worker's own descriptors: the worker exits")
    server.expect(r"\[ERROR\] Error handling request GET /(close|nap) [^\n]*: the worker died while it ran this request")
    server.expect(r"\[ERROR\] Worker \(pid:\d+\) exited with code 3")
    for _ in range(3):
        with server.connect() as client:
            client.sendall(b"GET /nap HTTP/1.1\r\nHost: x\r\n\r\n")
            until((tmp_path / "napping").exists, "its start")
            (tmp_path / "napping").unlink()
            assert server.get("/close").status == 502
            assert client.recv(100).startswith(b"HTTP/1.1 502")
        assert server.get("/").status == 200


def test_what_is_closed_low_is_not_written_to(serve, tmp_path):
    """The next file that an application opens has a number that was closed: nothing of ours may land in it."""
    (tmp_path / "closing.py").write_text(
        "import os\n"
        "def application(environ, start_response):\n"
        "    if environ['PATH_INFO'] == '/close':\n"
        "        os.closerange(3, 200)\n"
        "        application.files = [open(f'file-{i}', 'wb') for i in range(20)]\n"
        "    start_response('200 OK', [])\n"
        "    return [b'ok']\n"
    )
    server = serve("closing:application", "--threads", "2", cwd=tmp_path)
    assert server.get("/close").status == 200
    load_generator.finish(load_generator.start("-c", "8", "-d", "1", f"http://127.0.0.1:{server.port}/"))
    assert all((tmp_path / f"file-{i}").stat().st_size == 0 for i in range(20))


@pytest.mark.parametrize(("how", "body"), [("exit", b"7"), ("sys-exit", b"0"), ("return", b"1"), ("terminated", b"-15"), ("terminated-in-c", b"-15"), ("multiprocessing", b"[1, 2, 3]")])
def test_children_of_the_application_do_not_disturb_the_worker(serve, how, body):
    server = serve(WSGI)
    server.tolerate(r"\[ERROR\] A child of os.fork\(\) returned from the application")
    pid = server.get("/pid").body
    assert server.get(f"/child/{how}").body == body
    assert server.get("/pid").body == pid


def test_a_child_that_leaves_an_async_application_ends_quietly(serve):
    server = serve(ASGI)
    pid = server.get("/pid").body
    assert server.get("/child/sys-exit").body == b"5"
    assert server.get("/pid").body == pid


def test_a_child_that_stays_does_not_keep_the_server(serve):
    server = serve(WSGI)
    child = int(server.get("/child/linger").body)
    try:
        assert server.stop() == 0
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("app", [WSGI, ASGI])
def test_a_worker_that_is_stopped_for_a_while_delays_nobody_else(serve, app):
    server = serve(app, workers=3)
    server.logged("Serving with 3 workers")
    load = load_generator.start("-c", "64", "-d", "4", "-t", "30", f"http://127.0.0.1:{server.port}/")
    victim = server.workers()[0]
    server.signal(signal.SIGSTOP, victim)
    time.sleep(2)  # the length of the fault, not a wait for something
    server.signal(signal.SIGCONT, victim)
    report = load_generator.finish(load)
    # What it was running waits for it.
    assert report["exit_status"] == 0, report["log"]


@pytest.mark.parametrize("app", [WSGI, ASGI])
def test_a_worker_that_is_stopped_for_good_is_replaced(serve, app):
    server = serve(app, "--timeout", "1", workers=2)
    server.expect(r"\[CRITICAL\] WORKER TIMEOUT \(pid:\d+\): no sign of life")
    server.expect(r"\[ERROR\] Worker \(pid:\d+\) was killed by SIGKILL \(--timeout\)[^\n]*")
    server.logged("Serving with 2 workers")
    victim = server.workers()[0]
    server.signal(signal.SIGSTOP, victim)
    until(lambda: victim not in (now := server.workers()) and len(now) == 2, "a replacement")
    assert server.get("/").status == 200


def test_a_master_that_was_stopped_takes_no_worker_for_dead(serve):
    server = serve(WSGI, "--timeout", "1", workers=2)
    server.logged("Serving with 2 workers")
    everybody = server.tree()
    for pid in everybody:
        server.signal(signal.SIGSTOP, pid)
    time.sleep(4)  # as a container that is frozen
    for pid in everybody:
        server.signal(signal.SIGCONT, pid)
    for _ in range(20):
        assert server.get("/").status == 200
    assert server.tree() == everybody


STEPS = """
import pathlib, time
def application(environ, start_response):
    if environ["PATH_INFO"] == "/steps":
        pathlib.Path("begun").touch()
        for _ in range(40):  # of work that is not done while nothing runs
            time.sleep(0.05)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


@pytest.mark.parametrize("options", [(), ("--threads", "2")], ids=["", "threads"])
def test_the_time_that_everything_stands_still_is_none_of_a_request_s_timeout(serve, tmp_path, options):
    (tmp_path / "steps.py").write_text(STEPS)
    server = serve("steps:application", "--timeout", "4", *options, cwd=tmp_path)
    everybody = server.tree()
    with server.connect() as client:
        client.sendall(b"GET /steps HTTP/1.1\r\nHost: x\r\n\r\n")
        until((tmp_path / "begun").exists, "the request's start")
        for pid in everybody:
            server.signal(signal.SIGSTOP, pid)
        time.sleep(5)  # the length of the fault, not a wait for something
        for pid in everybody:
            server.signal(signal.SIGCONT, pid)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
    assert server.tree() == everybody


def test_the_time_that_everything_stands_still_is_none_of_a_worker_s_start(serve, tmp_path):
    (tmp_path / "slow.py").write_text(
        "import pathlib, time\n"
        "if pathlib.Path('slow').exists():\n"
        "    pathlib.Path('begun').touch()\n"
        "    for _ in range(40):\n"
        "        time.sleep(0.05)\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'ok']\n"
    )
    server = serve("slow:application", "--boot-timeout", "4", cwd=tmp_path)
    (tmp_path / "slow").touch()
    server.signal(signal.SIGHUP)
    until((tmp_path / "begun").exists, "the import")
    everybody = server.tree()
    for pid in everybody:
        server.signal(signal.SIGSTOP, pid)
    time.sleep(5)
    for pid in everybody:
        server.signal(signal.SIGCONT, pid)
    server.logged("Reloaded: generation 2")


@pytest.mark.parametrize(("options", "app", "path"), [([], WSGI, "/spin"), ([], ASGI, "/spin"), ([], ASGI, "/block/60")])
def test_the_request_that_hangs_gets_504_and_its_stack_is_logged(serve, options, app, path):
    server = serve(app, "--timeout", "1", *options, workers=2)
    server.expect(r"\[CRITICAL\] WORKER TIMEOUT \(pid:\d+\): GET " + path)
    server.expect(r"Fatal Python error: Aborted|Current thread.*process_a(pp|sgi).py")
    server.tolerate(r"\[CRITICAL\] Worker aborted")
    server.expect(r"\[ERROR\] Error handling request GET [^\n]*")
    server.expect(r"\[ERROR\] Worker \(pid:\d+\) [^\n]*\(--timeout\)")
    assert server.get(path).status == 504
    assert server.get("/").status == 200
    until(lambda: len(server.workers()) == 2, "a replacement")
