"""Libraries that lie between a server and an application, or bring a protocol of their own: each function makes a site with one of them."""

import asyncio
import os
import tempfile

SEEN = []


def socketio():
    import socketio

    server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")

    @server.event
    async def connect(sid, environ, auth):
        if auth == "wrong":
            raise socketio.exceptions.ConnectionRefusedError("no")
        await server.enter_room(sid, "all")

    @server.event
    async def echo(sid, data):
        return data

    @server.event
    async def shout(sid, data):
        await server.emit("heard", data, room="all")

    return socketio.ASGIApp(server)


def strawberry():
    from collections.abc import AsyncGenerator

    import strawberry
    from strawberry.asgi import GraphQL

    @strawberry.type
    class Query:
        @strawberry.field
        def hello(self, name: str) -> str:
            return f"Hello, {name}!"

    @strawberry.type
    class Subscription:
        @strawberry.subscription
        async def count(self, to: int) -> AsyncGenerator[int, None]:
            for number in range(to):
                yield number
                await asyncio.sleep(0)

    # The library looks the annotation up in the module.
    globals()["AsyncGenerator"] = AsyncGenerator
    return GraphQL(strawberry.Schema(Query, subscription=Subscription))


def sse():
    from sse_starlette import EventSourceResponse
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def numbers(request):
        async def events():
            try:
                number = 0
                while not await request.is_disconnected():
                    yield {"event": "number", "data": str(number)}
                    number += 1
                    await asyncio.sleep(0.005)
            finally:
                SEEN.append("ended")
        return EventSourceResponse(events())

    async def seen(request):
        return JSONResponse(SEEN)

    return Starlette(routes=[Route("/numbers", numbers), Route("/", seen)])


def prometheus():
    from fastapi import FastAPI
    from prometheus_fastapi_instrumentator import Instrumentator

    app = FastAPI()

    @app.get("/items/{item}")
    async def item(item: str):
        return item

    Instrumentator().instrument(app).expose(app)
    return app


def opentelemetry():
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, PlainTextResponse
    from starlette.routing import Route, WebSocketRoute

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    async def hello(request):
        return PlainTextResponse("hello")

    async def spans(request):
        return JSONResponse([[span.name, format(span.context.trace_id, "032x"), span.kind.name] for span in exporter.get_finished_spans()])

    async def ws(socket):
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close()

    app = Starlette(routes=[Route("/hello", hello), Route("/spans", spans), Route("/", hello), WebSocketRoute("/ws", ws)])
    return OpenTelemetryMiddleware(app, tracer_provider=provider, excluded_urls="spans")


def a2wsgi():
    from a2wsgi import WSGIMiddleware

    def application(environ, start_response):
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Method", environ["REQUEST_METHOD"])])
        yield environ["PATH_INFO"].encode()
        yield body

    return WSGIMiddleware(application)


def channels():
    import django
    from django.conf import settings

    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}})
    django.setup()
    from channels.generic.websocket import AsyncJsonWebsocketConsumer
    from channels.routing import ProtocolTypeRouter, URLRouter
    from django.core.asgi import get_asgi_application
    from django.http import HttpResponse
    from django.urls import path

    class Chat(AsyncJsonWebsocketConsumer):
        groups = ["chat"]

        async def receive_json(self, content):
            await self.channel_layer.group_send("chat", {"type": "said", "text": content["text"]})

        async def said(self, event):
            await self.send_json({"text": event["text"]})

    globals()["urlpatterns"] = [path("", lambda request: HttpResponse("django"))]
    return ProtocolTypeRouter({"http": get_asgi_application(), "websocket": URLRouter([path("chat", Chat.as_asgi())])})


def sanic():
    import sanic
    from sanic.response import json, text

    app = sanic.Sanic("site")
    app.config.update(ACCESS_LOG=False)

    @app.get("/")
    async def root(request):
        return text("sanic")

    @app.post("/json")
    async def echo(request):
        return json(request.json)

    @app.get("/stream")
    async def stream(request):
        reply = await request.respond(content_type="text/plain")
        for number in range(100):
            await reply.send(f"{number}\n")
        await reply.eof()

    @app.websocket("/ws")
    async def ws(request, socket):
        await socket.send(await socket.recv())

    return app


def mounted():
    """Applications below others, and files."""
    from fastapi import FastAPI, Request
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    folder = tempfile.mkdtemp(dir=os.environ.get("PREFORK_TEST"))
    with open(os.path.join(folder, "data.bin"), "wb") as file:
        file.write(bytes(range(256)) * 1000)
    inner = FastAPI()

    @inner.get("/where")
    async def where(request: Request):
        return {"root": request.scope["root_path"], "url": str(request.url_for("where").path)}

    async def top(request):
        return JSONResponse({"root": request.scope["root_path"], "path": request.scope["path"]})

    return Starlette(routes=[Mount("/inner/deep", inner), Mount("/static", StaticFiles(directory=folder)), Route("/", top)])
