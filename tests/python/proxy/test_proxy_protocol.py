"""The PROXY protocol in front of requests."""

import json
import re
import socket
import struct

import pytest

APP = "dropin_app:app"
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
V1 = b"PROXY TCP4 192.0.2.7 203.0.113.1 4711 443\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x21, 0x11]) + struct.pack("!H", 12) + socket.inet_aton("192.0.2.8") + socket.inet_aton("203.0.113.1") + struct.pack("!HH", 4712, 443)


def seen(server, data):
    reply = server.raw(data)
    assert reply.startswith(b"HTTP/1.1 200"), reply
    return json.loads(reply.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(("header", "client"), [(V1, ("192.0.2.7", "4711")), (V2, ("192.0.2.8", "4712")), (b"", None)])
def test_client_of_the_header_is_the_applications(serve, header, client):
    server = serve(APP, "--proxy-protocol")
    environ = seen(server, header + REQUEST)
    if client:
        assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == client
    else:
        assert environ["REMOTE_ADDR"] == "127.0.0.1"


def test_header_in_single_bytes(serve):
    server = serve(APP, "--proxy-protocol", "v1")
    with server.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in V1:
            client.sendall(bytes([byte]))
        client.sendall(REQUEST)
        reply = b"".join(iter(lambda: client.recv(65536), b""))
    assert b'"REMOTE_ADDR": "192.0.2.7"' in reply


def test_peers_that_may_not_speak_are_refused(serve):
    server = serve(APP, "--proxy-protocol", "auto", "--proxy-allow-from", "192.0.2.1")
    assert server.raw(V1 + REQUEST).startswith(b"HTTP/1.1 403")
    assert server.raw(REQUEST).startswith(b"HTTP/1.1 200")


def test_malformed_header_is_refused(serve):
    server = serve(APP, "--proxy-protocol", "v1")
    assert server.raw(b"PROXY TCP4 nobody 203.0.113.1 4711 443\r\n" + REQUEST).startswith(b"HTTP/1.1 400")


def test_off_means_that_it_is_no_request(serve):
    assert re.match(rb"HTTP/1\.[01] (400|501)", serve(APP).raw(V1 + REQUEST))
