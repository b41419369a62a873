"""Connections as such: how long they are kept, where the server listens, and what a request costs in system calls."""

import contextlib
import os
import shutil
import socket
import stat

import pytest
from support.server import free_port
from support.strace_count import calls_per_request
from support.wire import PROBE, REFUSALS, converse, parse, read_to_end

GET = b"GET / HTTP/1.1\r\nHost: example\r\n\r\n"


def read_answer(client):
    """One answer with a Content-Length, and nothing behind it."""
    data = b""
    while b"\r\n\r\n" not in data or not parse(data)[-1].complete:
        piece = client.recv(1 << 16)
        assert piece, data
        data += piece
    (answer,) = parse(data)
    return answer


@pytest.fixture
def echo(serve):
    def start(*arguments, **options):
        server = serve(None, "--app", "echo", *arguments, **options)
        server.expect(REFUSALS)
        return server

    return start


# --- time (RFC 9110 15.5.9, RFC 9112 9.5)
def test_head_that_does_not_end_is_answered_408(echo):
    server = echo("--header-timeout", "1")
    with server.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: exa")
        (answer,) = parse(read_to_end(client))
    assert answer.status == 408 and answer.fields["connection"] == ["close"]


def test_head_timeout_is_absolute(echo):
    server = echo("--header-timeout", "1")
    with server.connect() as client:
        client.settimeout(0.05)
        client.sendall(b"GET / HTTP/1.1\r\nX: ")
        data = b""
        while not data:  # a client that sends a byte now and then gains nothing by it
            with contextlib.suppress(TimeoutError):
                data = client.recv(1 << 16)
                assert data, "closed without an answer"
            with contextlib.suppress(OSError):
                client.sendall(b"x")
    assert parse(data)[0].status == 408


def test_idle_connection_is_closed_without_a_word(echo):
    server = echo("--keep-alive", "1")
    with server.connect() as client:
        client.sendall(GET)
        assert read_answer(client).status == 200
        assert read_to_end(client) == b""


def test_connection_that_never_asked_is_closed_without_a_word(echo):
    server = echo("--keep-alive", "1")
    with server.connect() as client:
        assert read_to_end(client) == b""


# --- ends
def test_refused_client_may_send_all_of_its_body_before_it_reads_the_answer(echo):
    server = echo("--limit-request-body", "1000")
    with server.connect() as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: example\r\nContent-Length: %d\r\n\r\n" % (40 << 20))
        client.sendall(bytes(40 << 20))
        (answer,) = parse(read_to_end(client))
    assert answer.status == 413


@pytest.mark.parametrize("requests", [1, 3])
def test_half_closed_client_is_answered(echo, requests):
    server = echo()
    with server.connect() as client:
        client.sendall(GET * requests)
        client.shutdown(socket.SHUT_WR)
        assert [answer.status for answer in parse(read_to_end(client))] == [200] * requests


@pytest.mark.parametrize("cut", [b"GET / HTTP/1.1\r\nHo", b"POST /count HTTP/1.1\r\nHost: example\r\nContent-Length: 9\r\n\r\n1234",
                                 b"POST /count HTTP/1.1\r\nHost: example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123"])
def test_cut_message_is_not_answered(echo, cut):
    """RFC 9112 8: an incomplete message is no request."""
    server = echo()
    with server.connect() as client:
        client.sendall(cut)
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == b""


def test_refusal_reaches_a_client_that_still_sends(echo):
    """RFC 9112 9.6: closing at once would reset the connection and take the answer with it."""
    server = echo("--limit-request-body", "1000")
    with server.connect() as client:
        client.sendall(b"POST /count HTTP/1.1\r\nHost: example\r\nContent-Length: 4000000\r\n\r\n")
        client.sendall(bytes(4_000_000))
        (answer,) = parse(read_to_end(client))
    assert answer.status == 413


def test_body_that_grows_past_its_limit_is_refused(echo):
    server = echo("--limit-request-body", "1000")
    (answer,) = parse(converse(server, [b"POST /count HTTP/1.1\r\nHost: example\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + bytes(1001) + b"\r\n0\r\n\r\n" + PROBE]))
    assert answer.status == 413


def test_continue_comes_before_the_body_is_sent(echo):
    """RFC 9110 10.1.1, and behind the answer to the request before it."""
    server = echo()
    with server.connect() as client:
        client.sendall(GET + b"POST /echo HTTP/1.1\r\nHost: example\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n")
        data = b""
        while b"100 Continue\r\n\r\n" not in data:
            piece = client.recv(1 << 16)
            assert piece, data
            data += piece
        client.sendall(b"abc")
        data += read_to_end(client)
    assert [(answer.status, answer.body) for answer in parse(data)] == [(200, b"Hello, World!"), (100, b""), (200, b"abc")]


@pytest.mark.parametrize("path", ["/bad/cut", "/bad/short"])
def test_broken_off_answer_is_never_falsely_ended(echo, path):
    """RFC 9112 8: a client must be able to tell that the message is incomplete."""
    server = echo()
    (answer,) = parse(converse(server, [b"GET %s HTTP/1.1\r\nHost: example\r\n\r\n" % path.encode() + PROBE]))
    assert answer.status == 200 and not answer.complete


# --- where it listens
def test_unix_socket_is_made_with_its_mode_and_removed(serve, tmp_path):
    path = tmp_path / "socket"
    server = serve(None, "--app", "echo", "--umask", "0o177", bind=f"unix:{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert server.get("/").body == b"Hello, World!"
    assert server.stop() == 0
    assert not path.exists()


def test_stale_unix_socket_is_replaced(serve, tmp_path):
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = serve(None, "--app", "echo", bind=f"unix:{path}")
    assert server.get("/").status == 200


def test_live_unix_socket_is_left_alone(serve, tmp_path):
    path = tmp_path / "socket"
    first = serve(None, "--app", "echo", bind=f"unix:{path}")
    second = serve(None, "--app", "echo", bind=f"unix:{path}", ready=None)
    second.expect("Connection in use: unix:|Can't connect to unix:|cannot listen at unix:")
    assert second.wait() == 1
    assert first.get("/").status == 200


def test_several_binds_serve_the_same(serve, tmp_path):
    path, port = tmp_path / "socket", free_port()
    server = serve(None, "--app", "echo", "-b", f"unix:{path}", "-b", f"127.0.0.1:{port}")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(PROBE)
        assert parse(read_to_end(client))[0].body == b"/path/probe"
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(PROBE)
        assert parse(read_to_end(client))[0].body == b"/path/probe"
    assert server.get("/").status == 200
    assert server.stop() == 0
    assert not path.exists()


def test_port_in_use_is_said_in_one_line(serve):
    first = serve(None, "--app", "echo")
    second = serve(None, "--app", "echo", bind=first.bind, ready=None)
    second.expect("Connection in use: |Can't connect to |cannot listen at")
    assert second.wait() == 1
    assert first.get("/").status == 200


# --- cost
@pytest.mark.skipif(shutil.which("strace") is None or os.geteuid() != 0, reason="needs strace and the right to attach")
def test_one_read_and_one_write_for_a_request_on_a_kept_connection(serve):
    server = serve(None, "--app", "echo", "--no-control-socket")
    calls = calls_per_request(server.pid, f"http://127.0.0.1:{server.port}/", requests=1000)
    # The set-up of the connection and its end are in the count: a few calls in a thousand requests.
    assert sum(calls.get(name, 0) for name in ("recvfrom", "recvmsg", "readv")) == pytest.approx(1, abs=0.02)
    assert sum(calls.get(name, 0) for name in ("sendto", "sendmsg", "writev")) == pytest.approx(1, abs=0.02)
