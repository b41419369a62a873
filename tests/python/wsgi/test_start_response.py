"""start_response, write and the rules for headers (PEP 3333, "The start_response() Callable")."""

import pytest
from support.server import until
from wsgi_apps import HEADERS, STATUSES

REFUSED = r"\[ERROR\] Error handling request GET /(?:bad_|hints).*(?:TypeError|ValueError): (?:start_response: |wsgi\.early_hints: |the headers are larger than )"


def test_may_be_called_at_the_first_iteration(server):
    reply = server.get("/late")
    assert (reply.status, reply.reason, reply.headers["X-Late"], reply.body) == (203, "Late", "yes", b"late")


def test_a_second_call_without_exc_info_is_an_assertion(server):
    assert server.get("/twice").body == b"AssertionError"


@pytest.mark.parametrize("when", ["before", "after-write"])
def test_exc_info_replaces_what_was_not_sent(server, when):
    reply = server.get(f"/replaced/{when}")
    assert (reply.status, reply.headers["X-First"], reply.headers["X-Second"], reply.body) == (503, None, "1", b"replaced")


def test_exc_info_after_the_head_raises_the_error_again(serve, token):
    server = serve("wsgi_apps:app")
    server.expect(r"\[ERROR\] Error handling request GET /too_late.*ValueError: deliberate")
    answer = server.raw(f"GET /too_late/{token} HTTP/1.1\r\nHost: h\r\n\r\n")
    assert b"sent" in answer and not answer.endswith(b"0\r\n\r\n")
    assert (server.folder / f"note-{token}").read_text() == "True\n"


@pytest.fixture(scope="module")
def refusing(serve_module):
    server = serve_module("wsgi_apps:app")
    server.expect(REFUSED)
    return server


@pytest.mark.parametrize("kind", HEADERS)
def test_refuses_headers_that_cannot_be_sent(refusing, kind):
    reply = refusing.get(f"/bad_headers/{kind}")
    assert reply.status == 500 and "X-A" not in reply.headers and "X-B" not in reply.headers


@pytest.mark.parametrize("kind", STATUSES)
def test_refuses_what_is_no_final_status(refusing, kind):
    reply = refusing.get(f"/bad_status/{kind}")
    assert reply.status == 500 and "X-B" not in reply.headers


@pytest.mark.parametrize("kind", ["lines", "control", "name", "bytes", "name-long", "huge", "many"])
def test_refuses_hints_that_are_no_headers(refusing, kind):
    assert refusing.get(f"/hints/{kind}").status == 500


def test_drops_fields_of_the_connection(server):
    reply = server.get("/hop_by_hop")
    assert reply.body == b"hop body"
    assert "X-A" not in (reply.headers["Connection"] or "") and not {"Keep-Alive", "TE", "Upgrade", "Trailer"} & set(reply.headers)


def test_honours_connection_close(server):
    reply = server.get("/close")
    assert reply.headers["Connection"].lower() == "close" and reply.body == b"last"


def test_keeps_fields_and_their_order(server):
    headers = server.get("/fields").headers
    assert headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert (headers["X-Between"], headers["X-Latin"]) == ("", "caf\xe9")
    assert len(headers.get_all("Date")) == 1 and len(headers.get_all("Server")) == 1


def test_sends_many_fields(server):
    assert server.raw("GET /many_fields HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").count(b"\r\nX-") == 200


def test_sends_large_heads(server):
    """Larger than a record: they cross in pieces."""
    assert len(server.raw("GET /large_head/900000 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")) > 900_000


def test_write_comes_before_the_iterable(server):
    assert server.get("/write").body == b"one two three"


def test_write_takes_bytes_only(server):
    assert server.get("/write_text").body == b"TypeError"


@pytest.mark.parametrize("kind", ["link", "framing"])
def test_sends_early_hints(server, kind):
    hints, _, answer = server.raw(f"GET /hints/{kind} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").partition(b"\r\n\r\n")
    assert hints.splitlines() == [b"HTTP/1.1 103 Early Hints", b"Link: </style.css>; rel=preload; as=style"]
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"hinted")
    assert server.raw("GET /hints HTTP/1.0\r\nHost: h\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_nothing_is_sent_before_the_first_byte_of_the_body(server, token, notes, go):
    with server.connect() as client:
        client.sendall(f"GET /silent/{token} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        until(notes)
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)
        client.settimeout(60)
        go()
        assert b"now" in b"".join(iter(lambda: client.recv(1000), b""))
