"""The hook functions of a configuration file: order, processes, objects, arity, and what becomes of their exceptions."""

import json
import os
import re
import signal
import sys

import pytest
from support.server import until

APP = "dropin_app:app"

ALL = '''
import os
def note(*words):
    with open(os.environ["PREFORK_TEST"] + "/hooks", "a") as file:
        print(*words, file=file)
def on_starting(server): note("on_starting", server.cfg.workers, server.address[0][0])
def on_reload(server): note("on_reload")
def when_ready(server): note("when_ready", len(server.WORKERS), server.num_workers); server.log.info("ready to spawn")
def pre_fork(server, worker): note("pre_fork", worker.age)
def post_fork(server, worker): note("post_fork", worker.pid == os.getpid(), server.pid == os.getppid())
def post_worker_init(worker): note("post_worker_init", worker.alive, worker.cfg.threads)
def worker_int(worker): note("worker_int")
def pre_request(worker, req): note("pre_request", req.method, req.path, req.uri, dict(req.headers)["HOST"])
def post_request(worker, req, environ, resp): note("post_request", resp.status, resp.sent > 0, worker.nr > 0, environ["PATH_INFO"], dict(resp.headers)["X-Shown"])
def child_exit(server, worker): note("child_exit", worker.pid)
def worker_exit(server, worker): note("worker_exit", worker.pid)
def nworkers_changed(server, new, old): note("nworkers_changed", new, old)
def on_exit(server): note("on_exit")
'''


def start(serve, tmp_path, source, *arguments, **options):
    config = tmp_path / "conf.py"
    config.write_text(source)
    return serve(APP, "-c", config, *arguments, **options)


def notes(tmp_path):
    path = tmp_path / "hooks"
    return path.read_text().splitlines() if path.exists() else []


def test_all_hooks_run_in_order(serve, tmp_path):
    server = start(serve, tmp_path, ALL, workers=1)
    server.get("/seen?x=1")
    until(lambda: any(line.startswith("post_request 200 OK True True /seen yes") for line in notes(tmp_path)), "post_request")
    assert any(line.startswith("pre_request GET /seen /seen?x=1 127.0.0.1:") for line in notes(tmp_path))
    server.signal(signal.SIGTTIN)
    until(lambda: "nworkers_changed 2 1" in notes(tmp_path), "nworkers_changed")
    until(lambda: notes(tmp_path).count("post_worker_init True 1") == 2, "a second worker")
    server.signal(signal.SIGHUP)
    until(lambda: "on_reload" in notes(tmp_path), "on_reload")
    until(lambda: "serves" in server.log(), "the reload's end")
    assert server.stop() == 0
    seen = notes(tmp_path)
    kinds = [line.split()[0] for line in seen]
    assert seen[:2] == ["nworkers_changed 1 None", "on_starting 1 127.0.0.1"]
    assert kinds.index("pre_fork") < kinds.index("post_fork") < kinds.index("post_worker_init") < kinds.index("when_ready")
    assert "post_fork True True" in seen and "when_ready 1 1" in seen and "nworkers_changed 1 None" in seen
    exits = [line.split()[1] for line in seen if line.startswith("worker_exit")]
    assert sorted(exits) == sorted(line.split()[1] for line in seen if line.startswith("child_exit"))
    assert len(exits) == kinds.count("post_fork")
    assert seen[-1] == "on_exit"
    assert "[INFO] ready to spawn" in server.log()


def test_child_exit_tells_who_died(serve, tmp_path):
    server = start(serve, tmp_path, ALL, workers=1)
    server.expect(r"\[[A-Z]+\] Worker \(pid:\d+\)[^\n]*|\[[A-Z]+\][^\n]*signal 9[^\n]*|\[(?:WARNING|ERROR)\][^\n]*SIGKILL[^\n]*")
    pid = next(int(found.group(1)) for found in [re.search(r"Booting worker with pid: (\d+)", server.log())])
    os.kill(pid, signal.SIGKILL)
    until(lambda: f"child_exit {pid}" in notes(tmp_path), "child_exit")
    until(lambda: server.get("/").status == 200, "an answer")


def test_post_request_may_take_two_or_three_arguments(serve, tmp_path):
    for number, arguments in enumerate(("worker, req", "worker, req, environ", "*everything")):
        folder = tmp_path / str(number)
        folder.mkdir()
        source = f"import os\ndef post_request({arguments}):\n    open(os.environ['PREFORK_TEST'] + '/post{number}', 'w').close()\n"
        server = start(serve, folder, source)
        server.get("/")
        until(lambda number=number: (tmp_path / f"post{number}").exists(), arguments)


WRAPPED = """
def post_worker_init(worker):
    inner = worker.wsgi
    def wsgi(environ, start_response):
        return inner(environ, lambda status, headers, *rest: start_response(status, headers + [("X-Hook", "was here")], *rest))
    async def asgi(scope, receive, send):
        async def changed(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-hook", b"was here")]
            await send(message)
        await inner(scope, receive, changed)
    worker.wsgi = asgi if worker.cfg.interface == "asgi" else wsgi
def post_request(worker, req, environ, resp):
    worker.log.info("left: %s", [value for name, value in resp.headers if name.lower() == "x-hook"])
"""


@pytest.mark.parametrize("arguments", [[APP], [APP, "--preload"], ["asgi_apps:app", "--interface", "asgi"]], ids=" ".join)
def test_post_worker_init_may_put_itself_around_the_application(serve, tmp_path, arguments):
    (tmp_path / "conf.py").write_text(WRAPPED)
    server = serve(*arguments, "-c", tmp_path / "conf.py")
    assert server.get("/").headers["x-hook"] == "was here"
    server.logged(r"left: \['was here'\]")


SEEN = """
def pre_request(worker, req):
    worker.log.info("request: %r", (req.headers, req.path, req.uri, req.query, req.fragment, req.should_close(), req.proxy_protocol_info))
def post_request(worker, req, environ, resp):
    worker.log.info("response: %r", (resp.status_code, resp.response_length, "prefork.fields" in environ))
"""

WIRE = b"GET http://shop.example/a%20b?x=1 HTTP/1.1\r\nX-Two: 1\r\nhost: shop.example\r\nX-One: \xe9\r\nx-two: 2\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("arguments", [[], ["--preload", "--threads", "2"]], ids=" ".join)
def test_a_request_has_its_fields_in_their_order(serve, tmp_path, arguments):
    server = start(serve, tmp_path, SEEN, *arguments, workers=1)
    for _ in range(2):
        server.raw(WIRE)
    fields = [("X-TWO", "1"), ("HOST", "shop.example"), ("X-ONE", "\xe9"), ("X-TWO", "2"), ("CONTENT-TYPE", "text/plain"), ("CONNECTION", "close")]
    shown = (fields, "/a%20b", "http://shop.example/a%20b?x=1", "x=1", "", True, None)
    until(lambda: server.log().count(f"request: {shown!r}") == 2, "two requests")
    until(lambda: len(re.findall(r"response: \(200, \d+, False\)", server.log())) >= 2, "two responses")


CHANGED = """
def pre_request(worker, req):
    if req.query == "plain":
        return
    req.headers = [field for field in req.headers if field[0] not in ("X-DROP", "CONTENT-TYPE")]
    req.headers.append(("X-Request-Number", "7"))
    req.headers.append(("X-KEEP", "more"))
    req.scheme, req.method, req.query = "https", "PUT", "a=b"
    req.path = "/new%20path"
    req.force_close()
"""

SHOWING = """
import json
def show(*seen): return json.dumps(seen).encode()
def app(environ, start_response):
    body = show(environ["REQUEST_METHOD"], environ["wsgi.url_scheme"], environ["QUERY_STRING"], environ["SCRIPT_NAME"] + environ["PATH_INFO"],
                environ.get("HTTP_X_REQUEST_NUMBER"), environ.get("HTTP_X_KEEP"), environ.get("HTTP_X_DROP"), environ.get("CONTENT_TYPE"))
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
async def asgi(scope, receive, send):
    if scope["type"] != "http": return
    fields = {}
    for name, value in scope["headers"]: fields.setdefault(name.decode(), []).append(value.decode())
    body = show(scope["method"], scope["scheme"], scope["query_string"].decode(), scope["path"],
                *(",".join(fields[name]) if name in fields else None for name in ("x-request-number", "x-keep", "x-drop", "content-type")))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.mark.parametrize("app", ["showing:app", "showing:asgi"])
def test_pre_request_may_change_the_request(serve, tmp_path, app):
    (tmp_path / "conf.py").write_text(CHANGED)
    (tmp_path / "showing.py").write_text(SHOWING)
    server = serve(app, "-c", "conf.py", cwd=tmp_path, workers=1)
    fields = {"X-Drop": "dropped", "X-Keep": "kept", "Content-Type": "text/plain"}
    for _ in range(2):
        changed, plain = server.get("/old?x=1", fields), server.get("/old?plain", fields)
        assert json.loads(changed.body) == ["PUT", "https", "a=b", "/new path" if app == "showing:app" else "/new%20path", "7", "kept,more", None, None]
        assert json.loads(plain.body) == ["GET", "http", "plain", "/old", None, "kept", "dropped", "text/plain"]
        if app == "showing:app":
            assert (changed.headers["connection"], plain.headers["connection"]) == ("close", None)


COMMANDING = """
import os, signal
def when_ready(server):
    server.log.info("listening at %s, %s", ",".join(str(listener) for listener in server.LISTENERS), server.LISTENERS[0].getsockname()[0])
    server.num_workers += 2
def pre_fork(server, worker):
    server.log.info("worker %d is %s", worker.age, worker.pid)
    if worker.age == 3:
        server.kill_worker(min(server.WORKERS, key=lambda pid: server.WORKERS[pid].age), signal.SIGTERM)
def post_worker_init(worker):
    worker.log.info("sockets %s, %s", [str(one) for one in worker.sockets], worker.max_requests)
def child_exit(server, worker):
    if worker.age == 1:
        server.kill_worker(worker.pid, signal.SIGTERM)  # is gone: nothing to do
        server.log.info("the first is gone")
        server.halt("enough")
"""


def test_the_server_does_what_hooks_tell_it(serve, tmp_path):
    server = start(serve, tmp_path, COMMANDING, workers=1)
    server.logged(rf"listening at http://127\.0\.0\.1:{server.port}, 127\.0\.0\.1")
    server.logged(r"worker 1 is \[booting\]")
    server.logged(rf"sockets \['http://127\.0\.0\.1:{server.port}'\], {sys.maxsize}")
    server.logged("the first is gone")
    server.logged("Reason: enough")
    assert server.wait() == 0
    assert "Handling signal: ttin" in server.log()


def test_hooks_that_come_too_early_end_nothing(serve, tmp_path):
    server = start(serve, tmp_path, "def on_starting(server):\n    server.num_workers += 1\n    server.reload()\n", workers=1)
    server.expect(r"\[WARNING\] The server is not told SIGHUP, which it is too early for")
    server.expect(r"\[WARNING\] The server is not told SIGTTIN, which it is too early for")
    assert server.get("/").status == 200


NUMBERED = """
import os
def on_starting(server):
    server._spare = set()
def nworkers_changed(server, new, old):
    server._wanted_numbers = new
def on_reload(server):
    server._spare = set(range(1, server.cfg.workers + 1))
def pre_fork(server, worker):
    if not server._spare:
        used = {one._number for one in server.WORKERS.values() if one.alive}
        server._spare = {min(set(range(1, server._wanted_numbers + 1)) - used)}
    worker._number = server._spare.pop()
    server.log.info("before the fork: %d", worker._number)
def post_fork(server, worker):
    worker.log.info("after the fork: %s", getattr(worker, "_number", "nothing"))
"""


@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["apart", "preload"])
def test_workers_may_be_numbered_by_a_known_recipe(serve, tmp_path, preload):
    """With --preload the worker has what pre_fork has put into its object, too."""
    server = start(serve, tmp_path, NUMBERED, *preload, workers=3)
    for count in (1, 2):
        for number in (1, 2, 3):
            until(lambda: server.log().count(f"before the fork: {number}\n") == count, f"worker {number}, {count} times")  # noqa: B023
            if preload:
                until(lambda: server.log().count(f"after the fork: {number}\n") == count, f"worker {number}, {count} times")  # noqa: B023
        if count == 1:
            until(lambda: len(re.findall("after the fork: ", server.log())) == 3, "three workers")
            server.signal(signal.SIGHUP)
    server.logged("Reloaded: generation 2 serves")


LEAVING = """
def pre_request(worker, req): worker.log.info("before %s, booted %s", worker.nr, worker.booted)
def post_request(worker, req, environ, resp): worker.alive = req.query != "leave"
"""


@pytest.mark.parametrize("arguments", [[APP], [APP, "--threads", "4"], [APP, "--preload"], ["asgi_apps:app", "--interface", "asgi"]], ids=" ".join)
def test_a_worker_whose_hook_says_that_it_is_not_alive_is_replaced(serve, tmp_path, arguments):
    (tmp_path / "conf.py").write_text(LEAVING)
    server = serve(*arguments, "-c", tmp_path / "conf.py", workers=1)
    assert server.get("/?stay").status == 200
    assert server.get("/?leave").status == 200
    server.logged("Worker exiting")
    assert [server.get("/?stay").status for _ in range(3)] == [200, 200, 200]
    server.logged("before 0, booted True")
    assert server.log().count("Booting worker with pid") == 2


ASKING = """
def on_starting(server):
    from beside_the_application import NAME
    server.log.info("starting %s as %d of %s", NAME, server.cfg.uid, server.app.wsgi().__name__)
def post_worker_init(worker):
    cfg = worker.cfg
    worker.log.info("asked: %s", [cfg.settings["workers"].get(), cfg.certfile, cfg.logger_class, cfg.worker_tmp_dir, worker.app.wsgi() is worker.wsgi, cfg.proc_name])
"""


@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["apart", "preload"])
def test_hooks_ask_for_settings_and_the_application(serve, tmp_path, preload):
    (tmp_path / "libraries").mkdir()
    (tmp_path / "libraries" / "beside_the_application.py").write_text("NAME = 'shop'\n")
    server = start(serve, tmp_path, ASKING, "--pythonpath", tmp_path / "libraries", *preload, workers=1)
    assert server.get("/").status == 200
    server.logged(rf"starting shop as {os.geteuid()} of app")
    server.logged(r"asked: \[1, None, 'gunicorn.glogging.Logger', None, True, 'dropin_app:app'\]")


ELSEWHERE = """
import os
import beside_the_file
TEXT = open("text").read()
def on_starting(server): server.log.info("master: %s %s %s", TEXT, os.path.basename(os.getcwd()), os.environ["SERVER_SOFTWARE"])
def post_fork(server, worker): worker.log.info("worker: %s %s", TEXT, os.path.basename(os.getcwd()))
"""


@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["apart", "preload"])
def test_the_file_is_evaluated_where_the_server_was_started(serve, tmp_path, preload):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "text").write_text("wrong")
    (tmp_path / "text").write_text("right")
    (tmp_path / "beside_the_file.py").write_text("")
    (tmp_path / "source" / "shop.py").write_text("import beside_the_file\nfrom dropin_app import app\n")
    (tmp_path / "conf.py").write_text(ELSEWHERE)
    server = serve("shop:app", "-c", "conf.py", "--chdir", "source", *preload, cwd=tmp_path)
    assert server.get("/").status == 200
    server.logged("master: right source prefork")
    server.logged("worker: right source")


def test_exceptions_are_logged_with_the_hooks_name(serve, tmp_path):
    source = "def when_ready(server): raise ValueError('not ready')\ndef post_worker_init(worker): raise ValueError('not initialised')\n"
    server = start(serve, tmp_path, source)
    server.expect(r"\[ERROR\] Exception in the hook when_ready\nTraceback.*?ValueError: not ready")
    server.expect(r"\[ERROR\] Exception in the hook post_worker_init.*?ValueError: not initialised")
    server.logged("not ready")
    assert server.get("/").status == 200


def test_on_starting_can_prevent_the_start(serve, tmp_path):
    server = start(serve, tmp_path, "def on_starting(server): raise RuntimeError('no')\n", ready=None)
    server.expect(r"\[ERROR\] Exception in the hook on_starting\nTraceback.*?RuntimeError: no")
    assert server.wait() == 1
    assert "on_starting failed" in server.log()


def test_no_hook_no_process(serve):
    server = serve(APP, workers=1)
    assert len(server.tree()) == 2  # the master and its worker
