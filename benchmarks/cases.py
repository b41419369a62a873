"""What is measured: a case is an application, a request, and how many ask at once."""

import dataclasses
import json
import pathlib
import sys
import typing

sys.path.insert(0, str(pathlib.Path(__file__).parent / "apps"))
import wsgi_app  # noqa: E402  (the replies that the check compares with)

BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br",
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark",
    "Upgrade-Insecure-Requests: 1",
    "Cache-Control: max-age=0",
)  # with Host: eight

HELLO = b"Hello, world!"


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    title: str
    interface: str
    app: str
    expects: typing.Callable
    connections: int = 64
    path: str = "/"
    headers: tuple = ()
    body_bytes: int = 0
    pipeline: int = 1
    workers: int = 1
    threads: int = 1
    pinned: bool = True       # the whole server on one core, the client on another
    logged: bool = False      # with the access log on
    kind: str = "wrk"         # wrk, ws, head-of-line, idle
    quick: bool = False       # part of --quick

    def setup(self):
        """Cases with the same setup are measured against the same running servers."""
        return self.interface, self.app, self.workers, self.threads, self.pinned, self.logged


def same(expected):
    return lambda body: body == expected


def json_of(expected):
    def check(body):
        try:
            return json.loads(body) == expected
        except ValueError:
            return False

    return check


def _wsgi():
    def case(name, title, app="hello", expects=same(HELLO), **more):
        return Case(name, title, "wsgi", f"wsgi_app:{app}", expects, **more)

    yield case("hello", "hello, no headers, c=64", quick=True)
    for c in (1, 8, 64, 256, 512):
        yield case(f"headers-{c}", f"hello, 8 browser headers, c={c}", headers=BROWSER, connections=c, quick=c in (8, 64))
    page = wsgi_app.fortunes_page()
    for c in (64, 512):
        yield case(f"fortunes-{c}", f"2 KB fortunes page, c={c}", "fortunes", same(page), headers=BROWSER, connections=c, quick=c == 64)
    yield case("echo-64k", "64 KB echo, c=16", "echo", same(b"x" * 65536), body_bytes=65536, connections=16, quick=True)
    yield case("reply-1m", "1 MB reply, c=8", "big", same(wsgi_app.MEGABYTE), connections=8, quick=True)
    yield case("stream", "16 KB x 100 streamed, c=8", "stream", same(wsgi_app.PIECE * 100), connections=8, quick=True)
    yield case("file-1m", "1 MB file (wsgi.file_wrapper), c=8", "file", same(wsgi_app.MEGABYTE), connections=8, quick=True)
    yield case("pipelined", "hello pipelined x16, c=64", pipeline=16, quick=True)
    yield case("idle-10k", "hello, 8 headers, c=64, beside 10,000 idle connections", headers=BROWSER, kind="idle")
    yield case("access-log", "hello, 8 headers, access log, c=64", headers=BROWSER, logged=True)
    yield Case("flask", "Flask, c=64", "wsgi", "flask_app:app", same(HELLO), headers=BROWSER, quick=True)
    yield Case("django", "Django, c=64", "wsgi", "django_app:app", same(HELLO), headers=BROWSER)
    yield case("free-2", "hello, 8 headers, 2 workers free, c=64", headers=BROWSER, workers=2, pinned=False)
    yield case("free-fortunes", "fortunes, 2 workers free, c=64", "fortunes", same(page), headers=BROWSER, workers=2, pinned=False)
    hol = {"workers": 4, "pinned": False, "kind": "head-of-line", "connections": 32}
    yield case("head-of-line", "fast requests, 2 of 4 workers blocked", "sleepy", quick=True, **hol)
    yield case("head-of-line-threads", "the same, 4 threads a worker", "sleepy", threads=4, **hol)


def _asgi():
    def case(name, title, app="hello", expects=same(HELLO), **more):
        return Case(f"asgi-{name}", f"ASGI {title}", "asgi", f"asgi_app:{app}", expects, **more)

    yield case("hello", "hello, c=64", quick=True)
    yield case("headers-64", "hello, 8 headers, c=64", headers=BROWSER)
    yield case("fortunes", "fortunes, c=64", "fortunes", same(wsgi_app.fortunes_page()), headers=BROWSER)
    yield case("echo-64k", "64 KB echo, c=16", "echo", same(b"x" * 65536), body_bytes=65536, connections=16, quick=True)
    yield case("stream", "16 KB x 100 streamed, c=8", "stream", same(wsgi_app.PIECE * 100), connections=8, quick=True)
    user = json_of({"name": "ann", "times": 3, "greetings": ["Hello, ann!"] * 3})
    yield Case("fastapi", "FastAPI JSON, c=64", "asgi", "fastapi_app:app", user, path="/user/ann?times=3", headers=BROWSER, quick=True)
    yield Case("starlette", "Starlette, c=64", "asgi", "starlette_app:app", same(HELLO), headers=BROWSER)
    yield case("head-of-line", "fast requests, 2 of 4 loops busy", "sleepy", workers=4, pinned=False, kind="head-of-line", connections=32)
    yield Case("ws-echo", "WebSocket echo, 100 bytes, c=64", "ws", "asgi_app:ws", same(b""), kind="ws", quick=True)


def _native():
    for name, title, app in (("hello", "on a thread", "hello"), ("async-hello", "on an event loop", "hello_async")):
        yield Case(f"native-{name}", f"native hello {title}, 8 headers, c=64", "native", f"native_app:{app}", same(HELLO), headers=BROWSER, quick=True)


CASES = [*_wsgi(), *_asgi(), *_native()]
BY_NAME = {case.name: case for case in CASES}
