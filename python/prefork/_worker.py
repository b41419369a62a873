"""What an application keeps in a worker, and what it does at a worker's start and end."""


class State:
    """Attributes that every request of a worker sees: prefork.state.pool = …; nothing of it is shared with other workers."""

    def __repr__(self):
        return f"<prefork.state {self.__dict__!r}>"


state = State()

_starting = []
_stopping = []


def on_worker_start(function):
    """Registers a function without arguments for every worker, once, after the application is imported and before its first request.

    One that raises keeps the worker from serving. In a worker with an event loop it may be a coroutine function. A decorator.
    """
    _starting.append(function)
    return function


def on_worker_stop(function):
    """Likewise for a worker that ends in good order, after its last request; the last registered is called first. A decorator."""
    _stopping.append(function)
    return function


def start():
    for function in _starting:
        if _awaitable(function()):
            raise TypeError(f"{function!r} is asynchronous, and this worker has no event loop")


def stop_next():
    if not _stopping:
        return False
    function = _stopping.pop()
    if _awaitable(function()):
        raise TypeError(f"{function!r} is asynchronous, and this worker has no event loop")
    return True


async def start_on_loop():
    for function in _starting:
        result = function()
        if _awaitable(result):
            await result


async def stop_on_loop(failed):
    """Calls failed() in the handler of what one of them raises, and goes on."""
    while _stopping:
        try:
            result = _stopping.pop()()
            if _awaitable(result):
                await result
        except Exception:
            failed()


def _awaitable(result):
    return hasattr(result, "__await__")
