"""The ASGI applications, each the twin of the one of the same name in wsgi_app.py."""

import time

from wsgi_app import PIECE, fortunes_page

TEXT = (b"content-type", b"text/plain")
BYTES = (b"content-type", b"application/octet-stream")


async def _reply(send, body, *headers):
    await send({"type": "http.response.start", "status": 200, "headers": [*headers, (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def hello(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [TEXT, (b"content-length", b"13")]})
    await send({"type": "http.response.body", "body": b"Hello, world!"})


async def fortunes(scope, receive, send):
    assert scope["type"] == "http"
    await _reply(send, fortunes_page(), (b"content-type", b"text/html; charset=utf-8"))


async def echo(scope, receive, send):
    assert scope["type"] == "http"
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    await _reply(send, b"".join(parts), BYTES)


async def stream(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [BYTES]})
    for _ in range(100):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def sleepy(scope, receive, send):
    """/sleep/SECONDS keeps the loop busy, as a long computation does; everything else is hello."""
    assert scope["type"] == "http"
    if scope["path"].startswith("/sleep/"):
        time.sleep(float(scope["path"][7:]))
    await hello(scope, receive, send)


async def ws(scope, receive, send):
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("text") is not None:
            await send({"type": "websocket.send", "text": message["text"]})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})
