"""An ASGI service whose sockets and streams tell which worker they are of, and that can be made to hang or die."""

import asyncio
import os
import time

from asgi_apps import answer


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    name, *arguments = scope["path"].strip("/").split("/")
    if scope["type"] == "websocket":
        if name == "late":
            await until_there("accept")
        return await echo(receive, send)
    if name == "drip":
        return await drip(send, int(arguments[0]))
    if name == "hang":
        time.sleep(600)
    if name == "exit":
        os._exit(7)
    if name == "never":
        return await never()
    if name == "interrupted":
        return await interrupted(receive, send)
    await answer(send, b"%d" % os.getpid())


async def lifespan(receive, send):
    await receive()
    if os.environ.get("HANG") == "startup":
        await asyncio.sleep(600)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    print("lifespan ends", flush=True)
    if os.environ.get("HANG") == "shutdown":
        await asyncio.sleep(600)
    await send({"type": "lifespan.shutdown.complete"})


async def echo(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": str(os.getpid())})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})
    print("heard", event["code"], flush=True)


async def drip(send, count):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-worker", b"%d" % os.getpid())]})
    for number in range(count):
        await send({"type": "http.response.body", "body": b"%05d\n" % number, "more_body": True})
        await asyncio.sleep(0.02)
    await send({"type": "http.response.body"})


async def never():
    try:
        print("never begins", flush=True)
        await asyncio.sleep(600)
    finally:
        print("never is cleaned up", flush=True)


async def until_there(name):
    print("waits for", name, flush=True)
    while not os.path.exists(os.path.join(os.environ["PREFORK_TEST"], name)):
        await asyncio.sleep(0.01)


async def interrupted(receive, send):
    """A signal's exit that comes in a task of the request's own reaches the request only when it is cancelled itself."""
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    child = asyncio.create_task(busy())
    try:
        await asyncio.sleep(600)
    finally:
        await child


async def busy():
    """Python code that runs for nearly all of the time."""
    while True:
        until = time.monotonic() + 0.05
        while time.monotonic() < until:
            pass
        await asyncio.sleep(0)
