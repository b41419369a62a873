"""HAProxy and nginx in front: who the client is arrives, and a rolling restart behind HAProxy loses no request."""

import concurrent.futures
import contextlib
import http.client
import itertools
import json
import os
import shutil
import socket
import subprocess
import threading

import pytest

from support.server import PATIENCE, free_port, until

APP = "dropin_app:app"
HAPROXY = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
needs_haproxy = pytest.mark.skipif(not HAPROXY, reason="haproxy is not installed")
needs_nginx = pytest.mark.skipif(not NGINX, reason="nginx is not installed")

HAPROXY_CONF = """
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option redispatch
  retries 3
frontend front
  bind 127.0.0.1:{port}
  stats enable
  stats uri /haproxy
  default_backend back
backend back
{backend}
"""

NGINX_CONF = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log;
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream shop {{ server {upstream}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
      proxy_set_header X-Request-ID $request_id;
      proxy_pass http://shop;
    }}
  }}
}}
"""


@contextlib.contextmanager
def running(command, port, folder):
    with open(folder / "proxy.log", "ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
    try:
        def listens():
            assert process.poll() is None, (folder / "proxy.log").read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE):
                return True

        until(listens, "the proxy's socket")
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


@contextlib.contextmanager
def haproxy(folder, backend):
    port = free_port()
    (folder / "haproxy.cfg").write_text(HAPROXY_CONF.format(port=port, backend=backend))
    with running([HAPROXY, "-db", "-f", folder / "haproxy.cfg"], port, folder):
        yield port


@contextlib.contextmanager
def nginx(folder, upstream):
    port = free_port()
    (folder / "nginx.conf").write_text(NGINX_CONF.format(port=port, folder=folder, upstream=upstream))
    with running([NGINX, "-p", folder, "-c", folder / "nginx.conf"], port, folder):
        yield port


def get(port, path="/", headers=(), source=None):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE, source_address=source)
    with contextlib.closing(client):
        client.request("GET", path, headers=dict(headers))
        reply = client.getresponse()
        return reply.status, reply.read()


def seen(port, *arguments, **options):
    status, body = get(port, *arguments, **options)
    assert status == 200
    return json.loads(body)


@needs_haproxy
@pytest.mark.parametrize(("mode", "setting"), [("send-proxy", "v1"), ("send-proxy-v2", "v2"), ("send-proxy", "auto"), ("send-proxy-v2", "auto")])
def test_haproxys_proxy_header_names_the_client(serve, tmp_path, mode, setting):
    server = serve(APP, f"--proxy-protocol={setting}", ready=None)
    server.logged("Serving with 1 worker")
    with haproxy(tmp_path, f"  server one 127.0.0.1:{server.port} {mode}\n") as port:
        shown = seen(port, source=("127.0.0.9", 0))
    assert shown["REMOTE_ADDR"] == "127.0.0.9"
    assert int(shown["REMOTE_PORT"]) > 0


@needs_haproxy
def test_haproxys_forwarded_fields_name_client_and_scheme(serve, tmp_path):
    server = serve(APP, "--proxy-headers", "--access-logfile", tmp_path / "access.log", "--access-logformat", "%(h)s %({client}x)s")
    backend = f"  option forwardfor\n  http-request set-header X-Forwarded-Proto https\n  server one 127.0.0.1:{server.port}\n"
    with haproxy(tmp_path, backend) as port:
        shown = seen(port, source=("127.0.0.9", 0))
    assert (shown["REMOTE_ADDR"], shown["wsgi.url_scheme"]) == ("127.0.0.9", "https")
    until(lambda: "127.0.0.9 127.0.0.9\n" in (tmp_path / "access.log").read_text(), "the line of the client")


@needs_nginx
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_nginx_names_client_scheme_and_request_id(serve, tmp_path, kind):
    log = tmp_path / "access.log"
    bind = f"unix:{tmp_path}/shop.sock" if kind == "unix" else None
    server = serve(APP, "--proxy-headers", "--access-logfile", log, "--access-logformat", "%({client}x)s %({request-id}x)s %({x-request-id}i)s", bind=bind)
    with nginx(tmp_path, server.bind if bind else f"127.0.0.1:{server.port}") as port:
        for _ in range(3):  # over one kept connection
            shown = seen(port, "/a%20b?x=1", source=("127.0.0.9", 0))
    assert (shown["REMOTE_ADDR"], shown["wsgi.url_scheme"], shown["PATH_INFO"], shown["QUERY_STRING"]) == ("127.0.0.9", "https", "/a b", "x=1")
    ids = until(lambda: [line.split() for line in log.read_text().splitlines() if line.startswith("127.0.0.9 ")], "the lines of the client")
    assert all(made == sent for _, made, sent in ids)


@needs_nginx
def test_what_an_untrusted_nginx_sends_changes_nothing(serve, tmp_path):
    server = serve(APP, "--proxy-headers", "--forwarded-allow-ips", "192.0.2.1")
    with nginx(tmp_path, f"127.0.0.1:{server.port}") as port:
        shown = seen(port, source=("127.0.0.9", 0))
    assert (shown["REMOTE_ADDR"], shown["wsgi.url_scheme"]) == ("127.0.0.1", "http")


def states(port):
    """What HAProxy thinks of its servers."""
    rows = [line.split(",") for line in get(port, "/haproxy;csv")[1].decode().splitlines()]
    status = rows[0].index("status")
    return [row[status] for row in rows[1:] if row[1].startswith("s") and row[0] == "back"]


@needs_haproxy
def test_a_rolling_restart_behind_haproxy_loses_no_request(serve, tmp_path):
    """Each instance fails its readiness check before it goes, and serves until HAProxy has noticed."""
    def instance(port=None):
        return serve(APP, "--health-path", "/livez,/readyz", "--drain-delay", "2", bind=f"127.0.0.1:{port}" if port else None, ready=None)

    servers = [instance(), instance()]
    for server in servers:
        server.logged("Serving with 1 worker")
    checks = "  option httpchk GET /readyz\n  http-check expect status 200\n  default-server check inter 200ms fall 1 rise 1\n"
    backend = checks + "".join(f"  server s{n} 127.0.0.1:{server.port}\n" for n, server in enumerate(servers))
    failures, done, stop = [], itertools.count(), threading.Event()

    def ask(port):
        while not stop.is_set():
            try:
                status, _ = get(port)
                if status != 200:
                    failures.append(status)
            except OSError as error:
                failures.append(error)
            next(done)

    with haproxy(tmp_path, backend) as port, concurrent.futures.ThreadPoolExecutor(4) as pool:
        until(lambda: states(port) == ["UP", "UP"], "both instances in HAProxy's eyes")
        clients = [pool.submit(ask, port) for _ in range(4)]
        try:
            for old in servers:
                assert old.stop() == 0
                fresh = instance(old.port)
                fresh.port = old.port
                fresh.logged("Serving with 1 worker")
                until(lambda: states(port) == ["UP", "UP"], "both instances in HAProxy's eyes")
        finally:
            stop.set()
        for client in clients:
            client.result()
    assert next(done) > 100
    assert failures == []
