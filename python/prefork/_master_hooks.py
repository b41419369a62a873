"""The hooks of the master, which has no Python: on_starting, on_reload, when_ready, pre_fork, child_exit, nworkers_changed, pre_exec,
on_exit. They run in a process of their own (_hook_process.py) or, with --preload, in the one that workers are forked from (_mold.py).

A call is a line of JSON, and so is its answer:
{"id": 7, "hook": "child_exit", "workers": {"PID": AGE, …}, "wanted": 4, "worker": [PID, AGE], "arguments": […]}
{"id": 7, "error": null}
"""

import json
import os
import traceback

from prefork import _hooks, _logging, config as config_file


class MasterHooks:
    def __init__(self, settings, kind, path, names, master_pid, directory):
        self.server, _ = _hooks.objects(settings, master_pid)
        self.functions = config_file.load_hooks(kind, path, names, directory)
        self.server.hears = False
        self._unborn = {}  # by age: what pre_fork was given, which has no process id yet
        self._born = {}  # by process id: forked here, and not yet in what the master says

    def call(self, message):
        name = message["hook"]
        arguments = [self.server]
        if message.get("worker"):
            arguments.append(self._worker(*message["worker"]))
        self._look(message)
        self.server.hears = self.server.hears or name not in ("on_starting", "nworkers_changed")
        arguments.extend(message.get("arguments", ()))
        if name == "pre_fork":
            self._unborn[arguments[1].age] = arguments[1]
        elif name == "child_exit":
            self._born.pop(message["worker"][0], None)
            self.server.WORKERS.pop(message["worker"][0], None)
        self.functions[name](*arguments)
        self.server.manage_workers()  # to which gunicorn comes by itself

    def worker_born(self, age, pid):
        """The worker's object, now with its process id."""
        worker = self._born[pid] = self.server.WORKERS[pid] = self._worker(pid, age)
        self.server.worker_age = max(self.server.worker_age, age)
        return worker

    def _look(self, message):
        """What the master says of its workers; objects that hooks have seen stay the same objects."""
        now = {int(pid): age for pid, age in message["workers"].items()}
        self._born = {pid: worker for pid, worker in self._born.items() if pid not in now and _lives(pid)}
        self.server.told(message["wanted"], {**{pid: self._worker(pid, age) for pid, age in now.items()}, **self._born})
        self.server.worker_age = max([self.server.worker_age, *now.values()])

    def _worker(self, pid, age):
        worker = self.server.WORKERS.get(pid)
        if worker is None:
            worker = self._unborn.pop(age, None) or _hooks.Worker(self.server, pid, age)
            worker.pid = pid or worker.pid
        return worker


def _lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def answer(hooks, line):
    """Runs the hook that the line calls; the line to answer with. An exception is logged."""
    message = json.loads(line)
    error = None
    try:
        hooks.call(message)
    except BaseException as problem:  # also sys.exit() in a hook
        error = describe(problem, "Exception in the hook " + message["hook"])
    return json.dumps({"id": message["id"], "error": error})


def describe(problem, what):
    """Logs the exception that is being handled; its last line."""
    _logging.Logger().error("%s\n%s", what, traceback.format_exc().rstrip())
    return f"{type(problem).__name__}: {problem}"
