"""The load generator finds each kind of failure, and calls nothing else one."""

import socket

import pytest
from misbehaving_server import MisbehavingServer
from support.load_generator import finish, load, start


@pytest.fixture
def server():
    server = MisbehavingServer()
    yield server
    server.stop()


def one_connection(server, path, *arguments, count=1, timeout=20):
    return load("-c", 1, "-n", count, "-t", timeout, *arguments, server.url + path)


def test_good_answers_are_no_failures(server):
    mix = "/:2,/len/1000,/len/70000,/chunks/7/1000,/echo#10,/echo#30000,/echo#200000,/path/{n}:3,/chunked,/chunked?bytes,/old,/hint,/status/404,HEAD /x"
    report = load("-c", 4, "-n", 300, "--mix", mix, server.url)
    assert report["failures"] == {}
    assert report["ok"] == report["requests"] == server.requests == 300
    assert report["exit_status"] == 0
    assert report["statuses"]["404"] > 0
    assert report["informational"] > 0
    assert all(target["ok"] > 0 for target in report["targets"])
    assert sum(target["ok"] for target in report["targets"]) == 300


@pytest.mark.parametrize(
    "path, kind",
    [
        ("/vanish", "reset_before_answer"),
        ("/reset", "reset_before_answer"),
        ("/half-head", "reset_in_head"),
        ("/half-body", "reset_in_body"),
        ("/chunked?cut", "reset_in_body"),
        ("/garbage", "bad_answer"),
        ("/two-lengths", "bad_answer"),
        ("/length-and-chunked", "bad_answer"),
        ("/chunked?long", "bad_answer"),
        ("/bad-gateway", "status_5xx"),
        ("/missing", "wrong_status"),
        ("/len/1000?short", "wrong_length"),
        ("/len/1000?byte", "wrong_body"),
        ("/len/5000?doubled", "wrong_body"),
    ],
)
def test_each_failure_is_counted_by_its_kind(server, path, kind):
    report = one_connection(server, path, count=5)
    assert report["failures"] == {kind: 5}
    assert report["requests"] == server.requests == 5, "nothing is retried"
    assert report["ok"] == 0
    assert report["failed"] == report["targets"][0]["failed"] == 5
    assert report["exit_status"] == 1
    assert kind in report["log"]


def test_statuses_are_counted_one_by_one(server):
    report = load("-c", 2, "-n", 40, "--mix", "/bad-gateway,/missing,/", server.url)
    assert report["statuses"]["502"] == report["failures"]["status_5xx"]
    assert report["statuses"]["404"] == report["failures"]["wrong_status"]
    assert report["statuses"]["200"] == report["ok"]


def test_an_echo_of_something_else_is_a_wrong_body(server):
    # The first request's body starts where PATTERN does, so that its lie is the truth.
    report = one_connection(server, "", "--mix", "/echo?lie#1000", count=5)
    assert report["failures"] == {"wrong_body": 4}


def test_another_requests_answer_is_a_wrong_body(server):
    report = one_connection(server, "", "--mix", "/path/{n}?lie", "--any-body", count=5)
    assert report["failures"] == {}
    report = one_connection(server, "/path/1?lie", count=5)
    assert report["failures"] == {"wrong_length": 5}


def test_an_answer_that_varies_is_a_wrong_body_unless_allowed(server):
    assert one_connection(server, "/varying", count=5)["failures"] == {"wrong_body": 4}
    assert one_connection(server, "/varying", "--any-body", count=5)["failures"] == {}


def test_what_does_not_answer_in_time_is_a_timeout(server):
    report = one_connection(server, "/hang", count=2, timeout=0.2)
    assert report["failures"] == {"timeout": 2}


def test_a_server_that_is_not_there():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        report = load("-d", 0.2, "-c", 2, f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert set(report["failures"]) == {"connect_refused"}
    assert report["failures"]["connect_refused"] >= 2
    assert report["requests"] == 0


def test_an_announced_close_is_no_failure(server):
    report = one_connection(server, "/close", count=5)
    assert report["failures"] == {}
    assert report["closes_announced"] == 5
    assert report["connects"] >= 5


def test_a_close_without_notice_loses_the_request_that_was_sent(server):
    report = one_connection(server, "/second-dies", count=6)
    assert report["failures"] == {"reset_before_answer": 3}
    assert report["ok"] == 3


def test_a_close_while_nothing_is_asked_is_counted_apart(server):
    report = one_connection(server, "/hang-up-after", "-r", 5, count=3)
    assert report["failures"] == {}
    assert report["closed_idle"] >= 2
    assert report["ok"] == 3


def test_bytes_that_nobody_asked_for(server):
    report = one_connection(server, "/extra", count=3)
    assert report["failures"] == {"extra_bytes": 3}
    assert report["ok"] == 3


def test_a_pipeline_is_answered_in_order(server):
    report = load("-c", 2, "-p", 16, "-n", 200, "--mix", "/path/{n}:3,/len/1000,/echo#100", server.url)
    assert report["failures"] == {}
    assert report["ok"] == 200


def test_a_pipeline_behind_an_announced_close_is_not_lost(server):
    report = one_connection(server, "/close", "-p", 4, count=4)
    assert report["ok"] == 1
    assert report["unanswered_after_close"] == 3
    assert report["failures"] == {}


def test_a_pipeline_that_dies_loses_every_request_in_it(server):
    report = one_connection(server, "/all-die", "-p", 4, count=4)
    assert report["failures"] == {"reset_before_answer": 4}


def test_the_client_hangs_up_when_told_to(server):
    report = one_connection(server, "/", "--requests-per-connection", 3, count=9)
    assert report["failures"] == {}
    assert server.connections >= 3
    assert report["ok"] == 9


def test_a_chunked_upload_arrives_whole(server):
    report = one_connection(server, "", "--mix", "/echo#50000", "--chunked", count=5)
    assert report["failures"] == {}
    assert report["ok"] == 5


def test_latency_is_what_the_client_waited(server):
    report = load("-c", 2, "-n", 10, "--mix", "/sleep/0.05,/", server.url)
    slow, fast = report["targets"]
    assert slow["latency_us"]["p50"] >= 50_000
    assert fast["latency_us"]["p50"] < slow["latency_us"]["p50"]
    assert slow["latency_us"]["max"] >= slow["latency_us"]["p99"] >= slow["latency_us"]["p50"]


def test_at_a_fixed_rate_waiting_for_a_connection_counts(server):
    # One connection, answers after 50 ms, a request due every 10 ms: the last of ten was due long before it could be sent.
    report = load("-c", 1, "-n", 10, "-r", 100, server.url + "/sleep/0.05")
    assert report["ok"] == 10
    assert report["latency_us"]["max"] >= 400_000


def test_a_fixed_rate_is_not_exceeded(server):
    report = load("-c", 8, "-d", 1, "-r", 100, server.url + "/")
    assert 0 < report["requests"] <= 102


def test_an_interrupt_ends_the_run_with_its_report(server):
    run = start("-c", 1, "-d", 600, server.url + "/hang")
    while server.requests == 0:
        assert run.poll() is None
    run.terminate()
    report = finish(run)
    assert report["unfinished"] == 1
    assert report["failures"] == {}


def test_a_slow_head_that_is_refused_is_no_failure(server):
    report = load("-c", 3, "-n", 3, "-d", 60, "--mode", "slow-head", "--slow-interval", 5, "-H", "X-Impatient: 1", server.url + "/")
    assert report["slow_cut"] == 3
    assert report["failures"] == {}


@pytest.mark.parametrize(
    "mode, mix, drip", [("slow-head", "/", 10), ("slow-upload", "/echo#5000", 500), ("slow-read", "/len/90000", 20000)]
)
def test_a_slow_client_is_served(server, mode, mix, drip):
    report = load("-c", 3, "-n", 6, "-d", 60, "--mode", mode, "--slow-bytes", drip, "--slow-interval", 5, "--mix", mix, server.url)
    assert report["failures"] == {}
    assert report["ok"] == 6


@pytest.mark.parametrize("mode, mix", [("abort-upload", "/echo#500000"), ("abort-download", "/len/90000")])
def test_a_client_that_vanishes_is_no_failure(server, mode, mix):
    report = load("-c", 3, "-n", 30, "--mode", mode, "--abort-within", 1000, "--mix", mix, server.url)
    assert report["failures"] == {}
    assert report["aborted"] == 30
    assert report["ok"] == 0


def test_a_unix_socket_is_a_place_to_ask(tmp_path):
    server = MisbehavingServer(socket.AF_UNIX, str(tmp_path / "s"))
    report = load("-c", 2, "-n", 20, "--mix", "/len/1000,/path/{n}", server.url)
    assert report["ok"] == 20
    assert report["failures"] == {}
    server.stop()


def test_websocket_messages_come_back(server):
    for arguments in ([], ["--message-bytes", 1000]):
        report = load("--mode", "ws", "-c", 3, "-n", 60, *arguments, server.url + "/ws")
        assert report["failures"] == {}
        assert report["ok"] == 60
        assert report["statuses"] == {"101": 3}


def test_websocket_fragments_with_a_ping_between_them(server):
    report = load("--mode", "ws", "-c", 1, "-n", 5, server.url + "/ws?fragments")
    assert report["failures"] == {}
    assert report["ok"] == 5
    assert set(server.pongs) == {b"hi"}


@pytest.mark.parametrize(
    "query, kind", [("wrong", "wrong_body"), ("binary", "wrong_body"), ("masked", "bad_answer"), ("bye", "reset_before_answer")]
)
def test_websocket_failures(server, query, kind):
    report = load("--mode", "ws", "-c", 1, "-n", 3, server.url + "/ws?" + query)
    assert set(report["failures"]) == {kind}


def test_a_wrong_websocket_handshake(server):
    report = load("--mode", "ws", "-c", 1, "-d", 0.1, server.url + "/ws?wrong-accept")
    assert set(report["failures"]) == {"bad_answer"}
    report = load("--mode", "ws", "-c", 1, "-d", 0.1, server.url + "/bad-gateway")
    assert set(report["failures"]) == {"status_5xx"}


def test_a_close_frame_between_messages_is_no_failure(server):
    report = load("--mode", "ws", "-c", 1, "-n", 4, "-r", 5, server.url + "/ws?restart")
    assert report["failures"] == {}
    assert report["ws_closes"].get("1012", 0) >= 1
    assert report["ok"] == 4
