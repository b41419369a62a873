"""Applications that still read the request's body when their reply has ended."""

import pytest
from support.wire import PROBE, converse, parse


@pytest.mark.parametrize("method", ["HEAD", "POST"])
@pytest.mark.parametrize("size", [10, 400_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_read_behind_the_reply_costs_no_worker(serve, method, size, chunked):
    """What is here is read; the rest breaks off with an OSError, and neither takes the worker along."""
    server = serve("wire_app:app", "--no-request-buffering")
    workers = server.workers()
    framing, body = b"Content-Length: %d" % size, bytes(size)
    if chunked:
        framing, body = b"Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (size, body)
    message = b"%s /late HTTP/1.1\r\nHost: example\r\n%s\r\n\r\n%s" % (method.encode(), framing, body)
    answers = parse(converse(server, [message, PROBE]), (0,) if method == "HEAD" else ())
    assert answers[0].status == 200 and answers[0].body == (b"" if method == "HEAD" else b"late")
    assert server.get("/").status == 200
    assert server.workers() == workers
