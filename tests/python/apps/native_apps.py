"""Applications of the native interface: `app` on threads, `async_app` on an event loop; the path says what is asked."""

import asyncio
import json
import os
import pathlib
import tempfile
import time

from prefork import native

NOTES = pathlib.Path(os.environ.get("PREFORK_TEST", "/tmp"))
PIECE = b"x" * 65536

routes = native.Router()
app = routes
kept = []


def note(text):
    with open(NOTES / "notes", "a") as notes:
        notes.write(text + "\n")


def facts(request):
    headers = request.headers
    return json.dumps({
        "method": request.method, "path": request.path, "query": request.query, "target": request.target, "scheme": request.scheme,
        "http_version": request.http_version, "host": request.host, "client": request.client and request.client[0], "server": request.server[0],
        "content_length": request.content_length, "disconnected": request.disconnected, "params": request.params, "repr": repr(request),
        "names": headers.keys(), "two": headers.get_all("X-Two"), "first": headers.get("x-two"), "none": headers.get("nothing", "else"),
        "contains": "USER-AGENT" in headers, "length": len(headers), "iterated": list(headers), "items": headers.items(), "bytes": headers.get(b"x-two"),
    })


@routes.get("/")
def hello(request, reply):
    return b"hello"


@routes.get("/facts")
def show_facts(request, reply):
    reply.header("Content-Type", "application/json")
    return facts(request)


@routes.get("/items/{item}")
def item(request, reply):
    return request.params["item"]


@routes.route("/files/{rest:path}", "GET", "PUT")
def rest(request, reply):
    return request.method + " " + request.params["rest"]


@routes.get("/status")
def status(request, reply):
    reply.status = 418
    reply.headers = {"X-One": "1"}
    reply.header(b"x-two", "ü")
    reply.header("X-Two", b"again")
    assert reply.headers == [("X-One", "1"), ("x-two", "ü"), ("X-Two", "again")], reply.headers
    return ["a", b"b", bytearray(b"c"), memoryview(b"d")]


@routes.get("/text")
def text(request, reply):
    return "grün"


@routes.get("/nothing")
def nothing(request, reply):
    pass


@routes.get("/generated")
def generated(request, reply):
    reply.status = 201
    reply.header("x-late", "yes")
    for i in range(3):
        yield f"{i};"
    note("generated")


@routes.get("/written")
def written(request, reply):
    reply.write("one;")
    assert reply.started
    try:
        reply.status = 500
    except RuntimeError as error:
        reply.write(str(error) + ";")
    return b"end"


@routes.post("/body")
def body(request, reply):
    assert request.body is request.body
    return f"{len(request.body)} {request.body[:5]!r}"


@routes.post("/stream")
def stream(request, reply):
    return str(sum(map(len, request.stream)))


@routes.get("/file")
def file(request, reply):
    reply.header("content-type", "text/plain")
    reply.file(__file__)


@routes.get("/part")
def part(request, reply):
    with tempfile.TemporaryFile() as temporary:
        temporary.write(b"0123456789")
        temporary.flush()
        reply.file(temporary, 2, 5)


@routes.get("/raise")
def fail(request, reply):
    reply.header("x-mine", "never")
    raise ValueError("before the first byte")


@routes.get("/raise-late")
def fail_late(request, reply):
    yield b"a part"
    raise ValueError("after the first byte")


@routes.get("/short")
def short(request, reply):
    reply.header("content-length", "10")
    return b"short"


@routes.get("/bad/{what}")
def bad(request, reply):
    what = request.params["what"]
    if what == "dict":
        return {"a": 1}
    if what == "number":
        return 5
    if what == "status":
        reply.status = 99
    elif what == "name":
        reply.header("a b", "c")
    elif what == "value":
        reply.header("a", "b\r\nc: d")
    elif what == "items":
        return [b"a", 5]


@routes.get("/keep")
def keep(request, reply):
    kept.append((request, request.headers, reply))
    return b"kept"


@routes.get("/kept")
def look(request, reply):
    old, headers, old_reply = kept.pop()
    lines = [old.method, old.path, headers["x-kept"], str(old.disconnected)]
    for use in (lambda: old.body, lambda: old_reply.write(b"x"), lambda: setattr(old_reply, "status", 201)):
        try:
            use()
        except RuntimeError as error:
            lines.append(str(error))
    return ";".join(lines)


@routes.get("/state")
def state(request, reply):
    before = vars(request.state).copy()
    request.state.me = request  # a circle
    return repr(before)


@routes.get("/endless")
def endless(request, reply):
    try:
        while True:
            yield PIECE
    finally:
        note("closed")


@routes.get("/wait")
def wait(request, reply):
    note("waiting")
    while not request.disconnected:
        time.sleep(0.01)
    note("gone")


async_routes = native.AsyncRouter()
async_app = async_routes


def also_async(path, *methods):
    """The sync function's own answer on the event loop, where it needs nothing that must be awaited."""
    function = routes._table(path)[methods[0] if methods else "GET"]

    async def answer(request, reply):
        return function(request, reply)

    async_routes.route(path, *methods)(answer)


for path in ("/", "/facts", "/items/{item}", "/status", "/text", "/nothing", "/generated", "/file", "/part", "/raise", "/raise-late", "/short",
             "/bad/{what}", "/keep", "/state"):
    also_async(path)
also_async("/files/{rest:path}", "GET", "PUT")


@async_routes.get("/written")
async def async_written(request, reply):
    await reply.write("one;")
    assert reply.started
    try:
        reply.status = 500
    except RuntimeError as error:
        await reply.write(str(error) + ";")
    await asyncio.sleep(0)
    return b"end"


@async_routes.post("/body")
async def async_body(request, reply):
    body = await request.body
    assert body == await request.body
    return f"{len(body)} {body[:5]!r}"


@async_routes.post("/stream")
async def async_stream(request, reply):
    total = 0
    async for piece in request.stream:
        total += len(piece)
    return str(total)


@async_routes.get("/async-generated")
async def async_generated(request, reply):
    async def pieces():
        for i in range(3):
            await asyncio.sleep(0.001)
            yield f"{i};"
    return pieces()


@async_routes.get("/slept")
async def slept(request, reply):
    await asyncio.sleep(0.01)
    return asyncio.current_task().get_name() != "" and "slept"


@async_routes.get("/kept")
async def async_look(request, reply):
    old, headers, old_reply = kept.pop()
    return ";".join([old.method, old.path, headers["x-kept"], str(old.disconnected)])


@async_routes.get("/endless")
async def async_endless(request, reply):
    sent = 0
    try:
        while True:
            await reply.write(PIECE)
            sent += len(PIECE)
            (NOTES / "sent").write_text(str(sent))
    finally:
        note("closed")


@async_routes.get("/wait")
async def async_wait(request, reply):
    note("waiting")
    try:
        await asyncio.sleep(600)
    finally:
        note("gone")


@native.application
async def generator_app(request, reply):
    reply.header("content-type", "text/plain")
    for i in range(3):
        await asyncio.sleep(0)
        yield f"{request.path}{i};"


def unmarked(request, reply):
    return b"unmarked"
