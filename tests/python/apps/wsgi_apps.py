"""WSGI applications of tests/python/wsgi: /NAME/ARGUMENT… calls the function NAME. `app` takes all, `validated` checks both sides with
wsgiref.validate. What an application saw beside its answer goes to the file that note() appends to."""

import ctypes
import gc
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
from wsgiref.validate import validator

PLAIN = [("Content-Type", "text/plain")]
FOLDER = pathlib.Path(os.environ.get("PREFORK_TEST", "."))


def app(environ, start_response):
    _, name, *arguments = environ["PATH_INFO"].split("/")
    return globals()["do_" + (name or "hello")](environ, start_response, *arguments)


def whole(start_response, body, status="200 OK", *more):
    start_response(status, [*PLAIN, ("Content-Length", str(len(body))), *more])
    return [body]


def note(token, text):
    with open(FOLDER / f"note-{token}", "a") as file:
        file.write(text + "\n")


def wait_for(token):
    """Until the test has made the file go-TOKEN."""
    deadline = time.monotonic() + 60
    while not (FOLDER / f"go-{token}").exists():
        if time.monotonic() > deadline:
            raise TimeoutError(token)
        time.sleep(0.005)


def do_hello(environ, start_response):
    return whole(start_response, b"Hello, World!")


def do_environ(environ, start_response, *rest):
    shown = {key: [type(value).__name__, value if isinstance(value, (str, int, float, bool)) else repr(value)] for key, value in environ.items()}
    return whole(start_response, json.dumps(shown).encode())


def do_keep(environ, start_response):
    """Until the next such request: the server makes new objects for the one between."""
    do_keep.kept = environ, start_response
    return whole(start_response, b"kept")


def do_pid(environ, start_response):
    return whole(start_response, str(os.getpid()).encode())


READ = {
    "all": lambda body: [body.read()],
    "minus-one": lambda body: [body.read(-1)],
    "sized": lambda body: list(iter(lambda: body.read(7), b"")),
    "zero": lambda body: [body.read(0), body.read()],
    "lines": lambda body: list(iter(body.readline, b"")),
    "sized-lines": lambda body: list(iter(lambda: body.readline(4), b"")),
    "readlines": lambda body: body.readlines(),
    "hinted": lambda body: [line for lines in iter(lambda: body.readlines(5), []) for line in lines],
    "iterated": lambda body: list(body),
    "named": lambda body: [body.read(size=2), body.readline(size=100), *body.readlines(hint=1), body.read(size=1 << 100)],
    "into": lambda body: _into(body),
    "beyond": lambda body: [body.read(), body.read(), body.read(9), body.readline(), *body.readlines(), *body, body.read(-1)],
    "buffered": lambda body: [io.BufferedReader(_Raw(body)).read()],
}


class _Raw(io.RawIOBase):
    def __init__(self, body):
        self.body = body

    def readable(self):
        return True

    def readinto(self, buffer):
        return self.body.readinto(buffer)


def _into(body):
    buffer, pieces = bytearray(5), []
    while count := body.readinto(buffer):
        pieces.append(bytes(buffer[:count]))
    return pieces


def do_read(environ, start_response, style):
    return whole(start_response, json.dumps([piece.decode("latin-1") for piece in READ[style](environ["wsgi.input"])]).encode())


def do_echo(environ, start_response):
    return whole(start_response, environ["wsgi.input"].read())


def do_digest(environ, start_response):
    digest, size = hashlib.sha256(), 0
    while piece := environ["wsgi.input"].read(65536):
        digest.update(piece)
        size += len(piece)
    return whole(start_response, f"{digest.hexdigest()} {size}".encode())


def do_ignore(environ, start_response):
    return whole(start_response, b"ignored")


def do_broken_off(environ, start_response, token):
    note(token, "started")
    try:
        note(token, f"whole {len(environ['wsgi.input'].read())}")
    except OSError as error:
        note(token, type(error).__name__)
        raise
    return whole(start_response, b"")


class Body:
    """Notes what the server does to it."""

    def __init__(self, token, blocks, fail_at=None):
        self.token, self.blocks, self.fail_at, self.next = token, blocks, fail_at, 0

    def __iter__(self):
        note(self.token, "iter")
        return self

    def __next__(self):
        if self.next == self.fail_at:
            raise RuntimeError("deliberate")
        if self.next == len(self.blocks):
            raise StopIteration
        self.next += 1
        return self.blocks[self.next - 1]

    def close(self):
        note(self.token, f"close after {self.next}")


def do_closed(environ, start_response, token, kind):
    status, headers = "200 OK", list(PLAIN)
    if kind == "no-content":
        status, headers = "204 No Content", []
    if kind == "longer":
        headers.append(("Content-Length", "3"))
    if kind == "never-started":
        return Body(token, [b"aa"])
    start_response(status, headers)
    if kind == "endless":
        return Body(token, [b"x" * 65536] * 100_000)
    return Body(token, [b"aa", b"bb"], {"fails-first": 0, "fails-later": 1}.get(kind))


BODIES = {
    "list": lambda: [b"a", b"b", b"", b"c"],
    "tuple": lambda: (b"a", b"bc"),
    "bytes": lambda: b"abc",
    "generator": lambda: (block for block in (b"", b"a", b"", b"bc", b"")),
    "iterator": lambda: iter([b"ab", b"c"]),
    "file": lambda: io.BytesIO(b"abc"),
    "set": lambda: {b"abc"},
    "getitem": lambda: _Sequence(),
    "subclass": lambda: type("List", (list,), {})([b"abc"]),
    "bytes-subclass": lambda: [type("Bytes", (bytes,), {})(b"abc")],
}
EMPTY = {"list": lambda: [], "tuple": lambda: (), "one": lambda: [b""], "generator": lambda: (block for block in ()), "empties": lambda: iter([b"", b""])}
WRONG = {
    "none": lambda: None, "str": lambda: "text", "number": lambda: 5, "function": lambda: len, "str-block": lambda: ["text"],
    "second-block": lambda: [b"a", "text"], "generator": lambda: (block for block in ("text",)), "none-block": lambda: [None], "bytearray": lambda: [bytearray(b"a")],
}


class _Sequence:
    def __getitem__(self, index):
        return [b"ab", b"c"][index]


def do_body(environ, start_response, group, kind):
    start_response("200 OK", PLAIN)
    return {"good": BODIES, "empty": EMPTY, "wrong": WRONG}[group][kind]()


def do_length(environ, start_response, length, *words):
    start_response("200 OK", [*PLAIN, ("Content-Length", length)])
    return (word.encode() for word in words)


def do_status(environ, start_response, status, *words):
    start_response(status.replace("_", " "), [])
    return [word.encode() for word in words]


def do_gated(environ, start_response, token, kind):
    """The second block is made when the test has seen the first."""
    write = start_response("200 OK", PLAIN)

    def blocks():
        yield b"first"
        wait_for(token)
        yield b"second"

    if kind == "write":
        for block in blocks():
            write(block)
        return []
    return blocks()


def do_silent(environ, start_response, token):
    start_response("200 OK", PLAIN)
    yield b""
    note(token, "empty block")
    wait_for(token)
    yield b"now"


def do_write(environ, start_response):
    write = start_response("200 OK", PLAIN)
    write(b"one ")
    write(b"")
    write(b"two ")
    return [b"three"]


def do_write_text(environ, start_response):
    try:
        start_response("200 OK", PLAIN)("text")
    except TypeError:
        return [b"TypeError"]
    return [b"nothing"]


def do_late(environ, start_response):
    start_response("203 Late", [("X-Late", "yes")])
    yield b"late"


def do_twice(environ, start_response):
    start_response("200 OK", PLAIN)
    try:
        start_response("201 Created", PLAIN)
    except AssertionError:
        return [b"AssertionError"]
    return [b"nothing"]


def do_replaced(environ, start_response, when):
    write = start_response("200 OK", [("X-First", "1"), ("Content-Length", "5")])
    if when == "after-write":
        write(b"")
    try:
        raise ValueError("deliberate")
    except ValueError:
        start_response("503 Replaced", [("X-Second", "1")], exc_info=sys.exc_info())
    return [b"replaced"]


def do_too_late(environ, start_response, token):
    start_response("200 OK", PLAIN)
    yield b"sent"
    error = ValueError("deliberate")
    try:
        raise error
    except ValueError:
        try:
            start_response("500 Error", PLAIN, sys.exc_info())
        except ValueError as raised:
            note(token, str(raised is error))
            raise


HEADERS = {
    "none": None, "dict": {"X-A": "1"}, "text": "X-A: 1", "triple": [("X-A", "1", "2")], "list-pair": [["X-A", "1"]], "name-number": [(1, "a")],
    "name-bytes": [(b"X-A", "a")], "value-number": [("X-A", 1)], "value-none": [("X-A", None)], "value-bytes": [("X-A", b"a")],
    "value-wide": [("X-A", "\u2603")], "name-wide": [("X-\u2603", "a")], "name-empty": [("", "a")], "name-space": [("X A", "a")],
    "name-colon": [("X-A:", "a")], "name-lines": [("X-A: 1\r\nX-B", "a")], "value-lines": [("X-A", "a\r\nX-B: 1")], "value-newline": [("X-A", "a\n")],
    "value-nul": [("X-A", "a\0")], "length-word": [("Content-Length", "abc")], "length-negative": [("Content-Length", "-1")],
    "length-twice": [("Content-Length", "4"), ("Content-Length", "5")], "huge": [("X-A", "a" * 100_000)] * 100,
    "many": [("X-A", "")] * 100_000, "name-long": [("X-A" * 30_000, "a")],
}
STATUSES = {"number": 200, "bytes": b"200 OK", "none": None, "empty": "", "word": "OK fine", "lines": "200 OK\r\nX-B: 1", "long": "2000 OK", "short": "20 OK",
            "wide": "200 \u2603", "interim": "102 Processing", "switching": "101 Switching Protocols", "huge": "200 " + "a" * 2_000_000}


def do_bad_headers(environ, start_response, kind):
    start_response("200 OK", HEADERS[kind])
    return [b"body"]


def do_bad_status(environ, start_response, kind):
    start_response(STATUSES[kind], PLAIN)
    return [b"body"]


def do_hop_by_hop(environ, start_response):
    hops = [("Connection", "X-A"), ("Keep-Alive", "timeout=77"), ("Transfer-Encoding", "chunked"), ("TE", "trailers"), ("Upgrade", "x/1"), ("Trailer", "X-A")]
    start_response("200 OK", [*PLAIN, *hops])
    return [b"hop ", b"body"]


def do_close(environ, start_response):
    return whole(start_response, b"last", "200 OK", ("Connection", "close"))


def do_fields(environ, start_response):
    fields = [("Set-Cookie", "a=1"), ("X-Between", ""), ("Set-Cookie", "b=2"), ("X-Latin", "caf\xe9"), ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("Server", "own")]
    return whole(start_response, b"f", "200 OK", *fields)


def do_many_fields(environ, start_response):
    return whole(start_response, b"m", "200 OK", *((f"X-{i}", "v" * 100) for i in range(200)))


def do_large_head(environ, start_response, size):
    return whole(start_response, b"large", "200 OK", ("X-Large", "a" * int(size)))


HINTS = {
    "link": [("Link", "</style.css>; rel=preload; as=style")], "framing": [("Content-Length", "3"), ("Transfer-Encoding", "chunked"), ("Link", "</style.css>; rel=preload; as=style")],
    "lines": [("Link", "a\r\nX-B: 1")], "control": [("Link", "a\x01")], "name": [("Li nk", "a")], "bytes": [(b"Link", b"a")],
    "name-long": [("X-A" * 30_000, "a")], "huge": [("Link", "a" * 100_000)] * 20, "many": [("X-A", "")] * 100_000,
}


def do_hints(environ, start_response, kind="link"):
    environ["wsgi.early_hints"](HINTS[kind])
    return whole(start_response, b"hinted")


def do_raise(environ, start_response, when, what="RuntimeError"):
    error = {"BrokenText": BrokenText, "SystemExit": SystemExit}.get(what) or getattr(__builtins__, what, None) or __builtins__[what]
    if when == "before":
        raise error("deliberate")
    start_response("200 OK", PLAIN)
    if when == "started":
        raise error("deliberate")
    return _raising(error, b"some" if when == "later" else b"")


def _raising(error, block):
    yield block
    raise error("deliberate")


class BrokenText(Exception):
    def __str__(self):
        raise ValueError("no text")

    __repr__ = __str__


def do_recursion(environ, start_response):
    return do_recursion(environ, start_response)


def do_errors(environ, start_response):
    stream = environ["wsgi.errors"]
    print("printed", "words", file=stream)
    stream.writelines(["one line\n", "another \u2603\n"])
    stream.flush()
    return whole(start_response, b"logged")


def do_error_lines(environ, start_response, token):
    for i in range(200):
        print(token * 40, i, file=environ["wsgi.errors"])
    return whole(start_response, b"logged")


def do_disconnected(environ, start_response, token):
    gone = environ["prefork.client_disconnected"]
    note(token, str(gone()))
    deadline = time.monotonic() + 60
    while not gone() and time.monotonic() < deadline:
        time.sleep(0.01)
    note(token, str(gone()))
    return whole(start_response, b"")


def do_file(environ, start_response, size, offset="0", length=""):
    path = FOLDER / f"file-{size}"
    if not path.exists():
        path.write_bytes(b"".join(b"%09d\n" % i for i in range(int(size) // 10)))
    file = open(path, "rb", buffering=0 if environ["QUERY_STRING"] == "raw" else -1)
    file.seek(int(offset))
    if environ["QUERY_STRING"] == "ahead":
        file.read(10)
    start_response("200 OK", [("Content-Type", "application/octet-stream"), *([("Content-Length", length)] if length else [])])
    return environ["wsgi.file_wrapper"](Noted(file) if environ["QUERY_STRING"] == "noted" else file)


class Noted:
    def __init__(self, file):
        self.file, self.read = file, file.read

    def close(self):
        note("file", "close")
        self.file.close()


def do_pipe(environ, start_response):
    reading, writing = os.pipe()
    threading.Thread(target=lambda: (os.write(writing, b"through a pipe"), os.close(writing))).start()
    start_response("200 OK", PLAIN)
    return environ["wsgi.file_wrapper"](os.fdopen(reading, "rb"))


def do_device(environ, start_response, *path):
    """/device/PATH/LENGTH: PATH is below /dev, and LENGTH is announced unless it is empty."""
    start_response("200 OK", [*PLAIN, *([("Content-Length", path[-1])] if path[-1] else [])])
    return environ["wsgi.file_wrapper"](open(os.path.join("/dev", *path[:-1]), "rb"))


def do_gzip(environ, start_response):
    import gzip

    with gzip.open(FOLDER / "packed.gz", "wb") as file:
        file.write(b"unpacked")
    start_response("200 OK", PLAIN)
    return environ["wsgi.file_wrapper"](gzip.open(FOLDER / "packed.gz"))


def do_blocks(environ, start_response, count, size):
    start_response("200 OK", PLAIN)
    block = b"b" * int(size)
    return (block for _ in range(int(count)))


def do_list(environ, start_response, count, size):
    start_response("200 OK", PLAIN)
    return [b"l" * int(size)] * int(count)


def do_die(environ, start_response, how):
    if how == "kill":
        os.kill(os.getpid(), 9)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "exit":
        os._exit(7)
    if how == "close-fds":
        for number in range(3, 30):
            try:
                os.close(number)
            except OSError:
                pass
    return whole(start_response, b"alive")


def do_fork(environ, start_response):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return whole(start_response, b"forked")


def do_subprocess(environ, start_response):
    code = "import json, sys; print(json.dumps([sys.executable, sys.prefix, sys.base_prefix]))"
    return whole(start_response, subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


def do_multiprocessing(environ, start_response, method):
    import multiprocessing

    with multiprocessing.get_context(method).Pool(2) as pool:
        return whole(start_response, repr(pool.map(abs, [-1, -2, 3])).encode())


def do_make_environment(environ, start_response):
    """Makes an environment as an application's installer would: [its folder, the prefix that its own python has]."""
    folder = FOLDER / f"inner-{os.getpid()}"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    ran = subprocess.run([str(folder / "bin" / "python"), "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True)
    return whole(start_response, json.dumps([str(folder), ran.stdout.strip()]).encode())


def do_thread_reads(environ, start_response):
    """The body is read by another thread, as an executor would."""
    body = []
    thread = threading.Thread(target=lambda: body.append(environ["wsgi.input"].read()))
    thread.start()
    thread.join()
    return whole(start_response, body[0])


def do_python(environ, start_response):
    shown = {"executable": sys.executable, "prefix": sys.prefix, "base_prefix": sys.base_prefix, "version": sys.version, "path": sys.path,
             "site": [path for path in sys.path if path.endswith("-packages")], "argv": sys.argv, "orig_argv": getattr(sys, "orig_argv", sys.argv)}
    return whole(start_response, json.dumps(shown).encode())


def do_references(environ, start_response):
    """What is alive: references of a debug build, blocks of memory of another."""
    gc.collect()
    return whole(start_response, str(getattr(sys, "gettotalrefcount", sys.getallocatedblocks)()).encode())


def do_threads(environ, start_response):
    return whole(start_response, json.dumps([environ["wsgi.multithread"], environ["wsgi.multiprocess"], threading.current_thread().name]).encode())


def do_sleep(environ, start_response, seconds):
    time.sleep(float(seconds))
    return whole(start_response, b"slept")


def _checked(environ, start_response):
    """Within the rules, in the way that PATH_INFO says."""
    kind = environ["PATH_INFO"].rpartition("/")[2]
    body = b"checked "
    while piece := environ["wsgi.input"].read(1000):
        body += piece
    environ["wsgi.errors"].flush()
    if kind == "write":
        start_response("200 OK", PLAIN)(body)
        return []
    if kind == "empty":
        start_response("204 No Content", [])
        return []
    if kind == "generator":
        start_response("200 OK", PLAIN)
        return (bytes([byte]) for byte in body)
    return whole(start_response, body)


validated = validator(_checked)


class ClassApp:
    """Its instance is the iterable (PEP 3333, the second example)."""

    def __init__(self, environ, start_response):
        self.start_response = start_response

    def __iter__(self):
        self.start_response("200 OK", PLAIN)
        yield b"class"


def megabytes(environ, start_response):
    """/N: N MiB, in one piece."""
    body = bytes(int(environ["PATH_INFO"][1:] or 0) << 20)
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))])
    return [body]
