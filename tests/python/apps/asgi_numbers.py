"""An ASGI application for large numbers of requests, streams and sockets."""

import asyncio

from asgi_apps import answer, whole

GATE = asyncio.Event()


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("none")
    name = scope["path"].strip("/")
    if scope["type"] == "websocket":
        return await echo(receive, send)
    if name == "held":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await GATE.wait()
        for _ in range(10):
            await send({"type": "http.response.body", "body": b"m" * 1000, "more_body": True})
        return await send({"type": "http.response.body"})
    if name == "open":
        GATE.set()
    if name == "late":
        await GATE.wait()
        return await answer(send, await count(receive))
    if name == "echo":
        return await answer(send, await whole(receive))
    await answer(send, b"hello")


async def count(receive):
    total = 0
    while True:
        event = await receive()
        total += len(event["body"])
        if not event["more_body"]:
            return total


async def echo(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})
