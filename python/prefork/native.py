"""The native interface: one call with a request that is looked at as it is needed and a reply that is filled in (docs/native.md).

    from prefork import native

    @native.application
    def app(request, reply):
        reply.header("content-type", "text/plain")
        return b"hello " + request.path.encode()
"""

import re


def application(function):
    """Marks a callable application(request, reply) as one of this interface; nothing else is done to it. A decorator."""
    function.__prefork__ = True
    return function


_PLACE = re.compile(r"\{([a-zA-Z_]\w*)(:path)?\}")


class Router:
    """An application that calls others by method and path: "/items/{item}" matches one segment, "{rest:path}" the rest.

    What a place matched is in request.params. Nothing matches: 404; another method would: 405.
    """

    __prefork__ = True

    def __init__(self):
        self._plain = {}  # path: {method: function}
        self._patterns = []  # (compiled pattern, {method: function})

    def route(self, path, *methods):
        """Registers a function for a path; without methods for GET, and HEAD with it. A decorator."""
        methods = [method.upper() for method in methods] or ["GET"]

        def register(function):
            table = self._table(path)
            for method in methods:
                table[method] = function
            if "GET" in methods:
                table.setdefault("HEAD", function)
            return function

        return register

    def get(self, path):
        return self.route(path, "GET")

    def post(self, path):
        return self.route(path, "POST")

    def put(self, path):
        return self.route(path, "PUT")

    def delete(self, path):
        return self.route(path, "DELETE")

    def _table(self, path):
        if "{" not in path:
            return self._plain.setdefault(path, {})
        parts, end = [], 0
        for place in _PLACE.finditer(path):
            parts.append(re.escape(path[end : place.start()]))
            parts.append(f"(?P<{place[1]}>{'.*' if place[2] else '[^/]+'})")
            end = place.end()
        pattern = re.compile("".join(parts) + re.escape(path[end:]), re.DOTALL)
        for known, table in self._patterns:
            if known == pattern:
                return table
        table = {}
        self._patterns.append((pattern, table))
        return table

    def find(self, request):
        """(function, None), with request.params set, or (None, the methods that the path has)."""
        path, method = request.path, request.method
        table = self._plain.get(path)
        if table is not None and method in table:
            return table[method], None
        allowed = set(table or ())
        for pattern, functions in self._patterns:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            if method in functions:
                request.params = match.groupdict()
                return functions[method], None
            allowed.update(functions)
        return None, allowed

    def __call__(self, request, reply):
        function, allowed = self.find(request)
        if function is not None:
            return function(request, reply)
        return refuse(reply, allowed)


class AsyncRouter(Router):
    """The same for coroutine functions."""

    async def __call__(self, request, reply):
        function, allowed = self.find(request)
        if function is not None:
            return await function(request, reply)
        return refuse(reply, allowed)


def refuse(reply, allowed):
    reply.status = 405 if allowed else 404
    if allowed:
        reply.header("allow", ", ".join(sorted(allowed)))
    return "Method Not Allowed\n" if allowed else "Not Found\n"
