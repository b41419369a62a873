"""WebSockets of RSGI applications, over the messages that ASGI has for them."""

import asyncio


async def call(application, scope, receive, send):
    protocol = WebsocketProtocol(receive, send)
    await application(scope, protocol)
    await protocol.finish()


class WebsocketMessage:
    __slots__ = ("data", "kind")

    def __init__(self, kind, data):
        self.kind = kind  # 0: closed, 1: bytes, 2: str
        self.data = data

    def __repr__(self):
        return f"WebsocketMessage(kind={self.kind}, data={self.data!r})"


class WebsocketProtocol:
    def __init__(self, receive, send):
        self._receive = receive
        self._send = send
        self._accepted = False
        self._closing = None

    async def accept(self):
        if self._accepted or self._closing is not None:
            raise RuntimeError("the WebSocket was accepted or closed already")
        await self._receive()
        await self._send({"type": "websocket.accept"})
        self._accepted = True
        return WebsocketTransport(self)

    def close(self, status=None):
        """Closes an accepted WebSocket with a close code, refuses another one with an HTTP status."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close(status))

    async def finish(self):
        if self._closing is not None:
            await self._closing

    async def _close(self, status):
        if self._accepted:
            await self._send({"type": "websocket.close", "code": status or 1000})
        elif status is not None and 400 <= status <= 599:
            await self._send({"type": "websocket.http.response.start", "status": status, "headers": []})
            await self._send({"type": "websocket.http.response.body", "body": b""})
        else:
            await self._send({"type": "websocket.close"})


class WebsocketTransport:
    def __init__(self, protocol):
        self._protocol = protocol

    async def receive(self):
        event = await self._protocol._receive()
        if event["type"] == "websocket.disconnect":
            return WebsocketMessage(0, None)
        text = event.get("text")
        return WebsocketMessage(1, event["bytes"]) if text is None else WebsocketMessage(2, text)

    async def send_bytes(self, data):
        await self._protocol._send({"type": "websocket.send", "bytes": data})

    async def send_str(self, data):
        await self._protocol._send({"type": "websocket.send", "text": data})
