"""Applications that raise when their client has gone: /NAME waits for that and raises what NAME does. GET / tells which have."""

import asyncio

from asgi_apps import answer, lifespan

RAISED = []
FAILURES = {}


def failure(function):
    FAILURES[function.__name__.replace("_", "-")] = function
    return function


async def refused_by_send(send):
    """The error that tells of a client that is gone."""
    try:
        await send()
    except OSError as error:
        return error
    raise AssertionError("send() found a client")


@failure
async def what_send_raised(send):
    raise await refused_by_send(send)


@failure
async def another_from_it(send):
    raise RuntimeError("wrapped") from await refused_by_send(send)


@failure
async def another_while_it_was_handled(send):
    try:
        await send()
    except OSError:
        raise RuntimeError("wrapped")  # noqa: B904


@failure
async def group_of_them(send):
    raise ExceptionGroup("tasks", [await refused_by_send(send), ExceptionGroup("more", [await refused_by_send(send)])])


@failure
async def group_with_another(send):
    raise ExceptionGroup("tasks", [await refused_by_send(send), ValueError("a mistake in a group")])


@failure
async def os_error_of_its_own(send):
    raise ConnectionRefusedError("no database")


@failure
async def os_error_behind_it(send):
    await refused_by_send(send)
    raise FileNotFoundError("no file")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    name = scope["path"].strip("/")
    if name not in FAILURES:
        return await answer(send, RAISED)
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        message = {"type": "websocket.send", "text": "a"}
    else:
        await send({"type": "http.response.start", "status": 200})
        message = {"type": "http.response.body", "body": b"a", "more_body": True}
    await send(message)
    while "disconnect" not in (await receive())["type"]:
        await asyncio.sleep(0)
    try:
        await FAILURES[name](lambda: send(message))
    finally:
        RAISED.append(name)
