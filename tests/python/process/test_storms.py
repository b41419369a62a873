"""Everything an operator can send, often and under load on 64 keep-alive connections: no client notices."""

import random
import signal
import threading

import pytest
from support.load_generator import finish, keep_busy, no_failure
from support.server import until

WSGI, ASGI = "process_app:application", "process_asgi:application"
BOTH = pytest.mark.parametrize("app", [WSGI, ASGI])


def _load(server, seconds, *arguments):
    return keep_busy(server, seconds, "-t", "60", *arguments, connections=64)


@BOTH
@pytest.mark.parametrize("workers", [1, 3])
def test_ten_reloads_in_a_row(serve, app, workers):
    server = serve(app, workers=workers)
    load = _load(server, 120)
    for count in range(1, 11):
        server.signal(signal.SIGHUP)
        until(lambda count=count: server.log().count("Reloaded: generation") >= count, f"reload {count}")
    load.send_signal(signal.SIGINT)
    no_failure(load)
    until(lambda: len(server.workers()) == workers, "the end of the old workers")


@BOTH
def test_reloads_that_come_while_one_goes_on(serve, app):
    server = serve(app, workers=2)
    load = _load(server, 3)
    for _ in range(30):
        server.signal(signal.SIGHUP)
        server.get("/")
    no_failure(load)
    assert server.get("/").status == 200


@BOTH
def test_a_reload_with_a_slow_start_on_one_worker(serve, app):
    server = serve(app, workers=1)
    (server.folder / "boot-delay").write_text("2")
    load = _load(server, 4)
    server.signal(signal.SIGHUP)
    server.logged("Reloaded: generation")
    no_failure(load)


@BOTH
def test_a_storm_of_signals(serve, app):
    server = serve(app, "--access-logfile", server_log := "access.log", workers=2)
    load = _load(server, 4, "--mix", "/:98,/sleep/0.02:2")
    choose = random.Random(7)
    stop = threading.Event()
    while load.poll() is None and not stop.wait(0.02):
        server.signal(choose.choice([signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1, signal.SIGHUP, signal.SIGTTOU]))
    no_failure(load)
    assert server.get("/").status == 200
    assert (server.folder / server_log).stat().st_size > 0


@BOTH
def test_workers_that_wear_out_all_the_time(serve, app):
    server = serve(app, "--max-requests", "50", "--max-requests-jitter", "20", workers=4)
    no_failure(_load(server, 4))
    assert server.log().count("is replaced: it has served") >= 4
    until(lambda: len(server.workers()) == 4, "four workers")


@BOTH
def test_a_stop_answers_everybody_whose_first_byte_had_come(serve, app):
    server = serve(app, workers=2)
    begun, uploading, pipelined = server.connect(), server.connect(), server.connect()
    begun.sendall(b"GE")
    uploading.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
    pipelined.sendall(b"GET /sleep/0.5 HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    load = _load(server, 2, "--close")
    server.get("/")
    server.signal(signal.SIGTERM)
    server.logged("Handling signal: term")
    begun.sendall(b"T / HTTP/1.1\r\nHost: x\r\n\r\n")
    uploading.sendall(b"67890")
    for client, answers in ((begun, 1), (uploading, 1), (pipelined, 3)):
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        assert answer.count(b"HTTP/1.1 200 OK\r\n") == answers, answer
        client.close()
    assert server.wait() == 0
    report = finish(load)
    # Those that nobody took in any more. So many are refused in so little time that the client's own ports may run out.
    assert set(report["failures"]) <= {"connect_refused", "connect_failed"}, report


@BOTH
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_a_quick_stop_leaves_nothing_waiting(serve, app, number):
    server = serve(app, workers=2)
    server.tolerate(r"\[WARNING\] Requests are broken off")
    server.tolerate(r"\[WARNING\] Error handling request GET /sleep/60 [^\n]*: the server has stopped")  # its worker had not begun it
    server.tolerate(r"\[ERROR\] [^\n]*")
    with server.connect() as client:
        client.sendall(b"GET /sleep/60 HTTP/1.1\r\nHost: x\r\n\r\n")
        server.get("/")
        server.signal(number)
        assert server.wait() == 0
        assert client.recv(4096)[:12] in (b"", b"HTTP/1.1 502", b"HTTP/1.1 503", b"HTTP/1.1 500")
