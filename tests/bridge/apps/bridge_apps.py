"""Applications of the bridge's unit tests, which run in a worker process under a fake master: /NAME/ARGUMENT… calls the function."""

import io
import json
import os
import sys
import tempfile
import threading
import time

PLAIN = [("Content-Type", "text/plain")]


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [b"Hello, World!"]


def app(environ, start_response):
    name, *arguments = environ["PATH_INFO"].strip("/").split("/")
    return globals()["do_" + name](environ, start_response, *arguments)


def whole(start_response, body, status="200 OK", *more):
    start_response(status, [*PLAIN, ("Content-Length", str(len(body))), *more])
    return [body]


def do_environ(environ, start_response):
    shown = {key: value if isinstance(value, (str, int, float, bool)) else repr(value) for key, value in environ.items()}
    return whole(start_response, json.dumps(shown).encode())


def do_bare(environ, start_response):
    """One block and no length."""
    start_response("200 OK", PLAIN)
    return [b"one block"]


def do_blocks(environ, start_response, count, size):
    start_response("200 OK", PLAIN)
    return (b"b" * int(size) for _ in range(int(count)))


def do_list(environ, start_response, count, size):
    start_response("200 OK", PLAIN)
    return [b"l" * int(size)] * int(count)


def do_steps(environ, start_response):
    """The second block is produced when the client has asked for it with body bytes."""
    start_response("200 OK", PLAIN)
    yield b"first"
    yield environ["wsgi.input"].read(6)


def do_echo(environ, start_response):
    return whole(start_response, environ["wsgi.input"].read())


def do_read(environ, start_response, size):
    return whole(start_response, environ["wsgi.input"].read(int(size)))


def do_lines(environ, start_response):
    return whole(start_response, b"|".join(environ["wsgi.input"]))


def do_aborted(environ, start_response):
    try:
        environ["wsgi.input"].read()
    except OSError as error:
        return whole(start_response, type(error).__name__.encode())
    return whole(start_response, b"no error")


def do_length(environ, start_response, length, *words):
    start_response("200 OK", [*PLAIN, ("Content-Length", length)])
    return (word.encode() for word in words)


def do_raise(environ, start_response, when):
    if when == "before":
        raise RuntimeError("deliberate")
    start_response("200 OK", PLAIN)
    if when == "started":
        raise RuntimeError("deliberate")
    return raising(when)


def raising(when):
    if when == "first":
        raise RuntimeError("deliberate")
    yield b"some"
    raise {"later": RuntimeError("deliberate"), "exit": SystemExit(3)}[when]


def do_exit(environ, start_response):
    sys.exit(3)


def do_file(environ, start_response, offset):
    file = tempfile.TemporaryFile(buffering=int(environ.get("HTTP_X_BUFFERING", "8192")))
    file.write(b"0123456789" * 1000)
    file.seek(int(offset))
    start_response("200 OK", PLAIN)
    return environ["wsgi.file_wrapper"](file)


def do_memory_file(environ, start_response):
    start_response("200 OK", PLAIN)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"in memory"))


def do_hints(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload")])
    return whole(start_response, b"hinted")


KEPT = []


def do_keep(environ, start_response):
    """Keeps everything of the request; the next ones try to use it."""
    KEPT.append((environ, start_response, environ["wsgi.input"], start_response("200 OK", PLAIN)))
    return [b"kept"]


def do_use_kept(environ, start_response):
    old, old_start, old_input, old_write = KEPT[0]
    seen = []
    for call in (lambda: old_start("500 No", []), lambda: old_write(b"x"), lambda: old_input.read(), lambda: old["wsgi.early_hints"]([])):
        try:
            call()
            seen.append("nothing")
        except Exception as error:
            seen.append(type(error).__name__)
    seen += [str(old["prefork.client_disconnected"]()), old["PATH_INFO"]]
    return whole(start_response, " ".join(seen).encode())


def do_spoil(environ, start_response):
    seen = "spoiled" in environ or "HTTP_X_SPOILED" in environ or environ["wsgi.url_scheme"] != "http"
    environ["spoiled"] = environ["HTTP_X_SPOILED"] = "yes"
    environ["wsgi.url_scheme"] = "spoiled"
    del environ["SERVER_NAME"]
    return whole(start_response, str(seen).encode())


def do_gone(environ, start_response):
    """Produces until nobody listens, and says when it is closed."""
    start_response("200 OK", PLAIN)
    return Endless()


class Endless:
    def __iter__(self):
        return self

    def __next__(self):
        return b"x" * 65536

    def close(self):
        print("closed", file=sys.stderr, flush=True)


BARRIER = threading.Barrier(3)


def do_together(environ, start_response):
    """Answered only when three threads are in here at once."""
    BARRIER.wait(60)
    return whole(start_response, threading.current_thread().name.encode())


def do_pid(environ, start_response):
    return whole(start_response, str(os.getpid()).encode())


def do_errors(environ, start_response):
    print("half a line", end="", file=environ["wsgi.errors"])
    print(" and the rest \u2603 \ud800", file=environ["wsgi.errors"])
    environ["wsgi.errors"].write("unfinished")
    return whole(start_response, b"ok")


def do_main(environ, start_response):
    import __main__  # noqa: F401
    import multiprocessing
    import subprocess

    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        number = pool.apply(abs, (-7,))
    child = subprocess.run([sys.executable, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True)
    shown = {"number": number, "executable": sys.executable, "prefix": sys.prefix, "child": child.stdout.strip(), "path0": sys.path[0]}
    return whole(start_response, json.dumps(shown).encode())


def do_sleep(environ, start_response, seconds):
    time.sleep(float(seconds))
    return whole(start_response, b"slept")


class Factory:
    def __init__(self, word, times=1):
        self.body = (word * times).encode()

    def __call__(self, environ, start_response):
        return whole(start_response, self.body)


def make(word, times=1):
    return Factory(word, times=times)


class Namespace:
    application = Factory("attribute")


namespace = Namespace()


def do_total(environ, start_response):
    """All references of the interpreter, where it was built to count them."""
    import gc

    gc.collect()
    return whole(start_response, str(getattr(sys, "gettotalrefcount", lambda: -1)()).encode())
