"""Raw HTTP/1.1 for tests: bytes sent as they are, in pieces of the test's choosing, and answers read without any leniency."""

import collections
import contextlib
import socket

Answer = collections.namedtuple("Answer", "status fields body complete")

# What a server may log about clients that ask for what it does not do; its first lines match too, as a test may ask for nothing such.
REFUSALS = r"Listening at|\[ERROR\] Error handling request|more requests that failed"

PROBE = b"GET /path/probe HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n"


def whole(message):
    return [message]


def single_bytes(message):
    return [message[i : i + 1] for i in range(len(message))]


def random_pieces(message, random):
    cuts = sorted(random.sample(range(1, len(message)), min(len(message) - 1, random.randint(1, 6))))
    return [message[start:end] for start, end in zip([0, *cuts], [*cuts, len(message)])]


def send(client, pieces):
    """All pieces, each in a segment of its own; a server that has closed takes no more, which is for the answers to tell."""
    with contextlib.suppress(OSError):
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)


def read_to_end(client):
    pieces = []
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


def converse(server, pieces):
    """Everything that the server says to these pieces until it closes."""
    with contextlib.closing(server.connect()) as client:
        send(client, pieces)
        return read_to_end(client)


def _chunked(data):
    body = b""
    while True:
        size, separator, rest = data.partition(b"\r\n")
        if not separator:
            return body, b"", False
        size = int(size, 16)
        if size == 0:
            assert rest.startswith(b"\r\n"), rest[:80]
            return body, rest[2:], True
        if len(rest) < size + 2:
            return body + rest[:size], b"", False
        assert rest[size : size + 2] == b"\r\n", rest[:80]
        body, data = body + rest[:size], rest[size + 2 :]


def parse(data, head_requests=()):
    """The answers in a stream of bytes; head_requests are the places of final answers to HEAD."""
    answers, finals = [], 0
    while data:
        head, separator, rest = data.partition(b"\r\n\r\n")
        assert separator, f"a cut head: {data[:200]!r}"
        line, *lines = head.split(b"\r\n")
        version, status, _ = line.split(b" ", 2)
        assert version == b"HTTP/1.1" and len(status) == 3, line
        fields = collections.defaultdict(list)
        for field in lines:
            name, separator, value = field.partition(b": ")
            assert separator and name == name.strip() and b"\n" not in field and b"\r" not in field, field
            fields[name.decode().lower()].append(value.decode("latin-1"))
        status, complete, body = int(status), True, b""
        length, coding = fields.get("content-length"), fields.get("transfer-encoding")
        assert not (length and coding) and len(length or "") < 2, head
        bodiless = status < 200 or status in (204, 304) or finals in head_requests
        if status >= 200:
            finals += 1
        if bodiless:
            pass
        elif coding:
            body, rest, complete = _chunked(rest)
        elif length:
            body, rest = rest[: int(length[0])], rest[int(length[0]) :]
            complete = len(body) == int(length[0])
        else:
            body, rest = rest, b""
        answers.append(Answer(status, fields, body, complete))
        data = rest
    return answers
