"""ASGI applications of the end-to-end tests. /NAME/ARGUMENT… runs the coroutine NAME of the scope's kind."""

import asyncio
import gc
import json
import os
import sys

HTTP, WEBSOCKET = {}, {}
EVENTS = []  # what happened, for /events


def http(function):
    HTTP[function.__name__.strip("_")] = function
    return function


def websocket(function):
    WEBSOCKET[function.__name__.strip("_")] = function
    return function


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    name, *arguments = scope["path"][len(scope["root_path"]) :].strip("/").split("/")
    table = HTTP if scope["type"] == "http" else WEBSOCKET
    await table.get(name, table["echo"])(scope, receive, send, *arguments)


async def lifespan(scope, receive, send):
    await receive()
    scope["state"].update(shared=[], own="start")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    print("lifespan over", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send, body=b"", status=200, headers=()):
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body if isinstance(body, bytes) else json.dumps(body).encode()})


def shown(value):
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return [shown(item) for item in value] if isinstance(value, (list, tuple)) else value


async def whole(receive):
    """The body, or nothing when the client is gone first. Joined once: a small ring brings a large body in thousands of pieces."""
    pieces = []
    while (event := await receive())["type"] == "http.request":
        pieces.append(event["body"])
        if not event["more_body"]:
            return b"".join(pieces)
    return None


@http
async def echo(scope, receive, send, *_):
    await answer(send, await whole(receive))


@http
async def pieces(scope, receive, send, *_):
    """The lengths of the events that the body came in."""
    lengths = []
    while (event := await receive())["type"] == "http.request":
        lengths.append(len(event["body"]))
        EVENTS[:] = lengths
        if not event["more_body"]:
            break
    await answer(send, lengths)


@http
async def scope(scope, receive, send, *_):
    await answer(send, shown(scope))


@http
async def events(scope, receive, send, *_):
    await answer(send, list(EVENTS))


@http
async def state(scope, receive, send, *_):
    seen = scope["state"]["own"]
    scope["state"]["own"] = "changed"
    scope["state"]["shared"].append(1)
    await answer(send, [seen, len(scope["state"]["shared"])])


@http
async def raises(scope, receive, send, when, kind):
    if when != "before":
        await send({"type": "http.response.start", "status": 200})
    if when == "between":
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
    raise {"error": RuntimeError, "exit": SystemExit, "interrupt": KeyboardInterrupt, "cancelled": asyncio.CancelledError, "stop": StopAsyncIteration}[kind]("secret")


@http
async def silent(scope, receive, send, *_):
    pass


ORDER = {
    "body-first": [{"type": "http.response.body"}],
    "twice": [{"type": "http.response.start", "status": 200}] * 2,
    "after-end": [{"type": "http.response.start", "status": 200}, {"type": "http.response.body"}, {"type": "http.response.body"}],
    "trailers": [{"type": "http.response.start", "status": 200}, {"type": "http.response.trailers"}],
    "unknown": [{"type": "http.response.tea"}],
}


@http
async def order(scope, receive, send, kind):
    try:
        for message in ORDER[kind]:
            await send(message)
    except RuntimeError as error:
        EVENTS.append(str(error))
        raise


@http
async def sizes(scope, receive, send, announced, *pieces):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", announced.encode())]})
    for piece in pieces:
        await send({"type": "http.response.body", "body": b"x" * int(piece), "more_body": piece is not pieces[-1]})


@http
async def flood(scope, receive, send, *_):
    """Sends until it cannot; how much went is in the events."""
    await send({"type": "http.response.start", "status": 200})
    sent = 0
    try:
        while True:
            await send({"type": "http.response.body", "body": b"f" * 65536, "more_body": True})
            sent += 65536
            EVENTS[:] = [sent]
    except OSError as error:
        EVENTS[:] = [sent, type(error).__mro__[-4].__name__]
        raise


@http
async def waits(scope, receive, send, *_):
    """Waits for the client to go, and then for its own end."""
    await whole(receive)
    EVENTS.append("waiting")
    event = await receive()
    EVENTS.append(event["type"])
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        EVENTS.append("cancelled")
        raise


@http
async def halfway(scope, receive, send, *_):
    """http.disconnect comes, and send() still reaches the client."""
    await whole(receive)
    event = await receive()
    await answer(send, event["type"].encode())


@http
async def idle(scope, receive, send, gate):
    """Receives nothing until the gate is there."""
    EVENTS.append("in")
    while not os.path.exists(os.path.join(os.environ["PREFORK_TEST"], gate)):
        await asyncio.sleep(0.01)
    await answer(send, len(await whole(receive)))


@http
async def sleep(scope, receive, send, seconds):
    await asyncio.sleep(float(seconds))
    await answer(send, b"slept")


@http
async def references(scope, receive, send, *_):
    """What is alive beside these notes: references of a debug build, blocks of memory of another."""
    EVENTS.clear()
    scope["state"]["shared"].clear()
    gc.collect()
    await answer(send, getattr(sys, "gettotalrefcount", sys.getallocatedblocks)())


@http
async def trailers(scope, receive, send, *_):
    await send({"type": "http.response.start", "status": 200, "trailers": True})
    await send({"type": "http.response.body", "body": b"data"})
    await send({"type": "http.response.trailers", "headers": [(b"x-one", b"1")], "more_trailers": True})
    await send({"type": "http.response.trailers", "headers": [(b"x-two", b"2")]})


@http
async def hints(scope, receive, send, *_):
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
    await answer(send, b"late")


@http
async def file(scope, receive, send, how):
    path = os.path.abspath(__file__)
    await send({"type": "http.response.start", "status": 200})
    if how == "path":
        return await send({"type": "http.response.pathsend", "path": path})
    with open(path, "rb") as opened:
        await send({"type": "http.response.zerocopysend", "file": opened, "offset": 4, "count": 10, "more_body": True})
        await send({"type": "http.response.body", "body": b"tail"})


@http
async def receives(scope, receive, send, *_):
    """receive() as other things than `await receive()`."""
    event = await asyncio.create_task(receive())
    again = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    again.cancel()
    try:
        await again
    except asyncio.CancelledError:
        event["cancelled"] = True
    try:
        await asyncio.wait_for(receive(), 0.01)
    except asyncio.TimeoutError:
        event["timeout"] = True
    await answer(send, shown(event))


@http
async def polls(scope, receive, send, times):
    """Asks again and again whether the client is still there, as long streams do; answers how many futures that has left."""
    await whole(receive)

    def futures():
        return sum(isinstance(thing, asyncio.Future) for thing in gc.get_objects())

    before = futures()
    for _ in range(int(times)):
        asked = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
    del asked
    await answer(send, futures() - before)


@websocket
async def echo(scope, receive, send, *_):  # noqa: F811
    await receive()
    await send({"type": "websocket.accept", "subprotocol": (scope["subprotocols"] or [None])[0]})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", **{key: event[key] for key in ("text", "bytes") if key in event}})
    EVENTS.append([event["type"], event["code"], event["reason"]])


@websocket
async def refuse(scope, receive, send, how):
    await receive()
    if how == "close":
        await send({"type": "websocket.close"})
    elif how == "response":
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"because")]})
        await send({"type": "websocket.http.response.body", "body": b"no"})
    elif how == "raise":
        raise RuntimeError("secret")


@websocket
async def close(scope, receive, send, code, reason):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": int(code), "reason": reason})
    try:
        await send({"type": "websocket.send", "text": "late"})
    except RuntimeError as error:
        EVENTS.append(str(error))


def double(scope):
    """ASGI 2."""

    async def instance(receive, send):
        if scope["type"] == "lifespan":
            raise RuntimeError("not here")
        await answer(send, b"double")

    return instance


def factory():
    return app


async def broken(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
    else:
        await answer(send, b"served")


async def without(scope, receive, send):
    assert scope["type"] == "http"
    await answer(send, b"served")


@websocket
async def ends(scope, receive, send, *_):
    """What receive() and send() are like once the WebSocket is over."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "accepted"})
    while (event := await receive())["type"] == "websocket.receive":
        EVENTS.append([event.get("text"), event.get("bytes") and len(event["bytes"])])
    again = await receive()
    try:
        await send({"type": "websocket.send", "text": "late"})
        error = None
    except Exception as problem:
        error = isinstance(problem, OSError)
    EVENTS.append([event["code"], event["reason"], again == event, error])


@websocket
async def deaf(scope, receive, send, gate):
    """Accepts, and receives nothing until the gate is there; then says how much came."""
    await receive()
    await send({"type": "websocket.accept"})
    while not os.path.exists(os.path.join(os.environ["PREFORK_TEST"], gate)):
        await asyncio.sleep(0.01)
    count = 0
    while (event := await receive())["type"] == "websocket.receive" and event.get("text") != "last":
        count += 1
        if count % 1000 == 0:
            await asyncio.sleep(0)
    await send({"type": "websocket.send", "text": str(count)})


@websocket
async def shout(scope, receive, send, *_):
    """Sends until it cannot; how much went is in the events."""
    await receive()
    await send({"type": "websocket.accept"})
    sent = 0
    try:
        while True:
            await send({"type": "websocket.send", "bytes": bytes(65536)})
            sent += 65536
            EVENTS[:] = [sent]
    except OSError:
        EVENTS[:] = [sent, "OSError"]
        raise


@websocket
async def tells(scope, receive, send, *_):
    """Its scope."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": json.dumps(shown(scope))})
    await receive()


@websocket
async def hears(scope, receive, send, *_):
    """Tells with which event it ended."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "accepted"})
    event = await receive()
    EVENTS.append([event["code"], event["type"]])


@http
async def drip(scope, receive, send, count):
    await send({"type": "http.response.start", "status": 200})
    for number in range(int(count)):
        await send({"type": "http.response.body", "body": b"%03d\n" % number, "more_body": True})
        await asyncio.sleep(0.02)
    await send({"type": "http.response.body"})


@http
async def after(scope, receive, send, seconds):
    """Goes on working when its response is out."""
    await answer(send, b"answered")
    await asyncio.sleep(float(seconds))
    print("worked on", flush=True)


async def gated(scope, receive, send):
    """Starts when the file "gate" is there, fails to when "broken" is; ends slowly."""
    folder = os.environ["PREFORK_TEST"]
    if scope["type"] != "lifespan":
        return await app(scope, receive, send)
    await receive()
    while not os.path.exists(os.path.join(folder, "gate")):
        await asyncio.sleep(0.01)
    if os.path.exists(os.path.join(folder, "broken")):
        return await send({"type": "lifespan.startup.failed", "message": "no database"})
    scope["state"].update(shared=[], own="start")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await asyncio.sleep(0.3)
    print("ended slowly", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def silent_end(scope, receive, send):
    """Returns at the end without a word."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
    else:
        await answer(send, b"served")
