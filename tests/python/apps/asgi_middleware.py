"""Starlette and FastAPI with what makes ASGI servers stumble: middleware that wraps receive and send, streams that are cancelled,
dependencies that clean up after the response."""

import asyncio
import contextvars

from fastapi import Depends, FastAPI, Request
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

EVENTS = []
USER = contextvars.ContextVar("user", default=None)


class Plain:
    """A middleware that is none of Starlette's: its own send."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def marked(message):
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"x-plain", b"yes")]}
            await send(message)
        await self.app(scope, receive, marked)


class Late:
    """Another: it sends the start with the first body, and knows nothing else that may come."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        start = []

        async def late(message):
            if message["type"] == "http.response.start":
                start.append(message)
            elif message["type"] == "http.response.body":
                while start:
                    await send(start.pop())
                await send(message)
        await self.app(scope, receive, late)


app = FastAPI()
app.add_middleware(GZipMiddleware, minimum_size=500)
app.add_middleware(CORSMiddleware, allow_origins=["http://there"], allow_methods=["*"])
app.add_middleware(Plain)


@app.middleware("http")
async def timed(request: Request, call_next):
    USER.set(request.headers.get("x-user"))
    response = await call_next(request)
    response.headers["x-timed"] = "yes"
    return response


async def session():
    EVENTS.append("opened")
    try:
        yield "session"
    finally:
        await asyncio.sleep(0)
        EVENTS.append("closed")


@app.get("/events")
async def events():
    found = list(EVENTS)
    EVENTS.clear()
    return found


@app.get("/who")
async def who():
    return USER.get()


@app.get("/large")
async def large():
    return PlainTextResponse("large " * 1000)


@app.get("/depends")
async def depends(value: str = Depends(session)):
    return value


@app.get("/fails")
async def fails(value: str = Depends(session)):
    raise RuntimeError("deliberate")


@app.post("/body")
async def body(request: Request):
    return len(await request.body())


@app.get("/endless")
async def endless():
    async def numbers():
        EVENTS.append("begun")
        try:
            while True:
                yield b"n" * 1000
                await asyncio.sleep(0.001)
        finally:
            EVENTS.append("cleaned")
    return StreamingResponse(numbers())


async def file(scope, receive, send):
    await FileResponse(__file__)(scope, receive, send)


app.mount("/file", file)
late = Late(file)
