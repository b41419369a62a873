"""Messages and ways of applications that are wrong, or right and unusual; after each the worker is the same and serves on."""

import json

import asgi_odd
import pytest
from support.server import until
from support.websocket import CLOSE, TEXT, connect
from test_websocket_ends import code_of


@pytest.fixture(scope="module", params=[[], ["--no-eager"]], ids=["eager", "tasks"])
def server(serve_module, request):
    server = serve_module("asgi_odd:app", *request.param)
    server.first_workers = server.workers()
    return server


@pytest.fixture(autouse=True)
def same_worker(server):
    yield
    assert server.get("/heard").status == 200
    assert server.workers() == server.first_workers


def fails(server):
    server.expect("Exception in ASGI application|returned without")


def heard(server):
    return json.loads(server.get("/heard").body)


@pytest.mark.parametrize("name", asgi_odd.HTTP)
def test_odd_messages_of_http_get_their_answer(server, name):
    _, status, body = asgi_odd.HTTP[name]
    if status == 500:
        fails(server)
    reply = server.get(f"/{name}")
    assert reply.status == status
    if body is not None:
        assert reply.body == body
    if b"x-odd" in repr(asgi_odd.HTTP[name][0]).lower().encode() and status == 200:
        assert reply.headers["x-odd"] == "1"
    assert "x-evil" not in reply.headers and reply.headers["x-late"] is None


@pytest.mark.parametrize("name", asgi_odd.WEBSOCKET)
def test_odd_messages_of_websockets_get_their_end(server, name):
    _, expected = asgi_odd.WEBSOCKET[name]
    if expected in (500, [1011]) or name.startswith("closes-"):
        fails(server)
    with connect(server, f"/{name}", "Sec-WebSocket-Protocol: one\r\n") as client:
        if not isinstance(expected, list):
            assert client.status == expected
            return
        assert client.status == 101 and "x-evil" not in client.headers and "sec-websocket-extensions" not in client.headers
        got = []
        while not got or got[-1][0] != CLOSE:
            got.append(client.receive())
        assert [code_of(payload) if opcode == CLOSE else payload for opcode, payload in got] == expected


@pytest.mark.parametrize("name, answer", [
    ("raises-behind-its-answer", b"answered"), ("answers-from-another-task", b""), ("is-no-coroutine", b"from a future"), ("cancels-itself", b"survived"),
    ("awaits-twice", b"refused"), ("forgets-to-await", b"ended"), ("goes-on-when-refused", b"end"),
    ("sends-at-once-from-many", b"".join(b"%d" % number * 100_000 for number in range(5))),
])
def test_odd_ways_to_answer_or_to_fail(server, name, answer):
    if name == "raises-behind-its-answer":
        fails(server)
    for _ in range(3):
        reply = server.get(f"/{name}")
        assert (reply.status, reply.body) == (200, answer)


def test_hint_behind_the_start_still_comes_first(server):
    answer = server.raw("GET /hints-behind-its-start HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 103 ") and b"\r\n\r\nHTTP/1.1 200 " in answer and answer.endswith(b"end")


def test_receive_behind_the_answer_is_a_disconnect_each_time(server):
    assert server.get("/receives-behind-its-answer").body == b"answered"
    until(lambda: ["http.disconnect", "http.disconnect"] in heard(server), "the events")


def test_receive_in_two_tasks_gives_each_event_once(server):
    assert server.get("/receives-in-two-tasks").body == b'["http.request"]'
    until(lambda: ["http.disconnect", "http.request"] in heard(server), "the events")


def test_messages_go_to_whichever_task_receives(server):
    with connect(server, "/receives-at-once") as client:
        for number in range(4):
            client.send(TEXT, b"%d" % number)
        assert json.loads(client.receive()[1]) == ["0", "1", "2", "3"]


def test_close_behind_a_message_that_waits_comes_behind_it(server):
    with connect(server, "/large-before-the-end") as client:
        _, payload = client.receive()
        assert len(payload) == 20_000_000
        opcode, payload = client.receive()
        assert (opcode, code_of(payload)) == (CLOSE, 4002)
