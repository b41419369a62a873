"""The process that runs the hooks of the master when nothing else of the server's does. Started only when the configuration file sets one.

    python _hook_process.py FD DIRECTORY     a socket to the master, the directory for sys.path[0]

The first line that comes is {"settings": …, "kind": …, "path": …, "directory": …, "hooks": […], "pid": …}; each other one calls a hook,
as told in _master_hooks.py, and is answered in order. The process ends when the master's end of the socket is closed, after the hook that
it runs; when the master itself has ended, at once.
"""

import sys

if __name__ == "__main__":
    # The folder of this file must not hide modules of the application's.
    sys.path[0] = sys.argv[2]

import json
import os
import signal
import socket

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from prefork import _lifeline, _logging, _master_hooks  # noqa: E402

del sys.path[0]


def _load(first):
    """(the hooks, the answer); no hooks when the configuration file cannot be evaluated."""
    hooks, error = None, None
    try:
        _logging.prepare("info")
        _extend_path(json.loads(first["settings"])["settings"], first["directory"])
        hooks = _master_hooks.MasterHooks(first["settings"], first["kind"], first["path"], first["hooks"], first["pid"], first["directory"])
        _logging.prepare(hooks.server.cfg.get("loglevel", "info"))
    except BaseException as problem:  # also sys.exit() in the file
        error = _master_hooks.describe(problem, "The configuration file cannot be evaluated for its hooks")
    return hooks, json.dumps({"id": 0, "error": error})


def _extend_path(settings, launched):
    """As in the workers: a hook may import what they can."""
    if launched not in ("", sys.path[0]):
        sys.path.insert(1, launched)
    for folder in settings["pythonpath"]["value"]:
        sys.path.insert(0, os.path.join(settings["chdir"]["value"], folder))


def _lines(channel):
    try:
        yield from channel.makefile("rb")
    except OSError:  # the master was killed
        pass


def _main(fd, _directory):
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
        signal.signal(number, signal.SIG_IGN)  # the master decides
    channel = socket.socket(fileno=int(fd))
    hooks = None
    for line in _lines(channel):
        if hooks is None:
            first = json.loads(line)
            _lifeline.hold(channel.fileno(), lambda master=first["pid"]: os.getppid() != master)
            hooks, answer = _load(first)
        else:
            answer = _master_hooks.answer(hooks, line)
        try:
            channel.sendall(answer.encode() + b"\n")
        except OSError:
            break
        if hooks is None:
            break
    sys.stdout.flush()
    sys.stderr.flush()


if __name__ == "__main__":
    _main(*sys.argv[1:])
