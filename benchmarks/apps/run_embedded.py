"""Starts a server that is a library: run_embedded.py SERVER MODULE:NAME PORT WORKERS."""

import importlib
import os
import sys
import warnings

warnings.simplefilter("ignore")


def run_fastwsgi(app, port, workers):
    import fastwsgi

    fastwsgi.server.tcp_nodelay = 1
    fastwsgi.run(app, "127.0.0.1", port, workers=workers)


def run_fastpysgi(app, port, workers):
    import fastpysgi

    fastpysgi.server.tcp_nodelay = 1
    fastpysgi.run(app, "127.0.0.1", port, workers=workers)


def run_fastpysgi_uvloop(app, port, workers):
    import asyncio

    import fastpysgi
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    if workers == 1:
        fastpysgi.server.loop = uvloop.new_event_loop()
    run_fastpysgi(app, port, workers)


def forked(workers, run):
    for _ in range(workers - 1):
        if os.fork() == 0:
            break
    run()


def run_bjoern(app, port, workers):
    import bjoern

    bjoern.listen(app, "127.0.0.1", port)
    forked(workers, bjoern.run)


def run_meinheld(app, port, workers):
    from meinheld import server

    server.set_access_logger(None)
    server.set_keepalive(10)   # off by default
    server.listen(("127.0.0.1", port))
    forked(workers, lambda: server.run(app))


def main():
    server, target, port, workers = sys.argv[1:]
    sys.path.insert(0, os.getcwd())
    module, _, name = target.partition(":")
    app = getattr(importlib.import_module(module), name)
    globals()[f"run_{server}"](app, int(port), int(workers))


main()
