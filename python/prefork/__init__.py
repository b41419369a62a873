"""prefork: an application server for Python. The server is the `prefork` executable; this package finds and starts it, and is what
applications import for what it offers beyond WSGI and ASGI (docs/native.md).
"""

from prefork._worker import on_worker_start, on_worker_stop, state

__all__ = ["native", "on_worker_start", "on_worker_stop", "shared", "state", "worker_id"]

worker_id = 0  # in a worker its place among the workers, from 1


def __getattr__(name):
    if name not in ("native", "shared"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return importlib.import_module("prefork." + name)
