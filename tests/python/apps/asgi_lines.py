"""What the lines of the ASGI checklist ask for that other applications here do not show."""

import asyncio
import json
import os

import asgi_apps
from asgi_apps import answer, shown

FIRST = {}
FOLDER = os.environ.get("PREFORK_TEST", ".")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    if scope["type"] == "websocket":
        return await socket(scope, receive, send)
    await HTTP.get(scope["path"].strip("/"), tell)(scope, receive, send)


async def lifespan(scope, receive, send):
    if os.environ.get("SLOW_START"):
        print("startup begins", flush=True)
    assert (await receive())["type"] == "lifespan.startup"
    if os.environ.get("SLOW_START"):
        try:
            await asyncio.sleep(600)
        finally:
            print("startup interrupted", flush=True)
    scope["state"]["shared"] = []
    await send({"type": "lifespan.startup.complete"})
    try:
        await send({"type": "lifespan.startup.complete"})
    except RuntimeError:
        print("refused twice", flush=True)
    assert (await receive())["type"] == "lifespan.shutdown"
    print(f"lifespan of {os.getpid()} is over", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def tell(scope, receive, send):
    await answer(send, {"types": {key: type(value).__name__ for key, value in scope.items()}, **shown(scope)})


async def writes_to_its_scope(scope, receive, send):
    """True when what the request before has written is not there."""
    clean = "mine" not in scope["asgi"] and "mine" not in scope["extensions"] and "mine" not in scope["state"] and "mine" not in scope
    for place in (scope, scope["asgi"], scope["extensions"], scope["state"]):
        place["mine"] = True
    scope["headers"].append((b"mine", b"1"))
    await answer(send, clean)


async def in_steps(scope, receive, send):
    """Each piece goes out before the next is there."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    print("started", flush=True)
    for number in range(3):
        while not os.path.exists(os.path.join(FOLDER, f"step{number}")):
            await asyncio.sleep(0.01)
        await send({"type": "http.response.body", "body": b"step%d\n" % number, "more_body": True})
    await send({"type": "http.response.body"})


async def ignores_its_body(scope, receive, send):
    await answer(send, b"not read")


async def length_of_a_head(scope, receive, send):
    await answer(send, b"12345", headers=[(b"content-length", b"5"), (b"x-method", scope["method"].encode())])


async def no_content(scope, receive, send):
    await answer(send, b"12345", 204, [(b"content-length", b"5")])


async def not_modified(scope, receive, send):
    await answer(send, b"12345", 304, [(b"content-length", b"5")])


async def path_with_a_length(scope, receive, send):
    size = os.path.getsize(asgi_apps.__file__)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
    await send({"type": "http.response.pathsend", "path": asgi_apps.__file__})


async def socket(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept", "headers": [(b"X-Up", b"1"), (b"set-cookie", b"a=1")]})
    await send({"type": "websocket.send", "text": json.dumps(shown(scope))})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": str(sorted(key for key in event if event[key] is not None))})


HTTP = {function.__name__: function for function in (writes_to_its_scope, in_steps, ignores_its_body, length_of_a_head, no_content, not_modified, path_with_a_length)}
