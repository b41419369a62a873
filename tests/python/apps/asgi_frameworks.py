"""The same small site in ASGI frameworks.

/hello/NAME, /form (POST a=…, a file f if there is one), /upload (POST a body), /stream, /file, /error, /cookie, /state (of the lifespan),
/sse, /later (something after the response; /events), /probe (what of asyncio and anyio a request finds), and the WebSockets /ws (echo),
/ws/close (4001, "enough") and /ws/refuse.
"""

import asyncio
import contextvars
import hashlib

EVENTS = []
SEEN = contextvars.ContextVar("seen", default="unset")


async def probe():
    """What a request can do with its task: the same in every framework."""
    import anyio
    import anyio.to_thread
    import sniffio

    before, task = SEEN.get(), asyncio.current_task()
    SEEN.set("set")
    done = []

    async def child(name):
        await anyio.sleep(0)
        done.append([name, SEEN.get()])

    async with anyio.create_task_group() as group:
        group.start_soon(child, "one")
        group.start_soon(child, "two")
    with anyio.move_on_after(0.01) as scope:
        await anyio.sleep(60)
    try:
        await asyncio.wait_for(asyncio.sleep(60), 0.01)
    except asyncio.TimeoutError:
        done.append("timeout")
    thread = await anyio.to_thread.run_sync(SEEN.get)
    with anyio.CancelScope() as inner:
        inner.cancel()
        await anyio.sleep(60)
    return {
        "before": before, "done": sorted(map(str, done)), "left": scope.cancelled_caught, "inner": inner.cancelled_caught,
        "thread": thread, "library": sniffio.current_async_library(), "same": task is asyncio.current_task() is not None,
    }


async def lines():
    for number in range(1000):
        yield f"line {number}\n".encode()


async def server_sent():
    for number in range(3):
        yield f"data: {number}\n\n".encode()
        await asyncio.sleep(0)


async def later():
    EVENTS.append("later")


async def digest_of(pieces):
    digest = hashlib.sha256()
    async for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def starlette():
    import contextlib

    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
    from starlette.routing import Route, WebSocketRoute

    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield {"began": "yes"}
        print("lifespan over", flush=True)

    async def hello(request):
        return PlainTextResponse(f"Hello, {request.path_params['name']}!")

    async def form(request):
        async with request.form() as form:
            return JSONResponse({"a": form["a"], "file": (await form["f"].read()).decode() if "f" in form else None})

    async def upload(request):
        return PlainTextResponse(await digest_of(request.stream()))

    async def stream(request):
        return StreamingResponse(lines(), media_type="text/plain")

    async def file(request):
        return FileResponse(__file__)

    async def error(request):
        raise RuntimeError("deliberate")

    async def cookie(request):
        reply = PlainTextResponse(request.cookies.get("seen", "new"))
        reply.set_cookie("seen", "yes")
        reply.set_cookie("other", "too")
        return reply

    async def state(request):
        return PlainTextResponse(request.state.began)

    async def sse(request):
        return StreamingResponse(server_sent(), media_type="text/event-stream")

    async def after(request):
        return PlainTextResponse("now", background=BackgroundTask(later))

    async def events(request):
        return JSONResponse(EVENTS)

    async def probed(request):
        return JSONResponse(await probe())

    async def ws(socket):
        await socket.accept(subprotocol=next(iter(socket.scope["subprotocols"]), None))
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return EVENTS.append([message["code"], message.get("reason")])
            await (socket.send_text(message["text"]) if message.get("text") is not None else socket.send_bytes(message["bytes"]))

    async def ws_close(socket):
        await socket.accept()
        await socket.close(4001, "enough")

    async def ws_refuse(socket):
        await socket.close()

    return Starlette(lifespan=lifespan, routes=[
        Route("/hello/{name}", hello), Route("/form", form, methods=["POST"]), Route("/upload", upload, methods=["POST"]), Route("/stream", stream),
        Route("/file", file), Route("/error", error), Route("/cookie", cookie), Route("/state", state), Route("/sse", sse), Route("/later", after),
        Route("/events", events), Route("/probe", probed), WebSocketRoute("/ws", ws), WebSocketRoute("/ws/close", ws_close), WebSocketRoute("/ws/refuse", ws_refuse),
    ])


def fastapi():
    import contextlib
    from typing import Annotated

    from fastapi import BackgroundTasks, Cookie, FastAPI, Form, Request, Response, UploadFile, WebSocket, WebSocketDisconnect
    from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse

    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield {"began": "yes"}
        print("lifespan over", flush=True)

    app = FastAPI(lifespan=lifespan)

    @app.get("/hello/{name}", response_class=PlainTextResponse)
    async def hello(name: str):
        return f"Hello, {name}!"

    @app.post("/form")
    async def form(a: Annotated[str, Form()], f: UploadFile | None = None):
        return {"a": a, "file": (await f.read()).decode() if f else None}

    @app.post("/upload", response_class=PlainTextResponse)
    async def upload(request: Request):
        return await digest_of(request.stream())

    @app.get("/stream")
    async def stream():
        return StreamingResponse(lines(), media_type="text/plain")

    @app.get("/file")
    def file():
        return FileResponse(__file__)

    @app.get("/error")
    async def error():
        raise RuntimeError("deliberate")

    @app.get("/cookie", response_class=PlainTextResponse)
    async def cookie(response: Response, seen: Annotated[str, Cookie()] = "new"):
        response.set_cookie("seen", "yes")
        response.set_cookie("other", "too")
        return seen

    @app.get("/state", response_class=PlainTextResponse)
    async def state(request: Request):
        return request.state.began

    @app.get("/sse")
    async def sse():
        return StreamingResponse(server_sent(), media_type="text/event-stream")

    @app.get("/later", response_class=PlainTextResponse)
    async def after(tasks: BackgroundTasks):
        tasks.add_task(later)
        return "now"

    @app.get("/events")
    def events():
        return EVENTS

    @app.get("/probe")
    async def probed():
        return await probe()

    @app.websocket("/ws")
    async def ws(socket: WebSocket):
        await socket.accept(subprotocol=next(iter(socket.scope["subprotocols"]), None))
        try:
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    raise WebSocketDisconnect(message["code"], message.get("reason"))
                await (socket.send_text(message["text"]) if message.get("text") is not None else socket.send_bytes(message["bytes"]))
        except WebSocketDisconnect as gone:
            EVENTS.append([gone.code, gone.reason])

    @app.websocket("/ws/close")
    async def ws_close(socket: WebSocket):
        await socket.accept()
        await socket.close(4001, "enough")

    @app.websocket("/ws/refuse")
    async def ws_refuse(socket: WebSocket):
        await socket.close()

    return app


def litestar():
    import contextlib

    from litestar import Litestar, MediaType, Request, Response, WebSocket, get, post, websocket
    from litestar.background_tasks import BackgroundTask
    from litestar.response import File, Stream

    @contextlib.asynccontextmanager
    async def lifespan(app):
        app.state.began = "yes"
        yield
        print("lifespan over", flush=True)

    @get("/hello/{name:str}", media_type=MediaType.TEXT)
    async def hello(name: str) -> str:
        return f"Hello, {name}!"

    @post("/form", status_code=200)
    async def form(request: Request) -> dict:
        data = await request.form()
        return {"a": data["a"], "file": (await data["f"].read()).decode() if "f" in data else None}

    @post("/upload", media_type=MediaType.TEXT, status_code=200)
    async def upload(request: Request) -> str:
        return await digest_of(request.stream())

    @get("/stream")
    async def stream() -> Stream:
        return Stream(lines(), media_type="text/plain")

    @get("/file")
    async def file() -> File:
        return File(__file__)

    @get("/error")
    async def error() -> None:
        raise RuntimeError("deliberate")

    @get("/cookie")
    async def cookie(request: Request) -> Response[str]:
        reply = Response(request.cookies.get("seen", "new"), media_type=MediaType.TEXT)
        reply.set_cookie("seen", "yes")
        reply.set_cookie("other", "too")
        return reply

    @get("/state", media_type=MediaType.TEXT)
    async def state(request: Request) -> str:
        return request.app.state.began

    @get("/sse")
    async def sse() -> Stream:
        return Stream(server_sent(), media_type="text/event-stream")

    @get("/later")
    async def after() -> Response[str]:
        return Response("now", media_type=MediaType.TEXT, background=BackgroundTask(later))

    @get("/events")
    async def events() -> list:
        return EVENTS

    @get("/probe")
    async def probed() -> dict:
        return await probe()

    @websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept(subprotocols=next(iter(socket.scope["subprotocols"]), None))
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return EVENTS.append([message["code"], message.get("reason")])
            await (socket.send_text(message["text"]) if message.get("text") is not None else socket.send_bytes(message["bytes"]))

    @websocket("/ws/close")
    async def ws_close(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close(code=4001, reason="enough")

    @websocket("/ws/refuse")
    async def ws_refuse(socket: WebSocket) -> None:
        await socket.close()

    return Litestar([hello, form, upload, stream, file, error, cookie, state, sse, after, events, probed, ws, ws_close, ws_refuse], lifespan=[lifespan], openapi_config=None)


def quart():
    from quart import Quart, Response, make_response, request, send_file, websocket

    app = Quart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = None

    @app.before_serving
    async def begin():
        app.config["BEGAN"] = "yes"

    @app.after_serving
    async def end():
        print("lifespan over", flush=True)

    @app.get("/hello/<name>")
    async def hello(name):
        return f"Hello, {name}!"

    @app.post("/form")
    async def form():
        files = await request.files
        return {"a": (await request.form)["a"], "file": files["f"].read().decode() if "f" in files else None}

    @app.post("/upload")
    async def upload():
        return await digest_of(request.body)

    @app.get("/stream")
    async def stream():
        return Response(lines(), mimetype="text/plain")

    @app.get("/file")
    async def file():
        return await send_file(__file__)

    @app.get("/error")
    async def error():
        raise RuntimeError("deliberate")

    @app.get("/cookie")
    async def cookie():
        reply = await make_response(request.cookies.get("seen", "new"))
        reply.set_cookie("seen", "yes")
        reply.set_cookie("other", "too")
        return reply

    @app.get("/state")
    async def state():
        return app.config["BEGAN"]

    @app.get("/sse")
    async def sse():
        return Response(server_sent(), mimetype="text/event-stream")

    @app.get("/later")
    async def after():
        app.add_background_task(later)
        return "now"

    @app.get("/events")
    async def events():
        return EVENTS

    @app.get("/probe")
    async def probed():
        return await probe()

    @app.websocket("/ws")
    async def ws():
        await websocket.accept(subprotocol=next(iter(websocket.requested_subprotocols), None))
        while True:
            await websocket.send(await websocket.receive())

    @app.websocket("/ws/close")
    async def ws_close():
        await websocket.accept()
        await websocket.close(4001, "enough")

    @app.websocket("/ws/refuse")
    async def ws_refuse():
        await websocket.close(1000)

    return app


def django():
    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
    from django.urls import path

    async def hello(request, name):
        return HttpResponse(f"Hello, {name}!")

    def form(request):
        file = request.FILES.get("f")
        return JsonResponse({"a": request.POST["a"], "file": file.read().decode() if file else None})

    async def upload(request):
        digest = hashlib.sha256()
        while piece := request.read(65536):
            digest.update(piece)
        return HttpResponse(digest.hexdigest())

    async def stream(request):
        return StreamingHttpResponse(lines())

    def file(request):
        return FileResponse(open(__file__, "rb"))

    async def error(request):
        raise RuntimeError("deliberate")

    def cookie(request):
        reply = HttpResponse(request.COOKIES.get("seen", "new"))
        reply.set_cookie("seen", "yes")
        reply.set_cookie("other", "too")
        return reply

    async def sse(request):
        return StreamingHttpResponse(server_sent(), content_type="text/event-stream")

    async def probed(request):
        return JsonResponse(await probe())

    routes = [path("hello/<name>", hello), path("form", form), path("upload", upload), path("stream", stream), path("file", file), path("error", error),
              path("cookie", cookie), path("sse", sse), path("probe", probed)]
    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=type("urls", (), {"urlpatterns": routes}), DATA_UPLOAD_MAX_MEMORY_SIZE=None)
    django.setup()
    return get_asgi_application()


def blacksheep():
    from blacksheep import Application, Content, Response, StreamedContent, WebSocket, text
    from blacksheep import json as reply_json
    from blacksheep.cookies import Cookie
    from blacksheep.exceptions import MessageAborted
    from blacksheep.server.websocket import WebSocketDisconnectError

    app = Application()

    @app.lifespan
    async def lifespan():
        app.began = "yes"
        yield
        print("lifespan over", flush=True)

    @app.router.get("/hello/{name}")
    async def hello(name: str):
        return text(f"Hello, {name}!")

    @app.router.post("/form")
    async def form(request):
        data = await request.form() or {}
        files = await request.files("f") if b"multipart" in request.content_type() else []
        return reply_json({"a": data["a"], "file": files[0].data.decode() if files else None})

    @app.router.post("/upload")
    async def upload(request):
        try:
            return text(await digest_of(request.stream()))
        except MessageAborted:
            return text("nobody")

    @app.router.get("/stream")
    async def stream():
        return Response(200, content=StreamedContent(b"text/plain", lines))

    @app.router.get("/file")
    async def file():
        with open(__file__, "rb") as source:
            return Response(200, content=Content(b"text/plain", source.read()))

    @app.router.get("/error")
    async def error():
        raise RuntimeError("deliberate")

    @app.router.get("/cookie")
    async def cookie(request):
        reply = text(request.cookies.get("seen", "new"))
        reply.set_cookie(Cookie("seen", "yes"))
        reply.set_cookie(Cookie("other", "too"))
        return reply

    @app.router.get("/state")
    async def state():
        return text(app.began)

    @app.router.get("/sse")
    async def sse():
        return Response(200, content=StreamedContent(b"text/event-stream", server_sent))

    @app.router.get("/events")
    async def events():
        return reply_json(EVENTS)

    @app.router.get("/probe")
    async def probed():
        return reply_json(await probe())

    @app.router.ws("/ws")
    async def ws(socket: WebSocket):
        await socket.accept()
        try:
            while True:
                await socket.send_text(await socket.receive_text())
        except WebSocketDisconnectError:
            pass

    return app
