"""What the tests of processes serve: quick answers, slow ones, and ways for a worker to die or hang."""

import os
import pathlib
import signal
import sys
import time


def _start():
    folder = os.environ.get("PREFORK_TEST")
    if not folder:
        return
    delay = pathlib.Path(folder, "boot-delay")
    if delay.exists():
        time.sleep(float(delay.read_text()))
    if pathlib.Path(folder, "broken").exists():
        raise RuntimeError("this release is broken")


_start()
VERSION = os.environ.get("PROCESS_APP_VERSION", "1")


def _spin():
    until = time.monotonic() + 120
    while time.monotonic() < until:
        pass


def application(environ, start_response):
    path = environ["PATH_INFO"]
    body = b"hello"
    if path.startswith("/sleep/"):
        time.sleep(float(path[7:]))
    elif path == "/pid":
        body = str(os.getpid()).encode()
    elif path == "/version":
        body = VERSION.encode()
    elif path == "/segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif path == "/abort":
        os.abort()
    elif path.startswith("/exit/"):
        os._exit(int(path[6:]))
    elif path == "/hang":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGABRT})
        time.sleep(120)
    elif path == "/spin":
        _spin()
    elif path == "/environ":
        body = repr(sorted(os.environ.items())).encode()
    elif path == "/ids":
        body = repr((os.getuid(), os.getgid(), sorted(os.getgroups()), os.getcwd(), sys.path[0])).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
