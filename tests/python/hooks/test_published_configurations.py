"""Configuration files as vendors and frameworks publish them, with the real libraries where they are installed."""

import contextlib
import http.server
import json
import os
import pathlib
import re
import signal
import sys
import threading
import urllib.request

import pytest

from support.server import free_port, until

CONFIGS = pathlib.Path(__file__).with_name("configs")

APP = """
import os
{imports}
def app(environ, start_response):
    {work}
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


def write(folder, name, imports="", work="pass"):
    (folder / f"{name}.py").write_text(APP.format(imports=imports, work=work))


def test_prometheus_multiprocess_mode(serve, tmp_path):
    pytest.importorskip("prometheus_client")
    (tmp_path / "counters").mkdir()
    port, bind = free_port(), f"127.0.0.1:{free_port()}"
    write(tmp_path, "counted", "from prometheus_client import Counter, Gauge\nSEEN = Counter('shop_requests', 'Requests')\n"
          "LIVE = Gauge('shop_live', 'Workers', multiprocess_mode='livesum')", "SEEN.inc(); LIVE.set(1)")
    server = serve("counted:app", "-c", CONFIGS / "prometheus.py", "--chdir", tmp_path, "--python", sys.executable, workers=2, bind=bind, env={
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "counters"), "TEST_METRICS_PORT": str(port), "TEST_BIND": bind}, ready=None)
    server.port = int(bind.rpartition(":")[2])
    server.expect("signal 9|SIGKILL")
    server.logged("metrics of 2 workers")

    def metric(name):
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60).read().decode()
        found = re.search(rf"^{name} ([\d.]+)$", text, re.MULTILINE)
        return float(found.group(1)) if found else 0

    pids = set()

    def both():
        pids.add(int(server.get("/").body))
        return len(pids) == 2

    asked = 0
    while len(pids) < 2 and asked < 2000:
        asked += 1
        both()
    served = len(pids)
    assert metric("shop_requests_total") == asked
    assert metric("shop_live") == served
    victim = pids.pop()
    os.kill(victim, signal.SIGKILL)
    server.logged(f"worker {victim} is marked dead")
    until(lambda: metric("shop_live") == served - 1, "the dead worker's gauge to go")
    assert metric("shop_requests_total") >= asked


@contextlib.contextmanager
def collector():
    """Takes what is posted to it."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            seen.append(body.decode(errors="replace"))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, seen
        finally:
            server.shutdown()
            thread.join()


def test_sentry_hears_of_errors_and_is_flushed(serve, tmp_path):
    pytest.importorskip("sentry_sdk")
    write(tmp_path, "failing", "from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware",
          "if environ['PATH_INFO'] == '/fail': raise LookupError('told to sentry')")
    with open(tmp_path / "failing.py", "a") as file:
        file.write("app = SentryWsgiMiddleware(app)\n")
    with collector() as (port, seen):
        server = serve("failing:app", "-c", CONFIGS / "sentry.py", "--chdir", tmp_path, "--python", sys.executable, env={"TEST_SENTRY_PORT": str(port)})
        server.expect("told to sentry")
        assert server.get("/fail").status == 500
        until(lambda: any("told to sentry" in text for text in seen), "the event")
        event = next(text for text in seen if "told to sentry" in text)
        assert "shop@1.2.3" in event and re.search(r'"server_name": ?"[\w:.]+-1"', event)
        assert server.stop() == 0
    assert "sentry is flushed" in server.log()


def test_opentelemetry_exports_from_workers(serve, tmp_path):
    pytest.importorskip("opentelemetry.sdk")
    pytest.importorskip("opentelemetry.instrumentation.wsgi")
    write(tmp_path, "traced", "from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware")
    with open(tmp_path / "traced.py", "a") as file:
        file.write("app = OpenTelemetryMiddleware(app)\n")
    server = serve("traced:app", "-c", CONFIGS / "opentelemetry.py", "--chdir", tmp_path, "--python", sys.executable, env={"TEST_SPANS": str(tmp_path / "spans")})
    server.get("/traced/path")
    assert server.stop() == 0
    spans = (tmp_path / "spans").read_text()
    assert "/traced/path" in spans and '"service.name": "shop"' in spans and f'"{server.pid}-' in spans


AGENT = """
import json, os
def note(*words):
    with open(LOG, "a") as file: print(json.dumps(words), file=file)
def initialize(path, pid):
    global LOG
    LOG = path
    note("initialize", pid == os.getpid())
def register(name, workers, parent): note("register", name, workers, parent == os.getppid())
def begin(*words): note("begin", *words)
def end(*words): note("end", *words)
"""

ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"ok"})
"""


@pytest.mark.parametrize(("app", "arguments"), [("plain:app", []), ("plain:app", ["--threads", "3"]), ("coroutine:app", []), ("coroutine:app", ["-k", "uvicorn.workers.UvicornWorker"])])
def test_agents_hear_of_workers_and_requests(serve, tmp_path, app, arguments):
    (tmp_path / "agent_of_a_vendor.py").write_text(AGENT)
    write(tmp_path, "plain")
    (tmp_path / "coroutine.py").write_text(ASGI)
    log = tmp_path / "agent.log"
    server = serve(app, "-c", CONFIGS / "agents.py", "--chdir", tmp_path, "--python", sys.executable, *arguments, cwd=tmp_path, env={"TEST_AGENT_LOG": str(log)})
    server.get("/a/b?x=1", {"X-Trace": "t1"})

    def notes():
        return [json.loads(line) for line in log.read_text().splitlines()]

    until(lambda: ["begin", "GET", "/a/b", "x=1", "t1", "127.0.0.1", [1, 1]] in notes(), "the request's begin")
    begin = notes().index(["begin", "GET", "/a/b", "x=1", "t1", "127.0.0.1", [1, 1]])
    until(lambda: any(note[0] == "end" for note in notes()[begin:]), "its end")
    end = next(note for note in notes()[begin:] if note[0] == "end")
    assert end[1] == "GET" and end[3:] == [200, "text/plain", True, True]
    assert notes()[0] == ["initialize", True] and notes()[1] == ["register", "shop", 1, True]
    server.signal(signal.SIGQUIT)
    assert server.wait() == 0
    if app.startswith("plain"):  # an event loop is told to end in order, so that its lifespan does
        assert "worker received INT or QUIT signal" in server.log() and "Thread MainThread" in server.log()
    assert f"Bye from {server.pid}" in server.log()
    until(lambda: re.search(r'^- - - \[[^]]+\] "GET /a/b\?x=1 HTTP/1.1" 200 \d+ "-" "-" \d+ <\d+>$', server.log(), re.MULTILINE), "the line of the access log")


DJANGO = """
import os
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
SECRET_KEY, ROOT_URLCONF, ALLOWED_HOSTS, DEBUG = "x", __name__, ["*"], False
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_X_FORWARDED_HOST = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
def index(request):
    print("shown by a view")
    return HttpResponse(request.build_absolute_uri())
urlpatterns = [path("", index)]
application = get_wsgi_application()
"""


def test_django_is_set_up_by_its_configuration(serve, tmp_path):
    pytest.importorskip("django")
    project = tmp_path / "project"
    project.mkdir()
    (project / "django_site.py").write_text(DJANGO)
    server = serve("", "-c", CONFIGS / "django_conf.py", "--python", sys.executable, env={"TEST_PROJECT": str(project)})
    reply = server.get("/", {"Host": "shop.example", "X-Forwarded-Proto": "https"})
    assert reply.body == b"https://shop.example/"
    server.logged("shown by a view")
    server.logged("connections of worker 1 are its own")


FLASK = """
import logging
from flask import Flask, current_app
def create_app():
    app = Flask(__name__)
    borrowed = logging.getLogger("gunicorn.error")
    app.logger.handlers, app.logger.propagate = borrowed.handlers, False
    app.logger.setLevel(borrowed.level)
    @app.get("/")
    def index():
        app.logger.info("a visit")
        return "flask"
    return app
"""


def test_flask_is_set_up_by_its_configuration(serve, tmp_path):
    pytest.importorskip("flask")
    (tmp_path / "flask_site.py").write_text(FLASK)
    server = serve("", "-c", CONFIGS / "flask_conf.py", "--chdir", tmp_path, "--python", sys.executable, env={"GUNICORN_KEEPALIVE": "7", "GUNICORN_MAX_REQUESTS": "50"})
    assert server.get("/").body == b"flask"
    server.logged(r'\{"level": "INFO", "logger": "flask_site", "text": "a visit"\}')
    server.logged("starting with 1 workers on")
