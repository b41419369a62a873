"""The servers: what to install for each, and the command line that starts it as its own documentation advises.

A Start says what is wanted (application, port, workers ...); a server's function turns it into argv.
"""

import dataclasses
import os
import pathlib
import subprocess
import sys
import typing

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("PREFORK_BUILD", ROOT / "build" / "release"))
APPS = ROOT / "benchmarks" / "apps"
BIN = pathlib.Path(sys.prefix) / "bin"


@dataclasses.dataclass(frozen=True)
class Start:
    app: str                  # module:name
    port: int
    workers: int = 1
    threads: int = 1          # 1: as few as the server can do with
    access_log: str = ""      # a file to log every request to


@dataclasses.dataclass(frozen=True)
class Server:
    name: str
    interfaces: tuple         # wsgi, asgi, native, ws, echo
    command: typing.Callable  # (Start) -> argv
    packages: tuple = ()
    probe: str = ""           # a module whose import shows that the package works
    reloads: bool = False     # HUP to the process that was started replaces the workers
    supervises: bool = False  # a worker that dies is replaced
    access_log: bool = False  # can log every request to a file or to stdout


def prefork(start):
    command = [str(BUILD / "prefork"), "-w", str(start.workers), "-b", f"127.0.0.1:{start.port}", "--chdir", str(APPS)]
    if start.threads > 1:
        command += ["--threads", str(start.threads)]
    if start.access_log:
        command += ["--access-logfile", start.access_log]
    return [*command, *os.environ.get("BENCH_PREFORK_FLAGS", "").split(), start.app]


def gunicorn(worker_class, *more):
    def command(start):
        argv = [str(BIN / "gunicorn"), "-k", worker_class, "-w", str(start.workers), "-b", f"127.0.0.1:{start.port}"]
        argv += ["--log-level", "warning", "--no-control-socket", *more]
        if worker_class == "gthread":
            argv += ["--threads", str(max(4, start.threads))]
        if start.access_log:
            argv += ["--access-logfile", start.access_log]
        return [*argv, start.app]

    return command


def uvicorn(*more):
    def command(start):
        argv = [str(BIN / "uvicorn"), "--port", str(start.port), "--loop", "uvloop", "--http", "httptools"]
        argv += ["--workers", str(start.workers)] if start.workers > 1 else []
        argv += ["--log-level", "info"] if start.access_log else ["--log-level", "warning", "--no-access-log"]
        return [*argv, *more, start.app]

    return command


def granian(interface, *more):
    def command(start):
        argv = [str(BIN / "granian"), "--interface", interface, "--port", str(start.port), "--workers", str(start.workers)]
        argv += ["--respawn-failed-workers"] if start.workers > 1 else []
        argv += ["--access-log"] if start.access_log else ["--no-access-log", "--log-level", "warning"]
        if interface == "wsgi":
            argv += ["--blocking-threads", str(start.threads)]
        return [*argv, *more, start.app]

    return command


def uwsgi(start):
    argv = [str(BIN / "uwsgi"), "--http11-socket", f"127.0.0.1:{start.port}", "--master", "--need-app", "--listen", "1024"]
    argv += ["--processes", str(start.workers), "--wsgi", start.app, "--virtualenv", sys.prefix]
    argv += ["--logto", start.access_log] if start.access_log else ["--disable-logging"]
    # A thread stays with its keep-alive connection: with one, 63 of 64 clients wait for the first to leave.
    return [*argv, "--threads", str(max(4, start.threads))]


def hypercorn(start):
    argv = [str(BIN / "hypercorn"), "-k", "uvloop", "-w", str(start.workers), "-b", f"127.0.0.1:{start.port}"]
    argv += ["--log-level", "warning"]
    if start.access_log:
        argv += ["--access-logfile", start.access_log]
    return [*argv, start.app]


def waitress(start):
    return [str(BIN / "waitress-serve"), f"--listen=127.0.0.1:{start.port}", f"--threads={max(4, start.threads)}", start.app]


def embedded(name):
    def command(start):
        return [sys.executable, str(APPS / "run_embedded.py"), name, start.app, str(start.port), str(start.workers)]

    return command


GUNICORN = ("gunicorn==27.0.1", "gunicorn_h1c==0.6.9")
GRANIAN = ("granian==2.8.7",)

SERVERS = [
    Server("prefork", ("wsgi", "asgi", "ws", "native"), prefork, reloads=True, supervises=True, access_log=True),
    Server("fastwsgi", ("wsgi",), embedded("fastwsgi"), ("fastwsgi==0.0.9",), "fastwsgi"),
    Server("bjoern", ("wsgi",), embedded("bjoern"), ("bjoern==3.2.2",), "bjoern"),
    Server("fastpysgi", ("wsgi",), embedded("fastpysgi"), ("fastpysgi==0.6",), "fastpysgi"),
    Server("uwsgi", ("wsgi",), uwsgi, ("uwsgi==2.0.31",), "", True, True, True),
    Server("granian", ("wsgi",), granian("wsgi"), GRANIAN, "granian", True, True, True),
    Server("meinheld", ("wsgi",), embedded("meinheld"), ("--no-deps", "meinheld==1.0.2"), "meinheld"),
    Server("gunicorn-gthread", ("wsgi",), gunicorn("gthread"), GUNICORN, "gunicorn_h1c", True, True, True),
    Server("gunicorn-gevent", ("wsgi",), gunicorn("gevent"), GUNICORN, "gevent", True, True, True),
    Server("gunicorn-sync", ("wsgi",), gunicorn("sync"), GUNICORN, "gunicorn_h1c", True, True, True),
    Server("waitress", ("wsgi",), waitress, ("waitress==3.0.2",), "waitress"),
    Server("uvicorn", ("asgi", "ws"), uvicorn("--ws", "websockets-sansio"), ("uvicorn==0.54.0",), "uvicorn", True, True, True),
    Server("uvicorn-wsproto", ("ws",), uvicorn("--ws", "wsproto"), ("uvicorn==0.54.0",), "uvicorn", True, True, True),
    Server("granian-asgi", ("asgi", "ws"), granian("asgi", "--loop", "uvloop"), GRANIAN, "granian", True, True, True),
    Server("fastpysgi-uvloop", ("asgi",), embedded("fastpysgi_uvloop"), ("fastpysgi==0.6",), "fastpysgi"),
    Server("gunicorn-asgi", ("asgi", "ws"), gunicorn("asgi"), GUNICORN, "gunicorn_h1c", True, True, True),
    Server("hypercorn", ("asgi", "ws"), hypercorn, ("hypercorn==0.18.0",), "hypercorn", False, True, True),
]
BY_NAME = {server.name: server for server in SERVERS}


def _works(server):
    if not server.packages:
        return (BUILD / "prefork").exists()
    wanted = [name for name in server.packages if "==" in name]
    probe = "import importlib.metadata as m, sys, warnings\nwarnings.simplefilter('ignore')\n"
    probe += "".join(f"assert m.version({name!r}) == {version!r}\n" for name, version in (w.split("==") for w in wanted))
    probe += f"import {server.probe}\n" if server.probe else ""
    return subprocess.run([sys.executable, "-c", probe], capture_output=True).returncode == 0


def install(servers):
    """Those of the servers that can be used here; what cannot be installed is said and left out."""
    usable = []
    for server in servers:
        if not _works(server) and server.packages:
            print(f"installing {' '.join(server.packages)}", file=sys.stderr)
            command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", *server.packages]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                print(f"{server.name}: left out, it does not install here: {reason}", file=sys.stderr)
                continue
        if _works(server):
            usable.append(server)
        else:
            print(f"{server.name}: left out, it is not built or does not import here", file=sys.stderr)
    return usable


def versions(servers):
    import importlib.metadata

    found = {}
    for server in servers:
        for package in server.packages:
            if "==" in package:
                name = package.split("==")[0]
                found[name] = importlib.metadata.version(name)
    return found
