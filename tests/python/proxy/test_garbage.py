"""Fields of proxies that are damaged, doubled, huge or forged: answered, and never another client than a trusted proxy named."""

import json

import pytest

APP = "dropin_app:app"


@pytest.fixture(scope="module")
def applying(serve_module):
    return serve_module(APP, "--proxy-headers", "--limit-request-field-size", "65536")


def ask(server, *lines):
    head = "".join(line + "\r\n" for line in lines)
    reply = server.raw(f"GET /a HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{head}\r\n")
    status, body = int(reply[9:12]), reply.partition(b"\r\n\r\n")[2]
    return status, json.loads(body) if status == 200 else None


# What is no address says nothing: the peer stays.
@pytest.mark.parametrize("value", [
    "", ",", ", ,", "unknown", "_hidden", "999.1.1.1", "1.2.3", "1.2.3.4.5", "::g", "[::1", "::1]", '"1.2.3.4', "a" * 20000, "1.2.3.4;DROP",
    "127.0.0.1 x", "\xff\xfe", "%31.2.3.4", "0x7f.1", "2130706433", "<script>", "1.2.3.4/8",
])
def test_no_address_in_forwarded_for(applying, value):
    status, seen = ask(applying, f"X-Forwarded-For: {value}")
    assert status == 200
    assert seen["REMOTE_ADDR"] == "127.0.0.1"


@pytest.mark.parametrize(("lines", "client"), [
    (["X-Forwarded-For: 203.0.113.1"], "203.0.113.1"),
    (["X-Forwarded-For:   203.0.113.1  "], "203.0.113.1"),
    (["X-Forwarded-For: junk, 203.0.113.1"], "203.0.113.1"),
    (["X-Forwarded-For: 203.0.113.1:4711"], "203.0.113.1"),
    (["X-Forwarded-For: 203.0.113.1:x"], "203.0.113.1"),  # a damaged port costs the port only
    (["X-Forwarded-For: [2001:db8::1]:4711"], "2001:db8::1"),
    (["X-Forwarded-For: 2001:db8::1"], "2001:db8::1"),
    (["X-Forwarded-For: " + "10.0.0.1, " * 4000 + "203.0.113.9"], "203.0.113.9"),
    (["X-Forwarded-For: 198.51.100.7", "X-Forwarded-For: 203.0.113.1"], "203.0.113.1"),
    (['Forwarded: for="203.0.113.1"'], "203.0.113.1"),
    (['Forwarded: FOR=203.0.113.1;Proto=https;BY=10.0.0.1'], "203.0.113.1"),
    (['Forwarded: for=198.51.100.7, for="203.0.113.1:80";host="a,b;c"'], "203.0.113.1"),
    (['Forwarded: for="[2001:db8::1]"'], "2001:db8::1"),
])
def test_who_the_client_is(applying, lines, client):
    status, seen = ask(applying, *lines)
    assert (status, seen["REMOTE_ADDR"]) == (200, client)


@pytest.mark.parametrize("value", ['for="203.0.113.1', "for=", "for", "=203.0.113.1", "for=unknown", "for=_x", ";;;", ",,,", 'for="[2001:db8::1"', 'for="\\"', "f" * 30000, 'for="203.0.113.1"x', "\xff=\xff"])
def test_damaged_forwarded_says_nothing(applying, value):
    status, seen = ask(applying, f"Forwarded: {value}")
    assert status in (200, 400)
    assert status == 400 or (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("127.0.0.1", "http")


@pytest.mark.parametrize("line", ["X-Forwarded-Proto: javascript", "X-Forwarded-Proto: https, http", "X-Forwarded-Port: 99999", "X-Forwarded-Port: -1", "X-Forwarded-Port: x", "X-Forwarded-Port: 80 80",
                                  "X-Forwarded-Host: a b", "X-Forwarded-Host: <x>", "X-Forwarded-Host: ", "X-Forwarded-Proto: "])
def test_nonsense_in_the_others(applying, line):
    status, seen = ask(applying, line)
    assert status in (200, 400)
    if status == 200:
        assert seen["wsgi.url_scheme"] in ("http", "https")
        assert seen["SERVER_PORT"].isdigit() and int(seen["SERVER_PORT"]) < 65536
        assert " " not in seen["SERVER_NAME"] and "<" not in seen["SERVER_NAME"]


V2 = b"\r\n\r\n\0\r\nQUIT\n"
DAMAGED = [
    b"PROXY", b"PROXY \r\n", b"PROXY TCP4 1.2.3.4\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n", b"PROXY TCP4 999.2.3.4 5.6.7.8 1 2\r\n", b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n", b"PROXY " + b"x" * 200 + b"\r\n", b"PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
    V2, V2[:7], V2 + b"\x31\x11\0\x0c" + b"\0" * 12, V2 + b"\x21\x11\0\x03" + b"\0" * 3, V2 + b"\x21\x21\0\x0c" + b"\0" * 12, V2 + b"\x2f\x11\0\x0c" + b"\0" * 12, V2 + b"\x21\x11\xff\xff",
]


@pytest.mark.parametrize("mode", ["v1", "v2", "auto"])
def test_damaged_proxy_protocol_reaches_no_application(serve, mode):
    server = serve(APP, "--proxy-protocol", mode, ready=None)
    server.logged("Serving with")
    for start in DAMAGED:
        with server.connect() as client:
            client.sendall(start + b"GET /reached HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            client.shutdown(1)
            reply = b""
            try:
                while piece := client.recv(65536):
                    reply += piece
            except ConnectionResetError:
                pass
        assert b" 200 OK" not in reply, start
    good = b"PROXY TCP4 203.0.113.1 10.0.0.1 4711 80\r\n" if mode != "v2" else V2 + b"\x21\x11\0\x0c" + bytes([203, 0, 113, 1, 10, 0, 0, 1]) + b"\x12\x67\0\x50"
    reply = server.raw(good + b"GET /reached HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["REMOTE_ADDR"] == "203.0.113.1"
