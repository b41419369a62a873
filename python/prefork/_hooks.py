"""Hook functions of a configuration file, and the objects that they are given: server, worker, req, resp.

The attributes are those that published configuration files use. In a worker load() makes the objects; the process that runs the
master's hooks (_master_hooks.py) makes its own of the same classes.
"""

import json
import os
import signal
import sys
import tempfile
import time

from prefork import config as config_file
from prefork._logging import Logger

IN_WORKER = ("post_fork", "post_worker_init", "worker_int", "worker_abort", "worker_exit", "pre_request", "post_request")


# Settings of gunicorn that do not apply here, with their defaults: what a hook asks of them has an answer.
_NOT_APPLIED = {
    "ca_certs": None, "cert_reqs": 0, "certfile": None, "ciphers": None, "keyfile": None, "http_parser": "auto", "http_protocols": ["h1"],
    "logger_class": "gunicorn.glogging.Logger", "paste": None, "protocol": "http", "spew": False, "worker_tmp_dir": None,
}


class Setting:
    """One of cfg.settings."""

    def __init__(self, name, value):
        self.name = name
        self.value = value

    def get(self):
        return self.value


class Settings:
    """The configuration as attributes, under gunicorn's names: cfg.workers, cfg.bind, cfg.settings["bind"].get()."""

    def __init__(self, values):
        self._values = {**_NOT_APPLIED, **values}

    def __getattr__(self, name):
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(f"no setting is named {name!r}") from None

    @property
    def settings(self):
        return {name: Setting(name, value) for name, value in self._values.items()}

    @property
    def address(self):
        return [_address(text) for text in self._values.get("bind") or ()]

    @property
    def env(self):
        return dict(pair.split("=", 1) for pair in self._values.get("raw_env") or ())

    @property
    def uid(self):
        import pwd  # not before it is asked for: the user of workers may not be able to read it

        return _id_of(self.user, os.geteuid(), lambda name: pwd.getpwnam(name).pw_uid)

    @property
    def gid(self):
        import grp

        return _id_of(self.group, os.getegid(), lambda name: grp.getgrnam(name).gr_gid)

    @property
    def is_ssl(self):
        return False

    @property
    def proc_name(self):
        return self._values.get("proc_name") or self._values.get("default_proc_name")

    @property
    def worker_class_str(self):
        """sync is gthread where a worker has threads; what the application is called decides auto, which is not known here."""
        name = self._values.get("worker_class", "sync")
        return "gthread" if self._values.get("threads", 1) > 1 and (name == "sync" or name.endswith("SyncWorker")) else name

    def get(self, name, default=None):
        return self._values.get(name, default)


def _id_of(name, unset, look_up):
    if not name:
        return unset
    return int(name) if str(name).isdigit() else look_up(name)


def _address(text):
    if text.startswith("unix:"):
        return text[5:]
    host, colon, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if colon and port.isdigit() else text


class App:
    """What is served: the callable, from when it is loaded; wsgi() loads it where that has not happened yet."""

    def __init__(self, cfg):
        self.cfg = cfg
        self.callable = None

    def wsgi(self):
        if self.callable is None:
            from prefork import _boot

            self.callable = _boot.load_application(self.cfg.wsgi_app, self.cfg.factory)
        return self.callable


class Listener:
    """One of server.LISTENERS: where the master listens, whose socket is not here."""

    def __init__(self, text, address):
        self.cfg_addr = address
        self._text = text

    def __str__(self):
        return self._text if isinstance(self.cfg_addr, str) else "http://" + self._text

    def getsockname(self):
        return self.cfg_addr


class Server:
    """gunicorn's arbiter as far as hooks look at it. What it is asked to do the master is told by a signal."""

    def __init__(self, cfg, log, pid):
        self.cfg = cfg
        self.log = log
        self.pid = pid
        self.WORKERS = {}
        self.num_workers = cfg.get("workers", 1)
        self.worker_age = 0
        self.timeout = cfg.get("timeout", 30)
        self.proc_name = cfg.proc_name
        self.address = cfg.address
        self.LISTENERS = [Listener(text, address) for text, address in zip(cfg.get("bind") or (), cfg.address)]
        self.app = App(cfg)
        self.master_name = "Master"
        self.master_pid = 0
        self.reexec_pid = 0
        self.systemd = False
        self.hears = True  # False while the master starts, whom a signal would end
        self._wanted = self.num_workers  # by the master, when it called the hook

    def told(self, wanted, workers):
        self.num_workers = self._wanted = wanted
        self.WORKERS = workers

    def kill_worker(self, pid, sig):
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            self.WORKERS.pop(pid, None)

    def kill_workers(self, sig):
        for pid in list(self.WORKERS):
            self.kill_worker(pid, sig)

    def manage_workers(self):
        """As many workers as a hook has written to num_workers."""
        while self._wanted != self.num_workers:
            more = self.num_workers > self._wanted
            self._tell(signal.SIGTTIN if more else signal.SIGTTOU)
            self._wanted += 1 if more else -1
            self._until_heard(signal.SIGTTIN if more else signal.SIGTTOU)

    def reload(self):
        self._tell(signal.SIGHUP)

    def reexec(self):
        self._tell(signal.SIGUSR2)

    def stop(self, graceful=True):
        self._tell(signal.SIGTERM if graceful else signal.SIGQUIT)

    def halt(self, reason=None, exit_status=0):
        if reason is not None:
            (self.log.error if exit_status else self.log.info)("Reason: %s", reason)
        self.stop()

    def wakeup(self):
        """Nothing: the master is awake."""

    def _until_heard(self, sig):
        """A signal that comes while the one before it waits for the master is lost."""
        try:
            for _ in range(100):
                with open(f"/proc/{self.pid}/status") as file:
                    pending = next(line for line in file if line.startswith("ShdPnd:"))
                if not int(pending.split()[1], 16) & 1 << sig - 1:
                    return
                time.sleep(0.01)
        except (OSError, StopIteration):
            time.sleep(0.01)

    def _tell(self, sig):
        if self.hears:
            os.kill(self.pid, sig)
        else:
            self.log.warning("The server is not told %s, which it is too early for", sig.name)


class Worker:
    def __init__(self, server, pid, age):
        self.cfg = cfg = server.cfg
        self.log = server.log
        self.pid = pid or "[booting]"
        self.age = age
        self.ppid = server.pid
        self.nr = 0
        self.alive = True
        self.aborted = False
        self.booted = False
        self.timeout = cfg.get("timeout", 30) / 2.0  # as gunicorn's
        self.max_requests = cfg.get("max_requests") or sys.maxsize
        self.sockets = server.LISTENERS
        self.reloader = None
        self.app = server.app
        self.ending = False  # somebody has told it to go
        self._tmp = None

    @property
    def wsgi(self):
        """The application, from post_worker_init on, which may put another in its place."""
        return self.app.callable

    @wsgi.setter
    def wsgi(self, application):
        self.app.callable = application

    @property
    def tmp(self):
        """The file whose time gunicorn's master watches; here it exists for hooks that ask for it."""
        if self._tmp is None:
            self._tmp = _HeartbeatFile()
        return self._tmp

    def notify(self):
        """Nothing: signs of life are given in shared memory."""

    def __str__(self):
        return f"<Worker {self.pid}>"


class _HeartbeatFile:
    def __init__(self):
        self._file = tempfile.TemporaryFile(prefix="prefork-worker-")

    def notify(self):
        now = time.monotonic()
        os.utime(self._file.fileno(), (now, now))

    def last_update(self):
        return os.fstat(self._file.fileno()).st_mtime

    def fileno(self):
        return self._file.fileno()

    def close(self):
        self._file.close()


def objects(settings_text, master_pid, worker_pid=None, age=0):
    """(server, worker) of a process."""
    cfg = Settings({name: entry["value"] for name, entry in json.loads(settings_text)["settings"].items()})
    log = Logger()
    server = Server(cfg, log, master_pid)
    if worker_pid is None:
        return server, None
    worker = Worker(server, worker_pid, age)
    server.WORKERS[worker_pid] = worker
    server.worker_age = age
    return server, worker


def load(settings, age):
    """(worker, {hook: function of the worker}) for a worker; the configuration file is evaluated here."""
    names = [name for name in settings["hooks"].split(",") if name in IN_WORKER]
    found = config_file.load_hooks(settings["config_kind"], settings["config_path"], names, settings.get("launch_directory", ""))
    server, worker = objects(settings["config_json"], int(settings["master_pid"]), os.getpid(), age)
    return worker, worker_functions(found, server)


def worker_functions(found, server):
    """{hook: function of the worker} of those among the hooks that run in a worker."""
    functions = {name: hook for name, hook in found.items() if name in IN_WORKER}
    for name in ("post_fork", "worker_exit"):
        if name in found:
            functions[name] = _with_server(found[name], server)
    for name in ("worker_int", "worker_abort"):
        if name in found:
            functions[name] = _ending(found[name], aborted=name == "worker_abort")
    return functions


def _with_server(hook, server):
    return lambda worker: hook(server, worker)


def _ending(hook, aborted):
    def run(worker):
        worker.alive = False
        worker.ending = True
        worker.aborted = aborted
        hook(worker)

    return run
