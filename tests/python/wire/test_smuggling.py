"""Behind every message whose end two readers could see in different places stands a request, the canary. It is neither answered nor
passed on to the application: whoever refuses a message reads nothing behind it as a request (RFC 9112 11.2).
"""

import itertools
import random

import pytest
from support.wire import converse, parse, random_pieces, single_bytes, whole

NUMBERS = itertools.count()


def post(*lines, body=b"", version=b"HTTP/1.1"):
    return b"\r\n".join([b"POST /count " + version, b"Host: example", *lines, b"", body])


# Name: everything up to the canary. Where it is cut, the canary would be the next request for one reader and body for another.
AMBIGUOUS = {
    "CL.TE": post(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "TE.CL": post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"0\r\n\r\n"),
    "CL.TE with a length of zero": post(b"Content-Length: 0", b"Transfer-Encoding: chunked"),
    "CL.CL": post(b"Content-Length: 0", b"Content-Length: 500"),
    "CL.CL the other way round": post(b"Content-Length: 500", b"Content-Length: 0"),
    "CL.CL alike": post(b"Content-Length: 0", b"Content-Length: 0"),
    "list of lengths": post(b"Content-Length: 0, 500"),
    "list of lengths alike": post(b"Content-Length: 0, 0"),
    "length with a plus": post(b"Content-Length: +0"),
    "length with a minus": post(b"Content-Length: -0"),
    "length in base 16": post(b"Content-Length: 0x0"),
    "length with a blank inside": post(b"Content-Length: 0 0"),
    "length with a letter": post(b"Content-Length: 0a"),
    "empty length": post(b"Content-Length:"),
    "length past 64 bits": post(b"Content-Length: 18446744073709551616"),
    "length with a vertical tab": post(b"Content-Length: \x0b0"),
    "length with a NUL": post(b"Content-Length: 0\x00"),
    "length with a no-break blank": post(b"Content-Length: \xa00"),
    "length folded": post(b"Content-Length:", b" 0"),
    "length, blank before the colon": post(b"Content-Length : 500", b"Content-Length: 0"),
    "length behind a bare CR": post(b"X: 1\rContent-Length: 500"),
    "length behind a bare LF": post(b"X: 1\nContent-Length: 500"),
    "length behind a NUL": post(b"X: 1\x00Content-Length: 500"),
    "coding behind a bare CR": post(b"X: 1\rTransfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "coding behind a bare LF": post(b"X: 1\nTransfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "coding on HTTP/1.0": post(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n", version=b"HTTP/1.0"),
    "coding on HTTP/1.0 with keep-alive": post(b"Connection: keep-alive", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n", version=b"HTTP/1.0"),
    "coding twice": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "coding twice, chunked last": post(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunked not last": post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "chunked twice in a list": post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
    "unknown coding": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "unknown coding and a length": post(b"Transfer-Encoding: xchunked", b"Content-Length: 5", body=b"0\r\n\r\n"),
    "coding with a parameter": post(b"Transfer-Encoding: chunked;a=b", body=b"0\r\n\r\n"),
    "coding in quotes": post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"),
    "coding in apostrophes": post(b"Transfer-Encoding: 'chunked'", body=b"0\r\n\r\n"),
    "coding with a vertical tab": post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "coding with a form feed": post(b"Transfer-Encoding: chunked\x0c", body=b"0\r\n\r\n"),
    "coding folded": post(b"Transfer-Encoding:", b" chunked", body=b"0\r\n\r\n"),
    "coding, blank before the colon": post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
    "coding, tab before the colon": post(b"Transfer-Encoding\t: chunked", body=b"0\r\n\r\n"),
    "coding, NUL in the name": post(b"Transfer-Encoding\x00: chunked", body=b"0\r\n\r\n"),
    "coding, blank before the name": post(b"X: 1", b" Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "empty coding": post(b"Transfer-Encoding:", b"Content-Length: 0"),
    "only commas as coding": post(b"Transfer-Encoding: ,", b"Content-Length: 0"),
    "chunk size with 0x": post(b"Transfer-Encoding: chunked", body=b"0x0\r\n\r\n"),
    "chunk size with a minus": post(b"Transfer-Encoding: chunked", body=b"-0\r\n\r\n"),
    "chunk size with a plus": post(b"Transfer-Encoding: chunked", body=b"+0\r\n\r\n"),
    "chunk size that overflows to zero": post(b"Transfer-Encoding: chunked", body=b"10000000000000000\r\n\r\n"),
    "chunk size ends with LF": post(b"Transfer-Encoding: chunked", body=b"0\n\r\n"),
    "chunk size ends with CR": post(b"Transfer-Encoding: chunked", body=b"0\r\r\n"),
    "chunk data ends with LF": post(b"Transfer-Encoding: chunked", body=b"1\r\na\n0\r\n\r\n"),
    "chunk data ends with two other bytes": post(b"Transfer-Encoding: chunked", body=b"1\r\naXX0\r\n\r\n"),
    "LF in a chunk extension": post(b"Transfer-Encoding: chunked", body=b"0;a\nb\r\n\r\n"),
    "CR in a chunk extension": post(b"Transfer-Encoding: chunked", body=b"0;a\rb\r\n\r\n"),
    "last chunk's end with LF": post(b"Transfer-Encoding: chunked", body=b"0\r\n\n"),
    "trailer without a colon": post(b"Transfer-Encoding: chunked", body=b"0\r\nX\r\n\r\n"),
    "trailer folded": post(b"Transfer-Encoding: chunked", body=b"0\r\nX: 1\r\n 2\r\n\r\n"),
    "head ends with LF LF": b"POST /count HTTP/1.1\r\nHost: example\r\nContent-Length: 0\n\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "request line of HTTP/0.9": b"GET /\r\n",
    "blank in the target": b"GET /a b HTTP/1.1\r\nHost: example\r\n\r\n",
    "version in the target": b"GET / HTTP/1.1 HTTP/1.1\r\nHost: example\r\n\r\n",
    "CR in the target": b"GET /a\rb HTTP/1.1\r\nHost: example\r\n\r\n",
    "upgrade with a length that lies": post(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 0", b"Transfer-Encoding: chunked"),
    "CONNECT": b"CONNECT example:80 HTTP/1.1\r\nHost: example:80\r\n\r\n",
    "the HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "expectation that is not met": post(b"Expect: other", b"Content-Length: 0"),
    "a request after Connection: close": b"GET / HTTP/1.1\r\nHost: example\r\nConnection: close\r\n\r\n",
    "a request after HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
}


def passed_on(server):
    """What the application has seen; a request of our own is seen after everything that was sent before it."""
    server.get("/path/mark")
    journal = server.folder / "journal"
    return journal.read_text() if journal.exists() else ""


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_canary_is_neither_answered_nor_passed_on(server, name):
    dice = random.Random(name)
    numbers = []
    for cut in (whole, single_bytes, lambda message: random_pieces(message, dice)):
        numbers.append(b"%d" % next(NUMBERS))
        message = AMBIGUOUS[name] + b"GET /path/canary-" + numbers[-1] + b". HTTP/1.1\r\nHost: canary\r\nConnection: close\r\n\r\n"
        data = converse(server, cut(message))
        assert b"canary-" not in data
        answers = parse(data)
        assert len(answers) == 1 and answers[0].fields["connection"] == ["close"], data
        assert answers[0].status >= 400 or name.startswith("a request after"), data
    seen = passed_on(server)
    assert not any(f"canary-{number.decode()}." in seen for number in numbers)


def test_canary_behind_a_plain_message_is_answered_and_passed_on(server):
    """The tests above can fail: the same canary sings behind a message that is not ambiguous."""
    data = converse(server, [post(b"Content-Length: 0") + b"GET /path/canary-alive. HTTP/1.1\r\nHost: canary\r\nConnection: close\r\n\r\n"])
    assert [answer.body for answer in parse(data)] == [b"0", b"/path/canary-alive."]
    seen = passed_on(server)
    assert not seen or "GET /path/canary-alive." in seen


@pytest.mark.parametrize("length", [b"Content-Length: 52", b"Transfer-Encoding: chunked"])
def test_canary_inside_a_body_stays_body(server, length):
    canary = b"GET /path/canary-inside. HTTP/1.1\r\nHost: canary\r\n\r\n "
    body = canary if length.startswith(b"Content") else b"%x\r\n%s\r\n0\r\n\r\n" % (len(canary), canary)
    data = converse(server, [post(length, b"Connection: close", body=body)])
    assert [answer.body for answer in parse(data)] == [b"%d" % len(canary)]
    assert "canary-inside." not in passed_on(server)
