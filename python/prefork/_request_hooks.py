"""The hooks of requests: pre_request and post_request around an application of each interface, and the objects that they are given."""

import os
import signal

from prefork import config as config_file


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
        self.proxy_protocol_info = None
        self.headers = headers
        self.trailers = []
        self.body = None
        self.must_close = False
        self.req_number = 1

    def __str__(self):
        return f"{self.method} {self.path}"

    def shown(self):
        """What the application is told of it, to see whether a hook changed that."""
        return {name: getattr(self, name) for name in ("method", "path", "uri", "query", "scheme")}, list(self.headers)

    def force_close(self):
        self.must_close = True

    def should_close(self):
        if self.must_close:
            return True
        for name, value in self.headers:
            if name == "CONNECTION" and value.strip().lower() in ("close", "keep-alive"):
                return value.strip().lower() == "close"
        return self.version <= (1, 0)


class Response:
    def __init__(self, req):
        self.req = req
        self.status = None
        self.status_code = None
        self.headers = []
        self.response_length = None
        self.sent = 0
        self.headers_sent = False
        self.version = req.version

    def take_status(self, status):
        self.status = status
        code = str(status).split(" ", 1)[0]
        self.status_code = int(code) if code.isdigit() else None

    def take_headers(self, headers):
        self.headers = list(headers)
        self.headers_sent = True
        for name, value in self.headers:
            if name.lower() == "content-length" and value.isdigit():
                self.response_length = int(value)


def request_of_environ(environ):
    uri = environ.get("RAW_URI", "")
    version = environ.get("SERVER_PROTOCOL", "HTTP/1.1")[5:].split(".")
    request = Request(
        environ["REQUEST_METHOD"], _path_of(uri), uri, environ.get("QUERY_STRING", ""), tuple(map(int, version)), environ["wsgi.url_scheme"],
        (environ.get("REMOTE_ADDR", ""), int(environ.get("REMOTE_PORT") or 0)), environ.pop("prefork.fields"),
    )
    request.body = environ["wsgi.input"]
    return request


def _path_of(uri):
    """As it was sent, of /path?query and of http://host/path?query."""
    path = uri.partition("?")[0]
    if "://" in path and not path.startswith("/"):
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path


def change_environ(environ, req, parts, headers):
    """What pre_request has changed of the request, as gunicorn does, whose environ is made after that hook."""
    for key, name in (("REQUEST_METHOD", "method"), ("RAW_URI", "uri"), ("QUERY_STRING", "query"), ("wsgi.url_scheme", "scheme")):
        environ[key] = getattr(req, name)
    if req.path != parts["path"]:
        from urllib.parse import unquote

        path = unquote(req.path, "latin-1")
        environ["PATH_INFO"] = path[len(environ["SCRIPT_NAME"]):] if path.startswith(environ["SCRIPT_NAME"]) else path
    if req.headers != headers:
        for key in [key for key in environ if key.startswith("HTTP_") or key in ("CONTENT_TYPE", "CONTENT_LENGTH")]:
            del environ[key]
        for name, value in req.headers:
            _add_field(environ, name.upper(), value)


def _add_field(environ, name, value):
    key = name.replace("-", "_")
    if name in ("CONTENT-TYPE", "CONTENT-LENGTH"):
        environ[key] = value
    elif key not in ("PROXY", "CONTENT_TYPE", "CONTENT_LENGTH"):  # never under this spelling, as in the worker
        key = "HTTP_" + key
        separator = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = environ[key] + separator + value if key in environ else value


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

    def before(self, req, change=None, told=None):
        """Runs pre_request; change(told, …) tells the application what that has changed."""
        if self.pre:
            parts, headers = req.shown()
            self.pre(self.worker, req)
            if change and req.shown() != (parts, headers):
                change(told, req, parts, headers)
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
            resp.take_headers(headers)
            if req.must_close:
                headers = [*headers, ("Connection", "close")]
            write = start_response(status, headers, *exc_info)

            def counted(block):
                resp.sent += len(block)
                write(block)

            return counted

        hooks.before(req, change_environ, environ)
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
                resp.take_headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.get("headers", ()))
            elif event["type"] == "http.response.body":
                resp.sent += len(event.get("body", b""))
            await send(event)

        hooks.before(req, change_scope, scope)
        try:
            await application(scope, receive, noted)
        finally:
            hooks.after(req, scope, resp)

    return with_hooks


def change_scope(scope, req, parts, headers):
    """As change_environ()."""
    scope["method"], scope["scheme"] = req.method, req.scheme
    scope["query_string"] = req.query.encode("latin-1")
    if req.path != parts["path"]:
        from urllib.parse import quote

        scope["path"], scope["raw_path"] = req.path, quote(req.path).encode()
    if req.headers != headers:
        scope["headers"] = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in req.headers]


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
