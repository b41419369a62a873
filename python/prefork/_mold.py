"""The Python side of the mold, the process that has loaded the application and forks workers from itself (--preload).

It runs the master's hooks too, so that what they leave in modules is there in every worker that is forked later.
"""

import gc
import os
import sys

from prefork import _hooks, _master_hooks


class Mold:
    def __init__(self, settings):
        names = [name for name in settings["hooks"].split(",") if name]
        self._settings = settings
        self._hooks = None
        if names:
            self._hooks = _master_hooks.MasterHooks(
                settings["config_json"], settings["config_kind"], settings["config_path"], names, int(settings["master_pid"]),
                settings.get("launch_directory", ""),
            )

    def call(self, line):
        """Runs a hook of the master's; the answer, as in _master_hooks."""
        return _master_hooks.answer(self._hooks, line)

    def forked(self, age, pid):
        """A worker lives; hooks see it as the object that pre_fork was given."""
        if self._hooks:
            self._hooks.worker_born(age, pid)

    def worker_hooks(self, age):
        """In the forked worker: (worker, {hook: function of the worker}), or None when no hook is set."""
        if not self._hooks:
            return None
        worker = self._hooks.worker_born(age, os.getpid())
        return worker, _hooks.worker_functions(self._hooks.functions, self._hooks.server)


def settle(interface, loop_kind):
    """Before the first fork: what every worker would import by itself, and no garbage and no collection of what is shared."""
    if interface == "asgi" or "asyncio" in sys.modules:
        import prefork._asgi  # noqa: F401

        if loop_kind != "asyncio":
            try:
                import uvloop  # noqa: F401
            except ImportError:
                pass  # said by the worker, when the setting insists
    gc.collect()
    gc.freeze()
