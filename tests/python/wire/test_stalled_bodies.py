"""A request whose body stops coming: the application may answer without it, and nobody waits for the rest."""

import pytest
from support.wire import parse, read_to_end

REQUEST = b"POST %s HTTP/1.1\r\nHost: example\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("wire_app:app")


@pytest.mark.parametrize("arrived", [5, 300_000])
def test_an_application_that_ignores_the_body_is_heard(server, arrived):
    """RFC 9112 9.3, 9.6: the answer arrives, and no byte behind it is taken for a request."""
    with server.connect() as client:
        client.sendall(REQUEST % (b"/", 1_000_000) + bytes(arrived))
        (answer,) = parse(read_to_end(client))
    assert answer.status == 200 and answer.fields["connection"] == ["close"]


@pytest.mark.parametrize("arrived", [5, 300_000])
def test_an_application_that_reads_it_does_not_wait_and_the_client_learns_why(server, arrived):
    """RFC 9110 15.5.9."""
    with server.connect() as client:
        client.sendall(REQUEST % (b"/count", 1_000_000) + bytes(arrived))
        (answer,) = parse(read_to_end(client))
    assert answer.status == 408 and answer.fields["connection"] == ["close"]


def test_a_chunked_body_that_stops_is_no_different(server):
    with server.connect() as client:
        client.sendall(b"POST /count HTTP/1.1\r\nHost: example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123")
        (answer,) = parse(read_to_end(client))
    assert answer.status == 408


def test_what_comes_too_late_is_dropped(server):
    """The rest of the body, with a request behind it, after the answer has been given up on."""
    with server.connect() as client:
        client.sendall(REQUEST % (b"/", 100_000) + bytes(5))
        data = client.recv(1 << 16)
        client.sendall(bytes(100_000 - 5) + b"GET /path/smuggled HTTP/1.1\r\nHost: example\r\n\r\n")
        data += read_to_end(client)
    assert b"smuggled" not in data
    assert [answer.status for answer in parse(data)] == [200]


def test_the_only_worker_serves_others_meanwhile(server):
    with server.connect() as slow:
        slow.sendall(REQUEST % (b"/count", 1_000_000) + bytes(5))
        statuses = {server.get("/").status for _ in range(50)}
        assert parse(read_to_end(slow))[0].status == 408
    assert statuses == {200}
