"""HTTP requests and responses as ASGI events."""

import contextlib
import http.client
import json
import pathlib
import socket
import struct

import asgi_apps
import pytest
from support.server import until


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("asgi_apps:app", "--asgi-disconnect-grace-period", "0.05")


def ask(server, path, **options):
    return json.loads(server.get(path, **options).body)


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_scope_is_complete(server):
    scope = ask(server, "/scope/a%20b%C3%A9?x=%20", headers=[("X-Two", "1"), ("x-TWO", "2"), ("Accept", "a/b")])
    assert (scope["type"], scope["asgi"], scope["http_version"], scope["method"], scope["scheme"]) == ("http", {"version": "3.0", "spec_version": "2.5"}, "1.1", "GET", "http")
    assert (scope["path"], scope["raw_path"], scope["query_string"], scope["root_path"]) == ("/scope/a b\u00e9", "/scope/a%20b%C3%A9", "x=%20", "")
    assert [pair for pair in scope["headers"] if pair[0] in ("x-two", "accept")] == [["x-two", "1"], ["x-two", "2"], ["accept", "a/b"]]
    assert scope["server"] == ["127.0.0.1", server.port] and scope["client"][0] == "127.0.0.1"
    assert "http.response.pathsend" in scope["extensions"] and "http.response.trailers" not in scope["extensions"]


def test_path_that_is_no_utf8_is_served(server):
    assert ask(server, "/scope/%FF")["path"] == "/scope/\ufffd"


def test_root_path_is_in_front_of_the_path_once(serve):
    server = serve("asgi_apps:app", "--root-path", "/mount")
    for target in ("/mount/scope", "/scope"):
        scope = ask(server, target)
        assert (scope["path"], scope["root_path"]) == ("/mount/scope", "/mount")


def test_state_is_a_copy_for_each_request(server):
    first, second = ask(server, "/state"), ask(server, "/state")
    assert first[0] == second[0] == "start"
    assert second[1] == first[1] + 1


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 3_000_000])
def test_bodies_arrive_whole(server, size):
    body = bytes(range(256)) * (size // 256 + 1)
    assert server.post("/echo", body[:size]).body == body[:size]


@pytest.mark.parametrize("size", [1, 1000, 60_000])
def test_body_that_came_with_its_head_is_one_event(server, size):
    body = b"b" * size
    for head in (b"Content-Length: %d\r\n\r\n%s" % (size, body), b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (size, body)):
        answer = server.raw(b"POST /pieces HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + head)
        if size < 2000:  # else the kernel may hand it over in parts
            assert answer.endswith(b"[%d]" % size)
        assert sum(json.loads(answer.rpartition(b"\r\n\r\n")[2])) == size


def test_application_starts_before_a_slow_body_is_whole(server):
    with server.connect() as client:
        client.sendall(b"POST /pieces HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 10\r\n\r\nfirst")
        until(lambda: ask(server, "/events") == [5], "the first piece")
        client.sendall(b"other")
        assert client.makefile("rb").read().endswith(b"[5, 5]")


def test_chunked_body_arrives_whole(server):
    with contextlib.closing(server.client()) as client:
        client.request("POST", "/echo", iter([b"one", b"two" * 100_000]), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
        assert client.getresponse().read() == b"one" + b"two" * 100_000


@pytest.mark.parametrize("kind", asgi_apps.ORDER)
def test_messages_out_of_order_are_runtime_errors(serve, kind):
    server = serve("asgi_apps:app")
    server.expect(r"RuntimeError: Unexpected ASGI message")
    answer = server.get(f"/order/{kind}")
    assert answer.status == (200 if kind == "after-end" else 500)
    assert ask(server, "/events")[0].startswith("Unexpected ASGI message 'http.response.")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["error", "exit", "interrupt", "cancelled", "stop"])
def test_application_that_fails_before_its_first_body_is_a_500(serve, when, kind):
    server = serve("asgi_apps:app")
    server.expect(r"Exception in ASGI application GET /raises")
    answer = server.get(f"/raises/{when}/{kind}")
    assert answer.status == 500 and b"secret" not in answer.body
    assert server.get("/echo").status == 200


def test_application_that_fails_halfway_is_cut_visibly(serve):
    server = serve("asgi_apps:app")
    server.expect(r"RuntimeError: secret")
    with pytest.raises(http.client.IncompleteRead):
        server.get("/raises/between/error")


def test_application_without_a_response_is_a_500(serve):
    server = serve("asgi_apps:app")
    server.expect(r"returned without a response: GET /silent")
    assert server.get("/silent").status == 500


def test_body_longer_than_its_length_is_cut_and_said_so(serve):
    server = serve("asgi_apps:app")
    server.expect(r"GET /sizes/3/5.*longer than its Content-Length")
    assert server.get("/sizes/3/5").body == b"xxx"


def test_body_shorter_than_its_length_closes_and_is_said_so(serve):
    server = serve("asgi_apps:app")
    server.expect(r"GET /sizes/9/2/3.*shorter than its Content-Length")
    with pytest.raises(http.client.IncompleteRead):
        server.get("/sizes/9/2/3")


def test_client_that_does_not_read_holds_send_back(server):
    with server.connect() as client:
        client.sendall(b"GET /flood HTTP/1.1\r\nHost: h\r\n\r\n")
        seen = [-1]

        def still():
            now = ask(server, "/events")
            stands = now == seen[0] and now and now[0] > 0
            seen[0] = now
            return stands

        until(still, "send() to wait")
        assert seen[0][0] < 64 << 20
        reset(client)
    until(lambda: len(ask(server, "/events")) == 2, "an error")
    assert ask(server, "/events")[1] == "OSError"


def test_request_of_a_client_that_left_is_cancelled_after_a_grace_period(serve):
    server = serve("asgi_apps:app", "--asgi-disconnect-grace-period", "0.05")
    client = server.connect()
    client.sendall(b"GET /waits HTTP/1.1\r\nHost: h\r\n\r\n")
    until(lambda: ask(server, "/events") == ["waiting"], "the application")
    reset(client)
    until(lambda: ask(server, "/events") == ["waiting", "http.disconnect", "cancelled"], "the end")


def test_half_closed_client_is_answered_after_http_disconnect(server):
    for count in (1, 1, 1, 2) * 5:  # it is heard while a request waits, too
        with server.connect() as client:
            client.sendall(b"GET /halfway HTTP/1.1\r\nHost: h\r\n\r\n" * count)
            client.shutdown(socket.SHUT_WR)
            assert client.makefile("rb").read().count(b"http.disconnect") == count


def test_upload_that_nobody_receives_is_held_back(serve):
    server = serve("asgi_apps:app")
    total = 64 << 20
    with server.connect(2) as client:
        client.sendall(b"POST /idle/gate HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % total)
        sent = 0
        with contextlib.suppress(socket.timeout):
            while sent < total:
                sent += client.send(bytes(min(1 << 18, total - sent)))
        assert sent < total
        (server.folder / "gate").touch()
        client.settimeout(60)
        client.sendall(bytes(total - sent))
        answer = client.recv(4096)
        while not answer.endswith(str(total).encode()):
            answer += client.recv(4096)


def test_hundred_sleeping_requests_overlap(server):
    clients = [server.connect() for _ in range(100)]
    for client in clients:
        client.sendall(b"GET /sleep/0.2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    for client in clients:
        assert client.makefile("rb").read().endswith(b"slept")
        client.close()


def test_receive_is_as_good_as_a_coroutine(server):
    assert ask(server, "/receives") == {"type": "http.request", "body": "", "more_body": False, "cancelled": True, "timeout": True}


def test_application_that_asks_again_and_again_for_its_clients_end_fills_no_memory(server):
    assert ask(server, "/polls/1000") < 10


def test_trailers_for_a_client_that_takes_them(server):
    answer = server.raw("GET /trailers HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n")
    assert answer.endswith(b"4\r\ndata\r\n0\r\nx-one: 1\r\nx-two: 2\r\n\r\n")


def test_early_hints_come_first(server):
    answer = server.raw("GET /hints HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 103 ") and b"</a.css>; rel=preload\r\n" in answer and answer.endswith(b"late")


def test_files_are_sent_by_the_server(server):
    source = pathlib.Path(asgi_apps.__file__).read_bytes()
    assert server.get("/file/path").body == source
    assert server.get("/file/copy").body == source[4:14] + b"tail"
