"""Hook functions of a configuration file, and the objects that they are given: server, worker, req, resp.

The attributes are those that published configuration files use. In a worker load() makes the objects; the process that runs the
master's hooks (_master_hooks.py) makes its own of the same classes.
"""

import json
import os
import signal
import tempfile
import time

from prefork import config as config_file
from prefork._logging import Logger

IN_WORKER = ("post_fork", "post_worker_init", "worker_int", "worker_abort", "worker_exit", "pre_request", "post_request")


# Settings of gunicorn that do not apply here, with their defaults: what a hook asks of them has an answer.
_NOT_APPLIED = {
    "ca_certs": None, "cert_reqs": 0, "certfile": None, "ciphers": None, "keyfile": None, "http_parser": "auto", "http_protocols": ["h1"],
    "logger_class": "gunicorn.glogging.Logger", "paste": None, "protocol": "http", "spew": False, "worker_tmp_dir": None,
}


class Setting:
    """One of cfg.settings."""

    def __init__(self, name, value):
        self.name = name
        self.value = value

    def get(self):
        return self.value


class Settings:
    """The configuration as attributes, under gunicorn's names: cfg.workers, cfg.bind, cfg.settings["bind"].get()."""

    def __init__(self, values):
        self._values = {**_NOT_APPLIED, **values}

    def __getattr__(self, name):
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(f"no setting is named {name!r}") from None

    @property
    def settings(self):
        return {name: Setting(name, value) for name, value in self._values.items()}

    @property
    def address(self):
        return [_address(text) for text in self._values.get("bind") or ()]

    @property
    def env(self):
        return dict(pair.split("=", 1) for pair in self._values.get("raw_env") or ())

    @property
    def uid(self):
        import pwd  # not before it is asked for: the user of workers may not be able to read it

        return _id_of(self.user, os.geteuid(), lambda name: pwd.getpwnam(name).pw_uid)

    @property
    def gid(self):
        import grp

        return _id_of(self.group, os.getegid(), lambda name: grp.getgrnam(name).gr_gid)

    @property
    def is_ssl(self):
        return False

    @property
    def worker_class_str(self):
        return self._values.get("worker_class", "sync")

    def get(self, name, default=None):
        return self._values.get(name, default)


def _id_of(name, unset, look_up):
    if not name:
        return unset
    return int(name) if str(name).isdigit() else look_up(name)


def _address(text):
    if text.startswith("unix:"):
        return text[5:]
    host, colon, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if colon and port.isdigit() else text


class App:
    """What is served: the callable, from when it is loaded; wsgi() loads it where that has not happened yet."""

    def __init__(self, cfg):
        self.cfg = cfg
        self.callable = None

    def wsgi(self):
        if self.callable is None:
            from prefork import _boot

            self.callable = _boot.load_application(self.cfg.wsgi_app, self.cfg.factory)
        return self.callable


class Server:
    """gunicorn's arbiter as far as hooks look at it."""

    def __init__(self, cfg, log, pid):
        self.cfg = cfg
        self.log = log
        self.pid = pid
        self.WORKERS = {}
        self.num_workers = cfg.get("workers", 1)
        self.worker_age = 0
        self.timeout = cfg.get("timeout", 30)
        self.proc_name = cfg.get("proc_name") or cfg.get("default_proc_name")
        self.address = cfg.address
        self.app = App(cfg)
        self.master_name = "Master"


class Worker:
    def __init__(self, cfg, log, pid, age, ppid, app):
        self.cfg = cfg
        self.log = log
        self.pid = pid
        self.age = age
        self.ppid = ppid
        self.nr = 0
        self.alive = True
        self.aborted = False
        self.booted = False
        self.timeout = cfg.get("timeout", 30)
        self.max_requests = cfg.get("max_requests") or float("inf")
        self.sockets = []
        self.app = app
        self.ending = False  # somebody has told it to go
        self._tmp = None

    @property
    def wsgi(self):
        """The application, from post_worker_init on, which may put another in its place."""
        return self.app.callable

    @wsgi.setter
    def wsgi(self, application):
        self.app.callable = application

    @property
    def tmp(self):
        """The file whose time gunicorn's master watches; here it exists for hooks that ask for it."""
        if self._tmp is None:
            self._tmp = _HeartbeatFile()
        return self._tmp

    def notify(self):
        """Nothing: signs of life are given in shared memory."""

    def __str__(self):
        return f"<Worker {self.pid}>"


class _HeartbeatFile:
    def __init__(self):
        self._file = tempfile.TemporaryFile(prefix="prefork-worker-")

    def notify(self):
        now = time.monotonic()
        os.utime(self._file.fileno(), (now, now))

    def last_update(self):
        return os.fstat(self._file.fileno()).st_mtime

    def fileno(self):
        return self._file.fileno()

    def close(self):
        self._file.close()


def objects(settings_text, master_pid, worker_pid=None, age=0):
    """(server, worker) of a process."""
    cfg = Settings({name: entry["value"] for name, entry in json.loads(settings_text)["settings"].items()})
    log = Logger()
    server = Server(cfg, log, master_pid)
    if worker_pid is None:
        return server, None
    worker = Worker(cfg, log, worker_pid, age, master_pid, server.app)
    server.WORKERS[worker_pid] = worker
    server.worker_age = age
    return server, worker


def load(settings, age):
    """(worker, {hook: function of the worker}) for a worker; the configuration file is evaluated here."""
    names = [name for name in settings["hooks"].split(",") if name in IN_WORKER]
    found = config_file.load_hooks(settings["config_kind"], settings["config_path"], names, settings.get("launch_directory", ""))
    server, worker = objects(settings["config_json"], int(settings["master_pid"]), os.getpid(), age)
    return worker, worker_functions(found, server)


def worker_functions(found, server):
    """{hook: function of the worker} of those among the hooks that run in a worker."""
    functions = {name: hook for name, hook in found.items() if name in IN_WORKER}
    for name in ("post_fork", "worker_exit"):
        if name in found:
            functions[name] = _with_server(found[name], server)
    for name in ("worker_int", "worker_abort"):
        if name in found:
            functions[name] = _ending(found[name], aborted=name == "worker_abort")
    return functions


def _with_server(hook, server):
    return lambda worker: hook(server, worker)


def _ending(hook, aborted):
    def run(worker):
        worker.alive = False
        worker.ending = True
        worker.aborted = aborted
        hook(worker)

    return run


# Hooks of requests


class Request:
    def __init__(self, method, path, uri, query, version, scheme, remote_addr, headers):
        self.method = method
        self.path = path
        self.uri = uri
        self.query = query
        self.fragment = ""
        self.version = version
        self.scheme = scheme
        self.remote_addr = remote_addr
        self.peer_addr = remote_addr
        self.headers = headers
        self.trailers = []

    def __str__(self):
        return f"{self.method} {self.path}"


class Response:
    def __init__(self, req):
        self.req = req
        self.status = None
        self.status_code = None
        self.headers = []
        self.sent = 0
        self.headers_sent = False
        self.version = req.version

    def take_status(self, status):
        self.status = status
        code = str(status).split(" ", 1)[0]
        self.status_code = int(code) if code.isdigit() else None


def request_of_environ(environ):
    headers = []
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            headers.append((name[5:].replace("_", "-"), value))
        elif name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            headers.append((name.replace("_", "-"), value))
    version = environ.get("SERVER_PROTOCOL", "HTTP/1.1")[5:].split(".")
    return Request(
        environ["REQUEST_METHOD"], environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), environ.get("RAW_URI", ""),
        environ.get("QUERY_STRING", ""), tuple(map(int, version)), environ["wsgi.url_scheme"],
        (environ.get("REMOTE_ADDR", ""), int(environ.get("REMOTE_PORT") or 0)), headers,
    )


def request_of_scope(scope):
    headers = [(name.decode("latin-1").upper(), value.decode("latin-1")) for name, value in scope["headers"]]
    query = scope["query_string"].decode("latin-1")
    uri = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1") + ("?" + query if query else "")
    return Request(
        scope["method"], scope["path"], uri, query, tuple(map(int, scope["http_version"].split("."))) if "." in scope["http_version"] else (2, 0),
        scope["scheme"], tuple(scope["client"] or ("", 0)), headers,
    )


class _RequestHooks:
    def __init__(self, worker, functions):
        self.worker = worker
        self.pre = functions.get("pre_request")
        self.post = functions.get("post_request")
        self.arity = max(config_file.argument_counts(self.post), default=0) if self.post else 0  # 2, 3 or 4

    def before(self, req):
        if self.pre:
            self.pre(self.worker, req)
        self.worker.nr += 1

    def after(self, req, environ, resp):
        if self.post:
            try:
                self.post(*(self.worker, req, environ, resp)[: self.arity])
            except Exception:
                self.worker.log.exception("Exception in the hook post_request")
        if not self.worker.alive:
            self._retire()

    def _retire(self):
        """A hook has set worker.alive to False, as after a request that left the process too large."""
        if not self.worker.ending:
            self.worker.ending = True
            os.kill(os.getpid(), signal.SIGTERM)


def wrap_application(application, interface, worker, functions):
    """The application with pre_request and post_request around it; itself when neither is set."""
    worker.booted = True
    if "pre_request" not in functions and "post_request" not in functions:
        return application
    hooks = _RequestHooks(worker, functions)
    if interface == "native":
        return _wrap_native(application, hooks)
    return _wrap_asgi(application, hooks) if interface == "asgi" else _wrap_wsgi(application, hooks)


class _Body:
    """A WSGI body that tells when it has been sent."""

    def __init__(self, body, resp, ended):
        self._body = body
        self._resp = resp
        self._ended = ended

    def __iter__(self):
        for block in self._body:
            self._resp.sent += len(block)
            yield block

    def close(self):
        try:
            if hasattr(self._body, "close"):
                self._body.close()
        finally:
            self._ended()


def _wrap_wsgi(application, hooks):
    def with_hooks(environ, start_response):
        req = request_of_environ(environ)
        resp = Response(req)

        def start(status, headers, *exc_info):
            resp.take_status(status)
            resp.headers = list(headers)
            resp.headers_sent = True
            write = start_response(status, headers, *exc_info)

            def counted(block):
                resp.sent += len(block)
                write(block)

            return counted

        hooks.before(req)
        try:
            body = application(environ, start)
        except BaseException:
            hooks.after(req, environ, resp)
            raise
        return _Body(body, resp, lambda: hooks.after(req, environ, resp))

    return with_hooks


def _wrap_asgi(application, hooks):
    async def with_hooks(scope, receive, send):
        if scope["type"] != "http":
            return await application(scope, receive, send)
        req = request_of_scope(scope)
        resp = Response(req)

        async def noted(event):
            if event["type"] == "http.response.start":
                resp.take_status(event["status"])
                resp.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.get("headers", ())]
                resp.headers_sent = True
            elif event["type"] == "http.response.body":
                resp.sent += len(event.get("body", b""))
            await send(event)

        hooks.before(req)
        try:
            await application(scope, receive, noted)
        finally:
            hooks.after(req, scope, resp)

    return with_hooks


def request_of_object(request):
    """Of a native request or an RSGI scope."""
    query = request.query if hasattr(request, "query") else request.query_string
    client = request.client or ("", 0)
    if isinstance(client, str):
        address, _, port = client.rpartition(":")
        client = (address.strip("[]"), int(port or 0))
    headers = [(name.upper(), value) for name, value in request.headers.items()]
    version = tuple(map(int, request.http_version.split("."))) if "." in request.http_version else (2, 0)
    uri = request.path + ("?" + query if query else "")
    return Request(request.method, request.path, uri, query, version, request.scheme, client, headers)


class _RsgiWithHooks:
    def __init__(self, application, hooks):
        self._application = application
        self._hooks = hooks

    def __getattr__(self, name):
        return getattr(self._application, name)

    async def __rsgi__(self, scope, protocol):
        req = request_of_object(scope)
        self._hooks.before(req)
        try:
            await self._application.__rsgi__(scope, protocol)
        finally:
            self._hooks.after(req, {}, Response(req))


def _wrap_native(application, hooks):
    from prefork._boot import native_callable

    kind, call = native_callable(application)
    if kind == "rsgi":
        return _RsgiWithHooks(application, hooks)

    def ended(req, reply):
        resp = Response(req)
        resp.take_status(reply.status)
        resp.headers = reply.headers
        resp.headers_sent = reply.started
        hooks.after(req, {}, resp)

    def with_hooks(request, reply):
        req = request_of_object(request)
        hooks.before(req)
        try:
            return call(request, reply)
        finally:
            ended(req, reply)

    async def with_hooks_awaited(request, reply):
        req = request_of_object(request)
        hooks.before(req)
        try:
            result = call(request, reply)
            return await result if hasattr(result, "__await__") else result
        finally:
            ended(req, reply)

    wrapper = with_hooks_awaited if kind == "async" else with_hooks
    wrapper.__prefork__ = True
    return wrapper
