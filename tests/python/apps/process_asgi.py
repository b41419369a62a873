"""The same as process_app for ASGI: quick answers, slow ones, ways for a worker to die or hang, streams and WebSockets."""

import asyncio
import os
import sys
import time

from process_app import end_or_hang, letters


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        return await _lifespan(receive, send)
    if scope["type"] == "websocket":
        return await _echo(receive, send)
    path = scope["path"]
    if path == "/stream":
        return await _stream(send)
    body = b"hello"
    if path.startswith("/sleep/"):
        await asyncio.sleep(float(path[7:]))
    elif path.startswith("/block/"):
        time.sleep(float(path[7:]))
    elif path == "/pid":
        body = str(os.getpid()).encode()
    elif path == "/child/sys-exit":
        child = os.fork()
        if child == 0:
            sys.exit(5)
        body = str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode()
    elif path == "/echo":
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
    elif path.startswith("/len/"):
        body = letters(int(path[5:]))
    else:
        end_or_hang(path)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive, send):
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _echo(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text")})


async def _stream(send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    while True:
        await send({"type": "http.response.body", "body": b"data: more\n\n", "more_body": True})
        await asyncio.sleep(0.05)
