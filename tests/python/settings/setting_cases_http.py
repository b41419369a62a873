"""HTTP and proxies: an effect for each setting."""

import json
import socket

from setting_cases import case, master_files, seen
from support.server import until

HEAD = "GET / HTTP/1.1\r\nHost: a\r\n"


def ended(client):
    """Whether the server has closed; what came before is thrown away."""
    client.settimeout(60)
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


@case("keepalive")
def keepalive(walk):
    with walk.wsgi("--keep-alive", "200ms").connect() as client:
        client.sendall((HEAD + "\r\n").encode())
        assert ended(client)
    assert b"connection: close" in walk.wsgi("--keep-alive", "0").raw(HEAD + "\r\n").lower()


@case("header_timeout")
def header_timeout(walk):
    with walk.wsgi("--header-timeout", "300ms").connect() as client:
        client.sendall(HEAD.encode())
        assert ended(client)


@case("body_min_rate")
def body_min_rate(walk):
    with walk.wsgi("--body-min-rate", "1M").connect() as client:
        client.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n123")
        assert ended(client)


@case("send_timeout")
def send_timeout(walk):
    server = walk.wsgi("--send-timeout", "300ms")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        before = len(master_files(server))
        client.sendall(b"GET /big/60000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        client.recv(1)
        until(lambda: len([name for name in master_files(server) if name.startswith("socket")]) < before and server_forgot(server), "the end of a connection that takes nothing")


def server_forgot(server):
    return len([name for name in master_files(server) if name.startswith("socket")]) <= server.sockets_at_start


def refusal(name, arguments, request, status):
    @case(name)
    def check(walk):
        assert walk.wsgi(*arguments).raw(request).startswith(b"HTTP/1.1 %d" % status)


refusal("limit_request_line", ["--limit-request-line", "30"], "GET /" + "x" * 40 + " HTTP/1.1\r\nHost: a\r\n\r\n", 414)
refusal("limit_request_fields", ["--limit-request-fields", "2"], HEAD + "A: 1\r\nB: 2\r\n\r\n", 431)
refusal("limit_request_field_size", ["--limit-request-field_size", "30"], HEAD + "A: " + "x" * 40 + "\r\n\r\n", 431)
refusal("limit_request_head", ["--limit-request-head", "1024"], HEAD + "".join("A: " + "x" * 4000 + "\r\n" for _ in range(5)) + "\r\n", 431)
refusal("limit_request_body", ["--limit-request-body", "5"], "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n123456", 413)


@case("request_buffering")
def request_buffering(walk):
    server = walk.wsgi("--no-request-buffering")
    mark = walk.path / "started"
    with server.connect() as client:
        client.sendall(f"POST /started/{str(mark).replace('/', '|')} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1".encode())
        until(mark.exists, "the application's start before the body's end")
        client.sendall(b"2")
        assert client.recv(100).startswith(b"HTTP/1.1 200")


def upload(server, size):
    client = server.connect()
    client.sendall(f"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: {size + 1}\r\n\r\n".encode() + b"x" * size)
    return client


def spools(server, folder):
    return [name for name in master_files(server) if name.startswith(str(folder)) and name.endswith("(deleted)")]


@case("request_buffer", "tmp_upload_dir")
def request_buffer(walk):
    server = walk.configured(f"tmp_upload_dir = {str(walk.path)!r}\nrequest_buffer = '64K'\n")
    with upload(server, 200_000) as client:
        until(lambda: spools(server, walk.path), "a temporary file")
        client.sendall(b"x")
        assert client.recv(100).startswith(b"HTTP/1.1 200")


@case("request_spool_total")
def request_spool_total(walk):
    server = walk.wsgi("--request-buffer", "64K", "--request-spool-total", "1", "--tmp-upload-dir", walk.path, "--metrics-path", "/metrics", "--threads", "2")
    with upload(server, 300_000) as client:
        until(lambda: b"prefork_requests_in_flight 1" in server.get("/metrics").body, "the worker's start before the body's end")
        client.sendall(b"x")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert spools(server, walk.path) == []


def slow_reader(server):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", server.port))
    client.sendall(b"GET /big/30000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    return client


def spooled(server):
    text = server.get("/metrics").body.decode()
    return int(next(line for line in text.splitlines() if line.startswith("prefork_spooled_bytes ")).split()[1])


def running(server):
    return b"prefork_requests_in_flight 1" in server.get("/metrics").body


@case("response_buffer", "response_spool")
def response_spool(walk):
    server = walk.wsgi("--response-buffer", "64K", "--response-spool", "100M", "--metrics-path", "/metrics")
    with slow_reader(server):
        until(lambda: spooled(server) > 10_000_000 and not running(server), "a reply in a file and a free worker")
    until(lambda: spooled(server) == 0, "the end of the file")


@case("response_spool_total")
def response_spool_total(walk):
    server = walk.wsgi("--response-buffer", "64K", "--response-spool-total", "1M", "--metrics-path", "/metrics")
    with slow_reader(server) as client:
        client.recv(1)
        until(lambda: running(server), "a worker that waits for its client")
        assert spooled(server) <= 2 << 20


@case("pipeline_depth")
def pipeline_depth(walk):
    server = walk.wsgi("--pipeline-depth", "1", "--metrics-path", "/metrics", "--threads", "4")
    with server.connect() as client:
        client.sendall(b"GET /sleep/0.7 HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        until(lambda: running(server), "the first request alone")
        assert b"prefork_queue_depth 0" in server.get("/metrics").body


@case("permit_obsolete_folding")
def permit_obsolete_folding(walk):
    folded = HEAD + "X-Long: one\r\n two\r\nConnection: close\r\n\r\n"
    assert walk.wsgi().raw(folded).startswith(b"HTTP/1.1 400")
    assert b"one two" in walk.wsgi("--permit-obsolete-folding").raw(folded)


@case("permit_unconventional_http_method")
def permit_unconventional_http_method(walk):
    request = "g3t! / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert walk.wsgi().raw(request).split()[1] == b"501"
    reply = walk.wsgi("--permit-unconventional-http-method").raw(request)
    assert reply.startswith(b"HTTP/1.1 200") and b"g3t!" in reply


@case("permit_unconventional_http_version")
def permit_unconventional_http_version(walk):
    request = "GET / HTTP/3.7\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert walk.wsgi().raw(request).split()[1] == b"505"
    assert walk.wsgi("--permit-unconventional-http-version").raw(request).startswith(b"HTTP/1.1 200")


@case("header_map")
def header_map(walk):
    request = HEAD + "X_User: 1\r\nConnection: close\r\n\r\n"
    assert b"HTTP_X_USER" not in walk.wsgi().raw(request)
    assert walk.wsgi("--header-map", "refuse").raw(request).startswith(b"HTTP/1.1 400")
    assert b"HTTP_X_USER" in walk.wsgi("--header-map", "dangerous").raw(request)


@case("sendfile")
def sendfile(walk):
    """The worker's own reading moves the file's position, sendfile does not."""
    sent, read = walk.wsgi("--sendfile"), walk.wsgi("--no-sendfile")
    assert sent.get("/file").body == read.get("/file").body
    assert sent.get("/tell").body == b"0" and int(read.get("/tell").body) > 0


@case("server_header")
def server_header(walk):
    assert walk.wsgi().get("/").headers["Server"] and "Server" not in walk.wsgi("--no-server-header").get("/").headers


@case("date_header")
def date_header(walk):
    assert walk.wsgi().get("/").headers["Date"] and "Date" not in walk.wsgi("--no-date-header").get("/").headers


@case("header")
def header(walk):
    headers = walk.wsgi("--header", "X-One: 1", "--header", "X-Two:2").get("/").headers
    assert (headers["X-One"], headers["X-Two"]) == ("1", "2")
    headers = walk.wsgi("--header", "server: shop", "--header", "Date: today").get("/").headers
    assert (headers.get_all("Server"), headers.get_all("Date")) == (["shop"], ["today"])


# Behind a proxy
HTTPS = {"X-Forwarded-Proto": "https"}


@case("forwarded_allow_ips")
def forwarded_allow_ips(walk):
    assert seen(walk.wsgi(), headers=HTTPS)["wsgi.url_scheme"] == "https"
    assert seen(walk.wsgi("--forwarded-allow-ips", "192.0.2.0/24"), headers=HTTPS)["wsgi.url_scheme"] == "http"


@case("proxy_headers")
def proxy_headers(walk):
    client = {"X-Forwarded-For": "192.0.2.9"}
    assert seen(walk.wsgi(), headers=client)["REMOTE_ADDR"] == "127.0.0.1"
    assert seen(walk.wsgi("--proxy-headers"), headers=client)["REMOTE_ADDR"] == "192.0.2.9"


@case("trusted_hops")
def trusted_hops(walk):
    client = {"X-Forwarded-For": "192.0.2.7, 192.0.2.8, 192.0.2.9"}
    assert seen(walk.wsgi("--proxy-headers", "--trusted-hops", "2"), headers=client)["REMOTE_ADDR"] == "192.0.2.8"


@case("secure_scheme_headers")
def secure_scheme_headers(walk):
    server = walk.configured("secure_scheme_headers = {'X-TLS': 'yes'}\n")
    assert seen(server, headers={"X-TLS": "yes"})["wsgi.url_scheme"] == "https"
    assert seen(server, headers=HTTPS)["wsgi.url_scheme"] in ("http", "https")


@case("forwarder_headers")
def forwarder_headers(walk):
    request = HEAD + "REMOTE_USER: ada\r\nConnection: close\r\n\r\n"
    assert b"ada" not in walk.wsgi().raw(request)
    assert b"ada" in walk.wsgi("--forwarder-headers", "REMOTE_USER").raw(request)
    assert b"ada" in walk.wsgi("--forwarder-headers", "*").raw(request)


def body_of(reply):
    return json.loads(reply.partition(b"\r\n\r\n")[2].partition(b"\r\n")[2].partition(b"\r\n0\r\n")[0] or b"{}") if b"chunked" in reply.lower() else json.loads(reply.partition(b"\r\n\r\n")[2])


@case("proxy_protocol")
def proxy_protocol(walk):
    server = walk.wsgi("--proxy-protocol", ready=None)
    server.logged("Serving with 1 worker")
    reply = server.raw("PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n" + HEAD + "Connection: close\r\n\r\n")
    assert body_of(reply)["REMOTE_ADDR"] == "192.0.2.7"


@case("proxy_allow_ips")
def proxy_allow_ips(walk):
    server = walk.wsgi("--proxy-protocol=v1", "--proxy-allow-from", "192.0.2.1", ready=None)
    server.logged("Serving with 1 worker")
    assert b"403" in server.raw("PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n" + HEAD + "Connection: close\r\n\r\n")[:30]
