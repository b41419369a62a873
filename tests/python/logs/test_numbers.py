"""Probes, metrics, statsd and timing fields of a running server."""

import re
import os
import signal

from support.datagrams import Datagrams
from support.server import free_port, until

APP = "dropin_app:app"


def value(text, series):
    found = re.search(rf"^{re.escape(series)} ([0-9.]+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else None


def test_health_paths_are_answered_without_the_application(serve):
    server = serve(APP, "--health-path", "/livez,/readyz")
    assert server.get("/livez").body == b"alive\n"
    assert server.get("/readyz").body == b"ready\n"
    assert server.get("/other").headers["X-Shown"] == "yes"


def test_metrics_count_requests(serve):
    server = serve(APP, "--metrics-path", "/metrics")
    for _ in range(3):
        server.get("/counted")
    assert server.raw("BAD\r\n\r\n").startswith(b"HTTP/1.1 400")
    reply = server.get("/metrics")
    text = reply.body.decode()
    assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert value(text, 'prefork_requests_total{class="2xx",code="200"}') >= 4
    assert value(text, "prefork_request_queue_seconds_count") >= 4
    assert value(text, "prefork_request_duration_seconds_sum") > 0


def test_metrics_and_health_on_addresses_of_their_own(serve):
    metrics, health = free_port(), free_port()
    server = serve(APP, "--metrics-bind", f"127.0.0.1:{metrics}", "--health-bind", f"127.0.0.1:{health}")
    main = server.port
    for port, path, status in ((metrics, "/metrics", 200), (health, "/readyz", 200), (health, "/livez", 200), (health, "/metrics", 404),
                               (metrics, "/readyz", 404), (metrics, "/", 404), (main, "/metrics", 200)):
        server.port = port
        reply = server.get(path)
        assert reply.status == status, (path, port)
        if port == main:
            assert reply.headers["X-Shown"] == "yes"
    server.port = main


def test_statsd_gets_gunicorns_names(serve):
    with Datagrams() as statsd:
        server = serve(APP, "--statsd-host", statsd.address, "--statsd-prefix", "pre", "--dogstatsd-tags", "a:b")
        server.get("/")
        names = ("requests:", "request.status.200:", "request.duration:", "workers:1|g")
        assert "|#a:b" in statsd.wait(*(re.escape(f"pre.gunicorn.{name}") for name in names))


def test_statsd_gets_the_number_of_exceptions(serve, tmp_path):
    (tmp_path / "failing.py").write_text("def app(environ, start_response):\n    if environ['PATH_INFO'] == '/': start_response('200 OK', []); return []\n    raise ValueError('no')\n")
    with Datagrams() as statsd:
        server = serve("failing:app", "--chdir", tmp_path, "--statsd-host", statsd.address)
        server.expect(r"\[ERROR\] Error handling request[^\n]*\nTraceback.*?ValueError: no")
        assert server.get("/fails").status == 500
        statsd.wait(r"gunicorn\.log\.exception:1\|c")


def test_timing_fields_only_when_asked(serve):
    server = serve(APP, "--server-timing", "--header", "X-Extra: 1")
    headers = server.get("/").headers
    assert re.fullmatch(r"queue;dur=[0-9.]+, app;dur=[0-9.]+", headers["Server-Timing"])
    assert float(headers["X-Queue-Time"]) >= 0
    assert headers["X-Extra"] == "1"


def test_no_such_fields_by_default(serve):
    headers = serve(APP).get("/").headers
    assert not {"server-timing", "x-queue-time", "x-request-id"} & {name.lower() for name in headers}


def metric(server, series):
    return value(server.get("/metrics").body.decode(), series)


def test_workers_and_restarts_are_counted_by_cause(serve):
    server = serve(APP, "--metrics-path", "/metrics", "--max-requests", "1000", workers=2)
    server.expect(r"\[ERROR\] Worker \(pid:\d+\) was killed by signal 9|\[ERROR\] Worker \(pid:\d+\)[^\n]*SIGKILL")
    until(lambda: metric(server, 'prefork_workers{phase="ready"}') == 2, "two workers")
    assert metric(server, "prefork_workers_wanted") == 2
    assert metric(server, "prefork_workers_started_total") == 2
    server.signal(signal.SIGTTIN)
    until(lambda: metric(server, 'prefork_workers{phase="ready"}') == 3, "a third worker")
    assert metric(server, "prefork_workers_wanted") == 3
    server.signal(signal.SIGTTOU)
    until(lambda: len(server.workers()) == 2, "two workers again")
    assert metric(server, "prefork_workers_wanted") == 2
    os.kill(server.workers()[0], signal.SIGKILL)
    until(lambda: metric(server, 'prefork_worker_restarts_total{cause="crash"}') == 1, "the crash")
    until(lambda: metric(server, 'prefork_workers{phase="ready"}') == 2, "its replacement")
    server.signal(signal.SIGHUP)
    until(lambda: metric(server, "prefork_reloads_total") == 1, "the reload")
    until(lambda: metric(server, 'prefork_worker_restarts_total{cause="reload"}') == 2, "the old workers' end")
    for _ in range(1001):
        server.get("/")
    assert metric(server, "prefork_requests_total{class=\"2xx\",code=\"200\"}") >= 1001
    assert metric(server, "prefork_connections_total") >= 1001
    assert metric(server, 'prefork_worker_restarts_total{cause="crash"}') == 1


def test_a_request_whose_worker_had_to_end_does_not_count_as_a_full_queue(serve):
    server = serve("process_app:application", "--metrics-path", "/metrics", "--graceful-timeout", "0.5")
    server.expect(r"\[WARNING\] Error handling request GET /sleep/600[^\n]*: the worker had to end")
    server.expect(r"was killed by SIGKILL \(not finished within --graceful-timeout\)")
    with server.connect() as client:
        client.sendall(b"GET /sleep/600 HTTP/1.1\r\nHost: h\r\n\r\n")
        until(lambda: metric(server, "prefork_requests_in_flight") == 1, "the request")
        server.signal(signal.SIGHUP)
        assert client.makefile("rb").readline() == b"HTTP/1.1 503 Service Unavailable\r\n"
    assert metric(server, 'prefork_requests_shed_total{reason="worker_ended"}') == 1
    assert metric(server, 'prefork_requests_shed_total{reason="queue_full"}') == 0


def test_a_worker_that_wears_out_is_counted_as_such(serve):
    server = serve(APP, "--metrics-path", "/metrics", "--max-requests", "5")
    for _ in range(10):
        server.get("/")
    until(lambda: metric(server, 'prefork_worker_restarts_total{cause="max_requests"}') >= 1, "a replacement")
    assert metric(server, 'prefork_worker_restarts_total{cause="crash"}') == 0


def test_a_statsd_host_that_nobody_knows_does_not_stop_the_server(serve):
    server = serve(APP, "--statsd-host", "no-such-host.invalid:8125")
    server.expect(r"\[WARNING\] No numbers go to statsd until a reload: statsd_host no-such-host.invalid")
    assert server.get("/").status == 200
