"""The same requests to prefork, gunicorn and waitress: their environs are compared key by key, and every difference is one of this table."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from support.server import APPS, free_port, until

# What differs in every request, and why.
ALWAYS = {
    "REMOTE_PORT": "each connection has its own",
    "SERVER_PORT": "each server has its own",
    "SERVER_SOFTWARE": "each server has its own name",
    "prefork.client_disconnected": "ours",
    "prefork.queue_time": "ours",
    "prefork.request_id": "ours",
    "prefork.worker": "ours",
    "wsgi.early_hints": "an object of each server",
    "wsgi.errors": "an object of each server",
    "wsgi.file_wrapper": "an object of each server",
    "wsgi.input": "an object of each server",
}
PEERS = {
    "gunicorn": {
        **ALWAYS,
        "REQUEST_URI": "what uWSGI and Apache call RAW_URI; gunicorn has RAW_URI alone, prefork both",
        "gunicorn.socket": "only a WebSocket handshake has one: the connection is the master's",
    },
    "waitress": {
        **ALWAYS,
        "RAW_URI": "gunicorn's name for REQUEST_URI; waitress has REQUEST_URI alone, prefork both",
        "REMOTE_HOST": "waitress repeats the address there; RFC 3875 wants a name or nothing",
        "SERVER_NAME": "waitress has a name of its own, gunicorn and prefork the address of the socket",
        "wsgi.multithread": "waitress serves with threads unless told otherwise",
        "waitress.client_disconnected": "waitress's own",
    },
}
CLOSE = b"Connection: close\r\n\r\n"
# Name: (request, {key or (peer, key): why it differs}).
REQUESTS = {
    "plain": (b"GET /environ?a=b HTTP/1.1\r\nHost: h:80\r\nAccept: */*\r\n" + CLOSE, {}),
    "http-1.0": (b"GET /environ HTTP/1.0\r\n\r\n", {}),
    "http-1.0-host": (b"GET /environ HTTP/1.0\r\nHost: example.com\r\n\r\n", {}),
    "post": (b"POST /environ HTTP/1.1\r\nHost: h:1\r\nContent-Type: text/x\r\nContent-Length: 3\r\n" + CLOSE + b"abc", {}),
    "empty-type": (b"POST /environ HTTP/1.1\r\nHost: h\r\nContent-Type:\r\nContent-Length: 0\r\n" + CLOSE, {}),
    "chunked": (b"POST /environ HTTP/1.1\r\nHost: h:1\r\nTransfer-Encoding: chunked\r\n" + CLOSE + b"3\r\nabc\r\n0\r\n\r\n", {
        ("waitress", "CONTENT_LENGTH"): "waitress collects every body; here one may arrive while the application runs (--dechunk-content-length collects it)",
        ("waitress", "HTTP_TRANSFER_ENCODING"): "taken away by waitress, which has collected the body",
    }),
    "escapes": (b"GET /environ/%C3%A9/%2F/%00/a;x=1//y/%zz%4?q=%20&&+ HTTP/1.1\r\nHost: h\r\n" + CLOSE, {}),
    "empty-query": (b"GET /environ? HTTP/1.1\r\nHost: h\r\n" + CLOSE, {}),
    "dots": (b"GET /environ/../environ/./x HTTP/1.1\r\nHost: h\r\n" + CLOSE, {}),
    "absolute": (b"GET http://other:99/environ/p?q HTTP/1.1\r\nHost: h\r\n" + CLOSE, {
        "HTTP_HOST": "RFC 9112 3.2.2: the authority of the target replaces the Host field",
    }),
    "repeated": (b"GET /environ HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-A: 2\r\nCookie: a=1\r\nCookie: b=2\r\nAccept: x\r\nAccept: y\r\n" + CLOSE, {
        "HTTP_COOKIE": "RFC 6265 separates cookies by semicolons: a comma would make one cookie of two",
        ("waitress", "HTTP_ACCEPT"): "a space after the comma",
        ("waitress", "HTTP_X_A"): "a space after the comma",
    }),
    "names": (b"GET /environ HTTP/1.1\r\nHost: h\r\nX_A: 1\r\nProxy: p\r\nX-Empty:\r\nX-Spaces:   v  \r\nX-Latin: caf\xe9\r\n" + CLOSE, {
        "HTTP_PROXY": "programs take HTTP_PROXY for the proxy that they are to use (httpoxy)",
    }),
    "forwarded": (b"GET /environ HTTP/1.1\r\nHost: h\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 9.9.9.9\r\n" + CLOSE, {
        ("waitress", "HTTP_X_FORWARDED_FOR"): "waitress trusts no proxy until it is told to; gunicorn and prefork trust one on this machine",
        ("waitress", "HTTP_X_FORWARDED_PROTO"): "likewise", ("waitress", "wsgi.url_scheme"): "likewise",
    }),
    "connection": (b"GET /environ HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n", {}),
    "options": (b"OPTIONS /environ HTTP/1.1\r\nHost: h\r\n" + CLOSE, {}),
    "long": (b"GET /environ/" + b"p" * 2000 + b"?" + b"q" * 1500 + b" HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X-%d: %d\r\n" % (i, i) for i in range(50)) + CLOSE, {}),
}


def exchange(port, request):
    """The environ that the application saw."""
    with socket.create_connection(("127.0.0.1", port), 60) as client:
        client.sendall(request)
        reply = http.client.HTTPResponse(client)
        reply.begin()  # not all of them close a connection when they are asked to
        assert reply.status == 200
        return json.loads(reply.read())


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module", params=PEERS)
def peer(request, tmp_path_factory):
    """(name, port) of another server with the same application."""
    pytest.importorskip(request.param)
    folder, port = tmp_path_factory.mktemp(request.param), free_port()
    command = {"gunicorn": ["gunicorn", "-b", f"127.0.0.1:{port}", "--no-control-socket"], "waitress": ["waitress", f"--listen=127.0.0.1:{port}"]}[request.param]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(APPS), os.environ.get("PYTHONPATH", "")]), "PREFORK_TEST": str(folder)}
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([sys.executable, "-m", *command, "wsgi_apps:app"], cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        until(lambda: listens(port) or process.poll() is not None, "an open port")
        assert process.poll() is None, (folder / "log").read_text()
        yield request.param, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.mark.parametrize("name", REQUESTS)
def test_environs_differ_only_where_it_is_meant(server, peer, name):
    request, own = REQUESTS[name]
    theirs_name, port = peer
    known = {**PEERS[theirs_name], **{key: why for key, why in own.items() if isinstance(key, str)}, **{key[1]: why for key, why in own.items() if key[0] == theirs_name}}
    ours, theirs = exchange(server.port, request), exchange(port, request)
    different = {key: (ours.get(key), theirs.get(key)) for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    assert not {key: pair for key, pair in different.items() if key not in known}
    # What the table says of this request alone must be so, or it is out of date.
    assert not {key for key in own if (key if isinstance(key, str) else key[0] == theirs_name and key[1]) not in {*different, False}}
