"""Environ variables that only the application sets, for %({name}e)s of the access log, which the master writes.

The reply carries each as a field, which the master takes out again: it is read when the reply starts, so what the application
sets later than that is missing. Used only when access_log_format asks for such a variable.
"""

PREFIX = "x-prefork-environ-"
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


def carrier(name):
    """The name of the field; master/serve/access_format.cpp makes the same of it."""
    return PREFIX + "".join(c if c in _TOKEN else "_" for c in name.lower())


class _Notes:
    def __init__(self, names):
        self._wanted = {name.lower(): carrier(name) for name in names}
        self._spelling = {}  # of the keys that the application uses: lower case -> as it is

    def of(self, environ):
        found = []
        for name, field in self._wanted.items():
            key = self._spelling.get(name, name)
            if key not in environ:
                key = next((one for one in environ if isinstance(one, str) and one.lower() == name), None)
                if key is None:
                    continue
                self._spelling[name] = key
            found.append((field, _line(environ[key])))
        return found


def _line(value):
    """One line of Latin-1, as a field can carry it."""
    text = str(value).encode("utf-8", "surrogateescape").decode("latin-1")
    return "".join(c if c >= " " and c != "\x7f" or c == "\t" else "\\x%02x" % ord(c) for c in text)


def wrap_application(application, interface, names):
    if interface == "native":
        return application  # whose replies start where nothing stands between
    notes = _Notes(names)
    return _wrap_asgi(application, notes) if interface == "asgi" else _wrap_wsgi(application, notes)


def _wrap_wsgi(application, notes):
    def with_notes(environ, start_response):
        def start(status, headers, *exc_info):
            return start_response(status, [*headers, *notes.of(environ)], *exc_info)

        return application(environ, start)

    return with_notes


def _wrap_asgi(application, notes):
    async def with_notes(scope, receive, send):
        async def noted(event):
            if event["type"] == "http.response.start":
                fields = [(name.encode(), value.encode("latin-1")) for name, value in notes.of(scope)]
                event = {**event, "headers": [*event.get("headers", ()), *fields]}
            await send(event)

        await application(scope, receive, noted if scope["type"] == "http" else send)

    return with_notes
