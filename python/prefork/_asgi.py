"""The frame around a worker with an event loop: the loop, ASGI's lifespan protocol and its like, applications of the older ASGI 2.

Requests do not pass through here: the bridge calls the application for them itself, from the loop that this makes.
"""

import asyncio

from prefork import _worker
from prefork.config import argument_counts

BOOT_FAILED = 3
CANCEL_SECONDS = 1  # for cancelled tasks to end


def serve(application, worker, loop_kind, lifespan_mode, interface="asgi"):
    """Serves until the worker is told to stop; the process's exit status."""
    loop = _new_loop(loop_kind)
    asyncio.set_event_loop(loop)
    if interface == "asgi":
        application = single_callable(application)
        return _serve(loop, application, worker, Lifespan(application, worker, lifespan_mode))
    if interface == "native":
        return _serve(loop, application, worker, Lifespan(application, worker, "off"))
    return _serve(loop, application.__rsgi__, worker, RsgiLifespan(application, worker))


def _serve(loop, application, worker, lifespan):
    try:
        worker.begin()
        loop.run_until_complete(_worker.start_on_loop())
        if not lifespan.begin(loop):
            return BOOT_FAILED
        if not worker.stopping():
            _run(loop, worker, lambda: worker.start(loop, application, lifespan.state, call_awaitable))
        if worker.quitting():
            # What is started is cancelled and not waited for; the application's own end it still has.
            _cancel(loop, worker, lifespan.task)
        lifespan.end(loop)
        _complete(loop, worker, _worker.stop_on_loop(lambda: worker.log_exception("Exception in on_worker_stop")))
        loop.run_until_complete(_call_term(worker))
        return worker.status()
    finally:
        _close(loop, worker)


async def _call_term(worker):
    """The application's handler finds the loop running, as it does when the signal itself comes."""
    worker.call_term()


def _run(loop, worker, start):
    """Until the worker is told to end, which it may be while it starts, too."""
    while not worker.ended():
        try:
            if start is not None:
                first, start = start, None
                first()
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            # A task of the application's own raised it: one task cannot end the service.
            if worker.quitting():
                worker.give_up()
                return _use_up_stops(loop)
            worker.log_exception("Exception in a task of the application")


def _use_up_stops(loop):
    """A loop that an exception ended may still have a stop before it (uvloop's is a call among others), and would end the next run at once."""
    loop.stop()
    loop.run_forever()


def _new_loop(kind):
    if kind != "asyncio":
        try:
            import uvloop
        except ImportError:
            if kind == "uvloop":
                raise
        else:
            return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def _complete(loop, worker, coroutine):
    """Behind the last request. The exit that a signal raised in one task may come out of those that waited for that one, too: it ends nothing more."""
    task = loop.create_task(coroutine)
    while not task.done():
        try:
            loop.run_until_complete(task)
        except (SystemExit, KeyboardInterrupt):
            if not worker.quitting():
                worker.log_exception("Exception in a task of the application")
            _use_up_stops(loop)
    return task.result()


def _cancel(loop, worker, spared=None):
    tasks = [task for task in asyncio.all_tasks(loop) if task is not spared]
    for task in tasks:
        task.cancel()
    if tasks:
        _complete(loop, worker, asyncio.wait(tasks, timeout=CANCEL_SECONDS))


def _close(loop, worker):
    _cancel(loop, worker)
    loop.run_until_complete(loop.shutdown_asyncgens())
    asyncio.set_event_loop(None)
    loop.close()


def single_callable(application):
    """The application as ASGI 3 wants it; one of ASGI 2 is called with the scope and then with receive and send."""
    counts = argument_counts(application)
    if 3 in counts or 1 not in counts:
        return application

    async def adapted(scope, receive, send):
        await application(scope)(receive, send)

    return adapted


async def call_awaitable(awaitable):
    """A coroutine for what an application returned that is awaitable but none."""
    return await awaitable


class RsgiLifespan:
    """RSGI's: __rsgi_init__ and __rsgi_del__, each called with the event loop while that does not run."""

    def __init__(self, application, worker):
        self.task = None
        self.state = {}
        self._application = application
        self._worker = worker

    def begin(self, loop):
        if hasattr(self._application, "__rsgi_init__"):
            self._application.__rsgi_init__(loop)
        return True

    def end(self, loop):
        if hasattr(self._application, "__rsgi_del__"):
            try:
                self._application.__rsgi_del__(loop)
            except Exception:
                self._worker.log_exception("Exception in __rsgi_del__")


class Lifespan:
    """Tells the application of the worker's start and end. `mode`: auto, on or off."""

    def __init__(self, application, worker, mode):
        self.state = {}
        self._application = application
        self._worker = worker
        self._mode = mode
        self._supported = mode != "off"
        self._failed = False
        self._asked_to_end = False
        self.task = None

    def begin(self, loop):
        return loop.run_until_complete(self.startup())

    def end(self, loop):
        _complete(loop, self._worker, self.shutdown())

    async def startup(self):
        """False: the worker must not serve."""
        if not self._supported:
            return True
        self._incoming = asyncio.Queue()
        self._started = asyncio.Event()
        self._stopped = asyncio.Event()
        self._incoming.put_nowait({"type": "lifespan.startup"})
        self.task = asyncio.get_running_loop().create_task(self._run())
        await self._started.wait()
        return not self._failed

    async def shutdown(self):
        if self.task is None or self.task.done() or not self._supported or self._failed:
            return
        self._asked_to_end = True
        self._incoming.put_nowait({"type": "lifespan.shutdown"})
        await self._stopped.wait()

    async def _run(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._application(scope, self._incoming.get, self._send)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._ended_by(error)
        finally:
            if not self._started.is_set():
                self._supported = False
                self._started.set()
            self._stopped.set()

    def _ended_by(self, error):
        if self._failed or not self._started.is_set() and self._worker.stopping():
            return  # it has said why itself, or was told to end
        if self._started.is_set():
            return self._worker.log_exception("Exception in the application's lifespan")
        if self._mode == "on":
            self._failed = True
            return self._worker.log_exception("Application startup failed")
        self._worker.log("debug", "The application does not support the lifespan protocol: %r" % (error,))

    async def _send(self, message):
        kind = message["type"]
        if kind in ("lifespan.startup.complete", "lifespan.startup.failed"):
            if self._started.is_set():
                raise RuntimeError("%r was sent after the startup was over" % kind)
            if kind.endswith("failed"):
                self._failed = True
                if not self._worker.stopping():
                    self._worker.log("error", "Application startup failed: %s" % message.get("message", ""))
            self._started.set()
        elif kind in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            if not self._asked_to_end or self._stopped.is_set():
                raise RuntimeError("%r was sent, and no shutdown is going on" % kind)
            if kind.endswith("failed"):
                self._worker.log("error", "Application shutdown failed: %s" % message.get("message", ""))
            self._stopped.set()
        else:
            raise RuntimeError("%r is no message of the lifespan protocol" % kind)
