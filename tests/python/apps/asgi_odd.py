"""What applications do wrong, or only unusually: /NAME runs the messages of MESSAGES, or the coroutine of that name."""

import asyncio
import http
import json
import os
import pathlib

from asgi_apps import answer, lifespan, whole

START = {"type": "http.response.start", "status": 200}
END = {"type": "http.response.body", "body": b"end"}
ACCEPT = {"type": "websocket.accept"}


class Message(dict):
    """A dict of the application's own kind."""


def start(**more):
    return {**START, **more}


def headers(*pairs):
    return start(headers=list(pairs))


def fifo():
    """Without a writer: opening it to read waits for one."""
    path = pathlib.Path(os.environ.get("PREFORK_TEST", ".")) / "fifo"
    if not path.exists():
        os.mkfifo(path)
    return {"type": "http.response.pathsend", "path": str(path)}


def file_to_write():
    file = open(os.path.join(os.environ.get("PREFORK_TEST", "."), "written"), "wb")
    file.write(b"written")
    file.flush()
    return {"type": "http.response.zerocopysend", "file": file, "offset": 0}


def body(value, **more):
    return {"type": "http.response.body", "body": value, **more}


# What is sent, and the status and the body that the client gets; 500 when it was refused.
HTTP = {
    "lists-for-pairs": ([headers([b"X-Odd", b"1"]), END], 200, b"end"),
    "generator-of-headers": ([lambda: start(headers=((b"x-odd", b"1") for _ in range(2))), END], 200, b"end"),
    "view-of-a-dict": ([start(headers={b"x-odd": b"1"}.items()), END], 200, b"end"),
    "bytearrays": ([headers((bytearray(b"x-odd"), memoryview(b"1"))), body(bytearray(b"end"))], 200, b"end"),
    "no-headers": ([start(headers=None), END], 200, b"end"),
    "status-of-an-enum": ([start(status=http.HTTPStatus.CREATED), END], 201, b"end"),
    "view-of-memory": ([START, body(memoryview(b"end"))], 200, b"end"),
    "body-is-none": ([START, body(None)], 200, b""),
    "no-body-key": ([START, {"type": "http.response.body"}], 200, b""),
    "keys-of-its-own": ([start(mine=1), body(b"end", mine=object())], 200, b"end"),
    "numbers-for-flags": ([START, body(b"a", more_body=1), body(b"b", more_body=0)], 200, b"ab"),
    "empty-pieces": ([START, body(b"", more_body=True), body(b"a", more_body=True), body(b"", more_body=True), body(b"b", more_body=True), body(b"")], 200, b"ab"),
    "subclass-of-dict": ([Message(START), Message(END)], 200, b"end"),
    "transfer-encoding": ([headers((b"transfer-encoding", b"chunked")), END], 200, b"end"),
    "same-length-twice": ([headers((b"content-length", b"3"), (b"content-length", b"3")), END], 200, b"end"),
    "trailers-for-nobody": ([start(trailers=True), END, {"type": "http.response.trailers", "headers": [(b"x-late", b"1")]}], 200, b"end"),
    "str-for-a-header": ([headers(("x-odd", "1")), END], 500, None),
    "line-in-a-header": ([headers((b"x-odd", b"1\r\nx-evil: 1")), END], 500, None),
    "headers-of-megabytes": ([headers(*((b"x-%d" % i, b"v" * 1000) for i in range(2000))), END], 500, None),
    "name-of-a-header-of-70-kB": ([headers((b"x" * 70_000, b"v")), END], 500, None),
    "three-for-a-pair": ([headers((b"x-odd", b"1", b"2")), END], 500, None),
    "length-that-is-no-number": ([headers((b"content-length", b"abc")), END], 500, None),
    "two-lengths": ([headers((b"content-length", b"3"), (b"content-length", b"4")), END], 500, None),
    "status-that-is-a-str": ([start(status="200"), END], 500, None),
    "no-status": ([{"type": "http.response.start"}, END], 500, None),
    "status-of-an-interim": ([start(status=100), END], 500, None),
    "str-for-a-body": ([START, body("end")], 500, None),
    "list-for-a-message": ([["http.response.start"]], 500, None),
    "none-for-a-message": ([None], 500, None),
    "no-type": ([{}], 500, None),
    "number-for-a-type": ([{"type": 3}], 500, None),
    "a-clients-event": ([{"type": "http.disconnect"}], 500, None),
    "a-websockets-message": ([ACCEPT], 500, None),
    "str-for-a-hint": ([{"type": "http.response.early_hint", "links": ["</a>"]}], 500, None),
    "file-that-is-not-there": ([START, {"type": "http.response.pathsend", "path": "/nowhere/at/all"}], 500, None),
    "folder-for-a-file": ([START, {"type": "http.response.pathsend", "path": "/tmp"}], 500, None),
    "fifo-for-a-file": ([START, fifo], 500, None),
    "file-that-is-only-written": ([START, file_to_write], 500, None),
    "offset-before-the-file": ([START, lambda: {"type": "http.response.zerocopysend", "file": open(__file__, "rb"), "offset": -1}], 500, None),
}

# After websocket.connect. What the client gets: the status of a refusal, or messages and the code of the close.
WEBSOCKET = {
    "returns": ([], 500),
    "sends-first": ([{"type": "websocket.send", "text": "x"}], 500),
    "closes-first": ([{"type": "websocket.close", "code": 4000, "reason": "r"}], 403),
    "closes-and-accepts": ([{"type": "websocket.close"}, ACCEPT], 403),
    "denies-without-a-body": ([{"type": "websocket.http.response.start", "status": 401}], 500),
    "denies": ([{"type": "websocket.http.response.start", "status": 401}, {"type": "websocket.http.response.body", "body": b"no"}], 401),
    "denies-and-accepts": ([{"type": "websocket.http.response.start", "status": 401}, ACCEPT], 500),
    "denies-body-first": ([{"type": "websocket.http.response.body", "body": b"no"}], 500),
    "subprotocol-of-bytes": ([{**ACCEPT, "subprotocol": b"one"}], 500),
    "subprotocol-in-the-headers": ([{**ACCEPT, "headers": [(b"sec-websocket-protocol", b"one")]}], 500),
    "line-in-the-subprotocol": ([{**ACCEPT, "subprotocol": "one\r\nx-evil: 1"}], 500),
    "http-start": ([START], 500),
    "accepts-twice": ([ACCEPT, ACCEPT], [1011]),
    "accepts-and-denies": ([ACCEPT, {"type": "websocket.http.response.start", "status": 401}], [1011]),
    "accepts-and-returns": ([ACCEPT], [1000]),
    "both-keys": ([ACCEPT, {"type": "websocket.send", "text": "a", "bytes": None}, {"type": "websocket.send", "text": None, "bytes": b"b"}], [b"a", b"b", 1000]),
    "both-values": ([ACCEPT, {"type": "websocket.send", "text": "a", "bytes": b"b"}], [1011]),
    "no-value": ([ACCEPT, {"type": "websocket.send"}], [1011]),
    "empty-values": ([ACCEPT, {"type": "websocket.send", "text": ""}, {"type": "websocket.send", "bytes": b""}], [b"", b"", 1000]),
    "views": ([ACCEPT, {"type": "websocket.send", "bytes": bytearray(b"a")}, {"type": "websocket.send", "bytes": memoryview(b"b")}], [b"a", b"b", 1000]),
    "bytes-for-text": ([ACCEPT, {"type": "websocket.send", "text": b"a"}], [1011]),
    "text-that-is-no-unicode": ([ACCEPT, {"type": "websocket.send", "text": "\ud800"}], [1011]),
    "code-of-nobody": ([ACCEPT, {"type": "websocket.close", "code": 999}], [1011]),
    "code-and-reason-none": ([ACCEPT, {"type": "websocket.close", "code": None, "reason": None}], [1000]),
    "closes-twice": ([ACCEPT, {"type": "websocket.close", "code": 4001}, {"type": "websocket.close"}], [4001]),
    "pings-itself": ([ACCEPT, {"type": "websocket.ping"}], [1011]),
    "own-extensions": ([{**ACCEPT, "headers": [(b"sec-websocket-extensions", b"mine"), (b"connection", b"close")]}, {"type": "websocket.send", "text": "a"}], [b"a", 1000]),
}

COROUTINES = {}
HEARD = []


def coroutine(function):
    COROUTINES[function.__name__.replace("_", "-")] = function
    return function


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    name = scope["path"].strip("/")
    if name in COROUTINES:
        return await COROUTINES[name](scope, receive, send)
    if scope["type"] == "websocket":
        await receive()
        messages = WEBSOCKET[name][0]
    elif name in HTTP:
        messages = HTTP[name][0]
    else:
        return await answer(send, HEARD)
    for message in messages:
        await send(message() if callable(message) else message)


@coroutine
async def raises_behind_its_answer(scope, receive, send):
    await answer(send, b"answered")
    raise ValueError("behind the answer")


@coroutine
async def answers_from_another_task(scope, receive, send):
    await asyncio.create_task(answer(send, await asyncio.create_task(whole(receive))))


@coroutine
def is_no_coroutine(scope, receive, send):
    return asyncio.ensure_future(answer(send, b"from a future"))


@coroutine
async def sends_at_once_from_many(scope, receive, send):
    await send(START)
    await asyncio.gather(*(send(body(b"%d" % number * 100_000, more_body=True)) for number in range(5)))
    await send(body(b""))


@coroutine
async def receives_in_two_tasks(scope, receive, send):
    """One gets the body; both hear of the end."""
    tasks = [asyncio.create_task(receive()) for _ in range(2)]
    first, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await answer(send, [task.result()["type"] for task in first])
    HEARD.append(sorted([task.result()["type"] for task in tasks] if all(task.done() for task in tasks) else [event["type"] for event in await asyncio.gather(*tasks)]))


@coroutine
async def receives_behind_its_answer(scope, receive, send):
    await whole(receive)
    await answer(send, b"answered")
    HEARD.append([(await receive())["type"], (await receive())["type"]])


@coroutine
async def cancels_itself(scope, receive, send):
    asyncio.current_task().cancel()
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        if hasattr(asyncio.current_task(), "uncancel"):
            asyncio.current_task().uncancel()
    await answer(send, b"survived")


@coroutine
async def awaits_twice(scope, receive, send):
    operation = receive()
    await operation
    try:
        await operation
    except RuntimeError:
        await answer(send, b"refused")


@coroutine
async def forgets_to_await(scope, receive, send):
    send(start(status=201))
    await answer(send, b"ended")


@coroutine
async def goes_on_when_refused(scope, receive, send):
    await send(START)
    for message in ({"type": "http.response.pathsend", "path": "/nowhere"}, START, {"type": "http.response.trailers"}, body("str"), {}):
        try:
            await send(message)
        except Exception as error:
            HEARD.append(type(error).__name__)
    await send(END)


@coroutine
async def hints_behind_its_start(scope, receive, send):
    await send(START)
    await send({"type": "http.response.early_hint", "links": [b"</a>"]})
    await send(END)


@coroutine
async def receives_at_once(scope, receive, send):
    """A WebSocket whose messages two tasks take in turn."""
    await receive()
    await send(ACCEPT)

    async def take():
        return (await receive())["text"]

    got = await asyncio.gather(*(take() for _ in range(4)))
    await send({"type": "websocket.send", "text": json.dumps(sorted(got))})


@coroutine
async def large_before_the_end(scope, receive, send):
    """A message that waits for the client, and the end right behind it."""
    await receive()
    await send(ACCEPT)
    sending = asyncio.create_task(send({"type": "websocket.send", "bytes": b"m" * 20_000_000}))
    await asyncio.sleep(0)
    await send({"type": "websocket.close", "code": 4002})
    await sending
