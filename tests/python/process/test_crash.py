"""Workers die, hang or fail to start: what that costs, and what is said."""

import os
import re
import signal

import pytest
from support import load_generator
from support.server import until

APP = "process_app:application"
FAILED_REQUEST = r"\[ERROR\] Error handling request GET [^\n]*"


@pytest.mark.parametrize(
    ("path", "said"),
    [("/segv", "was killed by SIGSEGV"), ("/abort", "was killed by SIGABRT|exited with code 1"), ("/exit/7", "exited with code 7"), ("/exit/0", "exited with code 0")],
)
def test_a_death_costs_the_request_that_caused_it(serve, path, said):
    server = serve(APP, workers=1)
    server.expect(FAILED_REQUEST)
    server.expect(r"(Fatal Python error.*)?\[ERROR\] Worker \(pid:\d+\) (" + said + r") after [\d.]+ s: .*?requests served; it was running GET " + path + r" for [\d.]+ s")
    server.tolerate(r"\[CRITICAL\][^\n]*|Fatal Python error")
    assert server.get(path).status == 502
    assert server.get("/").status == 200


def report_of_three_kills(server):
    """What clients under load saw of three workers killed one after the other."""
    server.expect(r"\[ERROR\] Worker \(pid:\d+\) was killed by SIGKILL [^\n]*")
    load = load_generator.start("-c", "16", "-d", "4", f"http://127.0.0.1:{server.port}/")
    for _ in range(3):
        victim = server.workers()[0]
        server.signal(signal.SIGKILL, victim)
        until(lambda victim=victim: victim not in server.workers() and len(server.workers()) == 2, "a replacement")
    return load_generator.finish(load)


def test_kills_under_load_fail_only_what_was_started(serve):
    server = serve(APP, workers=2)
    server.tolerate(FAILED_REQUEST)
    report = report_of_three_kills(server)
    assert set(report["statuses"]) <= {"200", "502"}
    assert report["statuses"].get("502", 0) <= 3  # one thread a worker: one started request a kill


def test_safe_methods_are_tried_again_when_that_was_asked_for(serve):
    server = serve(APP, "--retry-crashed", workers=2)
    report = report_of_three_kills(server)
    assert report["exit_status"] == 0, report["log"]


def test_a_request_that_ends_two_workers_is_named(serve):
    server = serve(APP, "--retry-crashed", workers=2)
    server.expect(FAILED_REQUEST)
    server.expect(r"\[ERROR\] A request has ended two workers: GET /exit/9 for [\d.]+ s")
    server.expect(r"\[ERROR\] Worker \(pid:\d+\) exited with code 9 [^\n]*")
    assert server.get("/exit/9").status == 502


def test_a_request_beyond_the_timeout_gets_504_and_its_worker_a_dump(serve):
    server = serve(APP, "--timeout", "1", workers=1)
    server.expect(FAILED_REQUEST)
    server.expect(r"\[CRITICAL\] WORKER TIMEOUT \(pid:\d+\): GET /sleep/60 for [\d.]+ s")
    server.expect(r"Fatal Python error: Aborted.*?process_app.py")
    server.expect(r"(\[CRITICAL\] Worker aborted[^\n]*\n)?.*?\[ERROR\] Worker \(pid:\d+\) [^\n]*\(--timeout\)[^\n]*")
    server.tolerate(r"\[CRITICAL\] Worker aborted[^\n]*")
    with server.connect() as client:
        client.sendall(b"GET /sleep/60 HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: server.get("/").status == 200)
        assert client.recv(4096).startswith(b"HTTP/1.1 504")


def test_a_worker_that_is_deaf_is_killed(serve):
    server = serve(APP, "--timeout", "1", workers=1)
    server.expect(FAILED_REQUEST)
    server.expect(r"\[CRITICAL\] WORKER TIMEOUT \(pid:\d+\): GET /hang for [\d.]+ s")
    server.expect(r"\[ERROR\] Worker \(pid:\d+\) was killed by SIGKILL \(--timeout\)[^\n]*")
    assert server.get("/hang").status == 504
    assert server.get("/").status == 200


def test_slow_requests_on_threads_are_not_taken_for_a_hang(serve):
    server = serve(APP, "--timeout", "1", "--threads", "2", workers=1)
    with server.connect() as first, server.connect() as second:
        for client in (first, second):
            client.sendall(b"GET /sleep/3.5 HTTP/1.1\r\nHost: x\r\n\r\n")
        for client in (first, second):
            assert client.recv(4096).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(("app", "status", "reason"), [("process_app:application", 3, "Worker failed to boot."), ("process_app:absent", 4, "App failed to load.")])
def test_the_first_generation_s_failure_ends_the_server(serve, tmp_path, app, status, reason):
    if status == 3:
        (tmp_path / "broken").touch()
    server = serve(app, workers=2, ready=None)
    assert server.wait() == status
    assert f"Reason: {reason}" in server.log()
    server.expect(r".*")
    assert "Shutting down: Master" in server.log()


def test_a_replacement_that_does_not_start_is_tried_again(serve):
    server = serve(APP, workers=2)
    server.logged("Serving with 2 workers")
    (server.folder / "broken").touch()
    server.expect(r"\[ERROR\] Worker \(pid:\d+\) was killed by SIGKILL[^\n]*")
    server.expect(r"\[ERROR\] Exception in worker process")
    server.expect(r"Traceback \(most recent call last\)")
    server.expect(r"\[ERROR\] Worker \(pid:\d+\) exited with code 3 [^\n]*")
    server.signal(signal.SIGKILL, server.workers()[0])
    until(lambda: len(re.findall("exited with code 3", server.log())) >= 2, "two attempts")
    (server.folder / "broken").unlink()
    until(lambda: server.log().count("Booting worker") >= 4 and len(server.workers()) == 2, "a worker")
    assert server.get("/").status == 200


def test_many_workers_that_are_killed_together_are_back_before_anybody_is_turned_away(serve):
    server = serve(APP, "--hold-timeout", "9", workers=10)
    server.logged("Serving with 10 workers")
    server.expect(r"\[ERROR\] Worker \(pid:\d+\) was killed by SIGKILL")
    for pid in server.workers():
        server.signal(signal.SIGKILL, pid)
    assert server.get("/").status == 200


def test_nothing_outlives_a_master_that_is_killed(serve):
    server = serve(APP, workers=3)
    everybody = server.tree()
    server.signal(signal.SIGKILL)
    server.wait()
    until(lambda: not any(os.path.exists(f"/proc/{pid}") and server._alive(pid) for pid in everybody), "the workers' end")
    with pytest.raises(ConnectionRefusedError):
        server.connect()
