"""What the tests of processes serve: quick answers, slow ones, and ways for a worker to die or hang."""

import collections
import itertools
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


def letters(count):
    return (b"abcdefghijklmnopqrstuvwxyz" * (count // 26 + 1))[:count]


def exhaust_memory():
    """Asks for more than the address space that is left, in pieces, until a C allocation fails."""
    import ctypes
    import resource

    used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 22), resource.RLIM_INFINITY))
    kept = []
    try:
        while True:
            kept.append(bytearray(1 << 16))
    except MemoryError:
        pass
    try:
        while True:
            kept.append(bytearray(64))
    except MemoryError:
        del kept[:16], kept[-1000:]  # the call itself needs some, and a MemoryError of its own would save the worker
        ctypes.memset(0, 0, 1)  # what C code does that does not look at what malloc gave it


def _close_descriptors(kind):
    for number in os.listdir("/proc/self/fd"):
        try:
            if kind == "all" and int(number) > 2 or os.readlink(f"/proc/self/fd/{number}").startswith(kind):
                os.close(int(number))
        except OSError:
            pass


def _write_and_stay(file, block, in_c):
    """Asleep, or busy without another Python instruction in which a signal's handler could run."""
    if in_c:
        collections.deque(map(os.write, itertools.chain([file], itertools.repeat(os.open(os.devnull, os.O_WRONLY))), itertools.repeat(block)), maxlen=0)
    os.write(file, block)
    time.sleep(60)


def _in_a_child(how):
    if how == "multiprocessing":
        import multiprocessing

        with multiprocessing.get_context("fork").Pool(2) as pool:
            return repr(pool.map(abs, [-1, -2, 3])).encode()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        if how == "linger":
            time.sleep(60)
        if how == "return":
            return b"the child's"
        if how == "sys-exit":
            sys.exit(0)
        if how.startswith("terminated"):
            _write_and_stay(writing, b"x", how == "terminated-in-c")
        os._exit(7)
    if how.startswith("terminated"):
        os.read(reading, 1)
        os.kill(child, signal.SIGTERM)
    os.close(reading)
    os.close(writing)
    if how == "linger":
        return str(child).encode()
    return str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode()


def end_or_hang(path):
    """What a bad request does to its worker; any other path does nothing."""
    if path == "/segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif path == "/abort":
        os.abort()
    elif path.startswith("/exit/"):
        os._exit(int(path[6:]))
    elif path.startswith("/sys-exit/"):
        sys.exit(int(path[10:]))
    elif path == "/hang":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGABRT})
        time.sleep(120)
    elif path == "/spin":
        _spin()
    elif path == "/memory":
        exhaust_memory()
    elif path.startswith("/close/"):
        _close_descriptors(path[7:])


def application(environ, start_response):
    path = environ["PATH_INFO"]
    body = b"hello"
    if path.startswith("/sleep/"):
        time.sleep(float(path[7:]))
    elif path == "/pid":
        body = str(os.getpid()).encode()
    elif path == "/version":
        body = VERSION.encode()
    elif path == "/echo":
        body = environ["wsgi.input"].read()
    elif path.startswith("/len/"):
        body = letters(int(path[5:]))
    elif path.startswith("/child/"):
        body = _in_a_child(path[7:])
    elif path == "/environ":
        body = repr(sorted(os.environ.items())).encode()
    elif path == "/ids":
        body = repr((os.getuid(), os.getgid(), sorted(os.getgroups()), os.getcwd(), sys.path[0])).encode()
    else:
        end_or_hang(path)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
