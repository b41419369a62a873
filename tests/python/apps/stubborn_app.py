"""An application that does not want to go: $STUBBORN says how."""

import atexit
import os
import pathlib
import signal
import threading
import time

HOW = os.environ.get("STUBBORN", "")
if HOW == "ignores-term":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
elif HOW == "own-handlers":
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH):
        signal.signal(number, lambda *_: None)
elif HOW.startswith("cleans-up"):
    over, before = threading.Event(), signal.getsignal(signal.SIGTERM)
    threading.Thread(target=over.wait).start()

    def clean_up(number, frame):
        print("the application cleans up at", number, flush=True)
        over.set()
        if HOW == "cleans-up-and-goes-on":
            before(number, frame)
        elif HOW == "cleans-up-and-exits":
            raise SystemExit(7)

    signal.signal(signal.SIGTERM, clean_up)
elif HOW == "threads":
    threading.Thread(target=time.sleep, args=(3600,)).start()
elif HOW == "atexit-blocks":
    atexit.register(time.sleep, 3600)
elif HOW == "atexit":
    atexit.register(lambda: print("atexit has run", flush=True))
elif HOW == "atexit-raises":
    atexit.register(lambda: 1 / 0)
elif HOW == "import":
    atexit.register(lambda: print("atexit has run", flush=True))
    while pathlib.Path("wait").exists():
        try:
            pathlib.Path("importing").touch()
            time.sleep(0.01)
        except BaseException:  # as code does that tries one way after another
            pass


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/sleep/"):
        time.sleep(float(path[7:]))
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
