"""For the walk through all settings: does what the path says, and shows what it was called with."""

import asyncio
import json
import os
import sys
import time

EVENTS = []
RUNNING = {"now": 0, "most": 0}
FILES = []


def facts():
    return {"_env": dict(os.environ), "_path": sys.path[:4], "_cwd": os.getcwd(), "_pid": os.getpid(), "_uid": os.getuid(), "_gid": os.getgid(),
            "_groups": os.getgroups(), "_name": __name__, "_events": EVENTS, "_most": RUNNING["most"]}


def wsgi(environ, start_response):
    verb, _, argument = environ["PATH_INFO"].strip("/").partition("/")
    headers = [("Content-Type", "text/plain")]
    if verb == "sleep":
        time.sleep(float(argument))
    elif verb == "die":
        os.kill(os.getpid(), 9)
    elif verb == "fail":
        raise ValueError("told to fail")
    elif verb == "print":
        print("printed by the application", flush=True)
    elif verb == "log":
        import logging

        logging.getLogger("gunicorn.error").warning("logged by the application")
    elif verb == "big":
        start_response("200 OK", headers)
        return (b"x" * 65536 for _ in range(int(argument) // 65536))
    elif verb == "body":
        start_response("200 OK", headers)
        return [str(len(environ["wsgi.input"].read())).encode()]
    elif verb == "started":
        open(argument.replace("|", "/"), "w").close()
        environ["wsgi.input"].read()
    elif verb == "file":
        file = open(__file__, "rb")
        FILES.append(os.dup(file.fileno()))
        start_response("200 OK", headers)
        return environ["wsgi.file_wrapper"](file)
    elif verb == "tell":
        start_response("200 OK", headers)
        return [str(os.lseek(FILES[-1], 0, os.SEEK_CUR)).encode()]
    elif verb == "grow":
        FILES.append(b"x" * int(argument))
    shown = {name: value for name, value in environ.items() if isinstance(value, (str, bool))}
    start_response("200 OK", [("Content-Type", "application/json"), ("X-Shown", "yes")])
    return [json.dumps({**shown, **facts()}).encode()]


def factory():
    return wsgi


def undecorated(scope, receive, send):
    """An ASGI application that does not look like one."""
    return asgi(scope, receive, send)


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        EVENTS.append("lifespan")
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await socket(scope, receive, send)
    else:
        await http(scope, receive, send)


async def socket(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/deaf":
        await asyncio.sleep(5)
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event.get("text") or "bytes"})
    EVENTS.append("close %s" % event["code"])


async def http(scope, receive, send):
    verb, _, argument = scope["path"].strip("/").partition("/")
    RUNNING["now"] += 1
    RUNNING["most"] = max(RUNNING["most"], RUNNING["now"])
    try:
        task = asyncio.current_task()
        if verb == "sleep":
            await asyncio.sleep(float(argument))
        elif verb == "gone":
            EVENTS.append("begun")
            while (await receive())["type"] != "http.disconnect":
                pass
            EVENTS.append("disconnect")
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                EVENTS.append("cancelled")
                raise
        shown = {"_loop": type(asyncio.get_running_loop()).__module__, "_task": task is not None and type(task).__name__, "root_path": scope["root_path"],
                 "client": scope["client"], "scheme": scope["scheme"], **facts()}
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(shown).encode()})
    finally:
        RUNNING["now"] -= 1
