"""Looks at the task that a request runs in, before and after it first suspends. /NAME runs the coroutine NAME."""

import asyncio
import contextvars
import gc
import json
import weakref

MARK = contextvars.ContextVar("mark", default="unset")
KEPT = []


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    function = globals().get("do_" + scope["path"].strip("/"))
    value = await function() if function else "ok"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


async def do_listed():
    """The task is in all_tasks() while it has not suspended, and then still; so is no other request's."""
    before = [asyncio.current_task() in asyncio.all_tasks(), len(asyncio.all_tasks())]
    await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    return [*before, asyncio.current_task() in asyncio.all_tasks(), len(asyncio.all_tasks())]


async def do_listed_quick():
    tasks = asyncio.all_tasks()
    return [asyncio.current_task() in tasks, len(tasks)]


async def do_same():
    """The task is the same before and after a suspension, and all_tasks() has it afterwards."""
    before = asyncio.current_task()
    await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    return [before is not None, before is asyncio.current_task(), before in asyncio.all_tasks(), before.done()]


async def do_context():
    before = MARK.get()
    MARK.set("seen")
    inside = await asyncio.create_task(_mark())
    await asyncio.sleep(0.001)
    return [before, inside, MARK.get()]


async def _mark():
    return MARK.get()


async def do_context_quick():
    before = MARK.get()
    MARK.set("quick")
    return before


async def do_timeout():
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(30)
    except TimeoutError:
        return ["timeout", asyncio.current_task().cancelling()]


async def do_cancel_before():
    """cancel() before the first suspension is delivered at it."""
    asyncio.current_task().cancel()
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        asyncio.current_task().uncancel()
        return "cancelled"


async def do_cancel_sleep0():
    asyncio.current_task().cancel()
    try:
        await asyncio.sleep(0)
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        return "cancelled"


async def do_cancel_soon(message):
    """Behind the first suspension, before the event loop has done anything else."""
    task = asyncio.current_task()
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(task.cancel, *message)
    try:
        await future
    except asyncio.CancelledError as error:
        if hasattr(task, "uncancel"):
            task.uncancel()
        return [list(error.args), future.cancelled()]


async def do_cancel_soon_message():
    return await do_cancel_soon(["why"])


async def do_cancel_soon_silent():
    return await do_cancel_soon([])


async def do_refuse():
    """The next request finds that another task is the current one, as far as the server can see."""
    asyncio.get_running_loop().call_soon(REFUSED.append, True)


async def do_tasks():
    """How many there are, spare ones too."""
    gc.collect()
    return sum(isinstance(each, asyncio.Task) for each in gc.get_objects())


REFUSED = []


def _enter_task(loop, task, enter=asyncio.tasks._enter_task):
    if REFUSED:
        REFUSED.clear()
        raise RuntimeError("refused")
    enter(loop, task)


asyncio.tasks._enter_task = _enter_task


async def do_cancel_and_return():
    asyncio.current_task().cancel()
    return "returned"


async def do_keep():
    KEPT.append(asyncio.current_task())
    return len(KEPT)


async def do_kept():
    return [len({id(task) for task in KEPT}), asyncio.current_task() in KEPT, [task.done() for task in KEPT]]


async def do_weak():
    fresh = not WEAK.get(asyncio.current_task())
    WEAK[asyncio.current_task()] = True
    return fresh


WEAK = weakref.WeakKeyDictionary()
CALLED = []


async def do_callback():
    asyncio.current_task().add_done_callback(lambda task: CALLED.append(task.done()))
    return "added"


async def do_called():
    return CALLED


async def do_rename():
    before = asyncio.current_task().get_name()
    asyncio.current_task().set_name("renamed")
    return before


async def do_alone():
    """Other requests' spare tasks are nobody's business."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    return sorted(task.get_coro().__qualname__ for task in others)


async def do_gather():
    return await asyncio.gather(asyncio.sleep(0.001, 1), asyncio.sleep(0, 2), _mark())


async def do_taskgroup():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(0.001, i)) for i in range(3)]
    return [task.result() for task in tasks]


async def do_taskgroup_fails():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_fail())
            await asyncio.sleep(30)
    except ExceptionGroup as error:
        return [type(inner).__name__ for inner in error.exceptions]


async def _fail():
    raise ValueError("from a child")


async def do_future_done():
    future = asyncio.get_running_loop().create_future()
    future.set_result("there")
    return await future
