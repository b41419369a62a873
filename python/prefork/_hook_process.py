"""The process that runs the hooks of the master, which has no Python: on_starting, on_reload, when_ready, pre_fork, child_exit,
nworkers_changed, pre_exec, on_exit. Started only when the configuration file sets one of them.

    python _hook_process.py FD DIRECTORY     a socket to the master, the directory for sys.path[0]

The first line that comes is {"settings": …, "kind": …, "path": …, "hooks": […], "pid": …}; each other one calls a hook:
{"id": 7, "hook": "child_exit", "workers": {"PID": AGE, …}, "wanted": 4, "worker": [PID, AGE], "arguments": […]}. Each is answered,
in order, with {"id": 7, "error": null}. The process ends when the master's end of the socket is closed.
"""

import sys

if __name__ == "__main__":
    # The folder of this file must not hide modules of the application's.
    sys.path[0] = sys.argv[2]

import json
import os
import signal
import socket
import traceback

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from prefork import _hooks, _logging, config as config_file  # noqa: E402

del sys.path[0]


class _Process:
    def __init__(self, first):
        self.server, _ = _hooks.objects(first["settings"], first["pid"])
        _logging.prepare(self.server.cfg.get("loglevel", "info"))
        self.server.log = _logging.Logger()
        self.hooks = config_file.load_hooks(first["kind"], first["path"], first["hooks"])

    def call(self, message):
        name = message["hook"]
        self._look(message)
        arguments = [self.server]
        if message.get("worker"):
            arguments.append(self._worker(*message["worker"]))
        arguments.extend(message.get("arguments", ()))
        if name == "child_exit":
            self.server.WORKERS.pop(message["worker"][0], None)
        self.hooks[name](*arguments)

    def _look(self, message):
        """What the master says of its workers; objects that hooks have seen stay the same objects."""
        now = {int(pid): age for pid, age in message["workers"].items()}
        self.server.WORKERS = {pid: self._worker(pid, age) for pid, age in now.items()}
        self.server.num_workers = message["wanted"]
        self.server.worker_age = max([self.server.worker_age, *now.values()])

    def _worker(self, pid, age):
        return self.server.WORKERS.get(pid) or _hooks.Worker(self.server.cfg, self.server.log, pid, age, self.server.pid)


def _answer(channel, number, error):
    channel.sendall(json.dumps({"id": number, "error": error}).encode() + b"\n")


def _main(fd, _directory):
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
        signal.signal(number, signal.SIG_IGN)  # the master decides
    channel = socket.socket(fileno=int(fd))
    process = None
    for line in channel.makefile("rb"):
        message = json.loads(line)
        error = None
        try:
            if process is None:
                process = _Process(message)
            else:
                process.call(message)
        except BaseException as problem:  # also sys.exit() in a hook
            hook = message.get("hook", "")
            error = f"{type(problem).__name__}: {problem}"
            text = "Exception in the hook " + hook if hook else "The configuration file cannot be evaluated for its hooks"
            _logging.Logger().error("%s\n%s", text, traceback.format_exc().rstrip())
        try:
            _answer(channel, message.get("id", 0), error)
        except OSError:
            break
        if process is None:
            break
    sys.stdout.flush()
    sys.stderr.flush()


if __name__ == "__main__":
    _main(*sys.argv[1:])
