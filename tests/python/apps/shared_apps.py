"""What workers share and what each has for itself: `app` is WSGI, `async_app` ASGI, `native_app` native; the path says what is asked."""

import os
import pathlib
import time

import prefork
from prefork import native, on_worker_start, on_worker_stop, shared, state

NOTES = pathlib.Path(os.environ.get("PREFORK_TEST", "/tmp"))
hits = shared.counter("hits")
met = shared.counter("met")
value = shared.value("value", size=2000)


def note(text):
    with open(NOTES / "notes", "a") as notes:
        notes.write(text + "\n")


@on_worker_start
def start():
    if os.environ.get("FAIL_START"):
        raise RuntimeError("no database")
    state.pid = os.getpid()
    state.requests = 0
    note(f"start {os.getpid()} {prefork.worker_id}")


if os.environ.get("ASYNC_HOOKS"):

    @on_worker_start
    async def start_awaited():
        import asyncio

        await asyncio.sleep(0)
        state.loop = asyncio.get_running_loop()
        note("start awaited")

    @on_worker_stop
    async def stop_awaited():
        import asyncio

        assert asyncio.get_running_loop() is state.loop
        note("stop awaited")


@on_worker_stop
def stop():
    note(f"stop {os.getpid()} {state.requests}")


@on_worker_stop
def fail():
    if os.environ.get("FAIL_STOP"):
        raise RuntimeError("a stop that fails")


def answer(path):
    state.requests += 1
    name, _, argument = path.strip("/").partition("/")
    if name == "add":
        return hits.add(int(argument))
    if name == "loop":  # so many times, one at a time
        for _ in range(int(argument)):
            hits.add()
        return os.getpid()
    if name == "hits":
        return hits.value
    if name == "set":
        return value.set(argument.encode())
    if name == "swap":
        expected, _, data = argument.partition("/")
        return value.set(data.encode(), version=int(expected))
    if name == "churn":  # whole versions only, for a while
        for i in range(int(argument)):
            value.set(bytes([65 + os.getpid() % 26]) * (1 + i % 2000))
            read = value.get()
            if read.strip(read[:1]):
                return "torn"
        return "whole"
    if name == "get":
        return "%r %d" % value.read()
    if name == "pid":
        return state.pid
    if name == "meet":  # until so many requests are here at once: each in a worker of its own
        met.add()
        deadline = time.monotonic() + 60
        while met.value < int(argument) and time.monotonic() < deadline:
            time.sleep(0.005)
        return os.getpid()
    if name == "forever":
        note(f"forever {os.getpid()}")
        while True:
            hits.add()
            value.set(b"z" * 2000)
    if name == "api":
        return api()
    return "hello"


def api():
    made = shared.counter("api")
    made.value = 5
    assert made.add(-2) == 3 and made.exchange(9) == 3 and int(made) == 9 and made.name == "api"
    assert shared.counter("api").value == 9
    small = shared.value("small", 4)
    version = small.version
    assert small.get("none") == ("none" if version == 0 else b"abcd") and small.size == 4
    assert small.set(bytearray(b"abcd")) == version + 1 and small.set(b"x", version) is None and small.read() == (b"abcd", version + 1)
    for wrong, error in ((lambda: small.set(b"12345"), ValueError), (lambda: shared.counter("small"), ValueError), (lambda: shared.value("small", 5), ValueError),
                         (lambda: shared.counter(""), ValueError), (lambda: shared.counter("x" * 64), ValueError), (lambda: small.set("text"), TypeError),
                         (lambda: shared.value("huge", 1 << 24), MemoryError)):
        try:
            wrong()
        except error:
            continue
        return f"{error} was not raised"
    return "as documented"


def app(environ, start_response):
    start_response("200 OK", [])
    return [str(answer(environ["PATH_INFO"])).encode()]


async def async_app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(answer(scope["path"])).encode()})


@native.application
def native_app(request, reply):
    return str(answer(request.path))


class Rsgi:
    async def __rsgi__(self, scope, protocol):
        protocol.response_str(200, [], str(answer(scope.path)))


rsgi_app = Rsgi()
