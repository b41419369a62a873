"""What the tests of --preload serve: a large application that tells where it was loaded and what it finds in its process."""

import asyncio
import gc
import os
import random
import threading
import time

from process_app import application as process_application

MEGABYTES = [bytes(1000) for _ in range(int(os.environ.get("PRELOAD_MEGABYTES", "0")) * 1000)]
LOADED_IN = os.getpid()
SEEN = []  # what hooks put here
with open(os.path.join(os.environ["PREFORK_TEST"], "loads"), "a") as _loads:
    print(LOADED_IN, file=_loads)
threading.Thread(target=time.sleep, args=(3600,), name="of-the-import", daemon=True).start()


def _facts():
    return {
        "pid": os.getpid(), "parent": os.getppid(), "loaded_in": LOADED_IN, "seen": SEEN, "random": random.random(),
        "frozen": gc.get_freeze_count() > 0, "threads": [thread.name for thread in threading.enumerate()],
    }


def application(environ, start_response):
    if environ["PATH_INFO"] != "/facts":
        return process_application(environ, start_response)
    if environ["QUERY_STRING"]:
        time.sleep(0.2)
    body = repr(_facts()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["started_in"] = os.getpid()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return await send({"type": "lifespan.shutdown.complete"})
    await asyncio.sleep(0.2 if scope["query_string"] else 0)
    facts = _facts() | {"started_in": scope["state"]["started_in"]}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": repr(facts).encode()})
