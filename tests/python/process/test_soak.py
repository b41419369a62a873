"""All that an operator does to a server, at random and without a pause, while clients ask on 64 keep-alive connections: none of them
notices. PREFORK_SOAK_SECONDS says for how long (tools/check -k soak: a minute each), PREFORK_SOAK_RATE how many requests a second there
must be for that to count."""

import contextlib
import os
import random
import re
import signal
import subprocess
import threading

import pytest
from support import load_generator
from support.server import BUILD, pid_in, until

SECONDS = float(os.environ.get("PREFORK_SOAK_SECONDS", "8"))
RATE = float(os.environ.get("PREFORK_SOAK_RATE", "0"))
SEED = int(os.environ.get("PREFORK_SOAK_SEED", "1"))


class Operator:
    """Does one thing after the other. The server is `master`: with each upgrade another process."""

    def __init__(self, server, choose):
        self.server, self.choose = server, choose
        self.master = server.pid
        self.pidfile = server.folder / "pid"
        self.access = server.folder / "access.log"
        self.done = {}
        self.rotations = 0
        self.over = False

    def configure(self):
        """Another configuration, which the next reload reads."""
        choose = self.choose
        wear = choose.choice(["", "max_requests = 50\nmax_requests_jitter = 30\n"])
        (self.server.folder / "gunicorn.conf.py").write_text(
            f"workers = {choose.choice([1, 2, 4])}\npreload_app = {choose.choice([True, False])}\nthreads = 4\n"
            f"reload_mode = {choose.choice(['rolling', 'surge'])!r}\n{wear}"
        )

    def seen(self, pattern, since):
        """Whether the master has logged it after so many characters; the log is that of all masters."""
        return re.search(rf"\[{self.master}\] \[\w+\] {pattern}", self.server.log()[since:])

    def wait(self, pattern, since):
        until(lambda: self.over or self.seen(pattern, since), f"{pattern!r} of process {self.master}", 100)

    def tell(self, number, pattern):
        since = len(self.server.log())
        os.kill(self.master, number)
        self.wait(pattern, since)

    def reload(self):
        self.tell(signal.SIGHUP, "Reloaded: generation")

    def reload_otherwise(self):
        self.configure()
        self.reload()

    def reload_slowly(self):
        with self.file("boot-delay", "0.5" if SECONDS < 30 else "2"):
            self.reload()

    def reload_broken(self):
        with self.file("broken"):
            done = subprocess.run([BUILD / "prefork", "reload", "--wait", self.pidfile], capture_output=True, text=True, timeout=100, check=False)
            assert self.over or (done.returncode == 1 and "did not start" in done.stderr + done.stdout or "not loaded" in done.stderr), done

    def resize(self):
        for _ in range(20):
            os.kill(self.master, self.choose.choice([signal.SIGTTIN, signal.SIGTTOU]))
        for _ in range(2):  # not ever more
            os.kill(self.master, signal.SIGTTOU)

    def rotate(self):
        self.rotations += 1
        self.access.rename(f"{self.access}.{self.rotations}")
        os.kill(self.master, signal.SIGUSR1)
        until(lambda: self.over or self.access.exists(), "a new access log")

    def successor(self):
        """A new master that serves."""
        since = len(self.server.log())
        os.kill(self.master, signal.SIGUSR2)
        new = until(lambda: self.over or pid_in(f"{self.pidfile}.2"), "the new master's pid file")
        old, self.master = self.master, new
        self.wait("Serving with", since)
        return old, new

    def upgrade(self):
        old, new = self.successor()
        os.kill(old, signal.SIGTERM)
        self.wait("The old master has gone", 0)
        until(lambda: pid_in(self.pidfile) == new, "its pid file")

    def roll_back(self):
        old, new = self.successor()
        self.master = old
        since = len(self.server.log())
        os.kill(old, signal.SIGWINCH)
        self.wait("Handling signal: winch", since)
        self.reload()
        since = len(self.server.log())
        os.kill(new, signal.SIGTERM)
        self.wait("The new master ended", since)

    def upgrade_to_what_is_broken(self):
        since = len(self.server.log())
        with self.file("broken"):
            os.kill(self.master, signal.SIGUSR2)
            self.wait("The new master ended", since)

    @contextlib.contextmanager
    def file(self, name, text=""):
        (self.server.folder / name).write_text(text)
        try:
            yield
        finally:
            (self.server.folder / name).unlink()

    def work(self, load):
        """Everything once in a new order, again and again, until the load ends."""
        tasks = [
            self.reload, self.reload, self.reload_otherwise, self.reload_otherwise, self.reload_slowly, self.reload_broken,
            self.resize, self.rotate, self.upgrade, self.roll_back, self.upgrade_to_what_is_broken,
        ]
        while load.poll() is None:
            self.choose.shuffle(tasks)
            for task in tasks:
                if load.poll() is not None:
                    return
                task()
                self.done[task.__name__] = self.done.get(task.__name__, 0) + 1
                self.server.tree()


@pytest.mark.timeout(SECONDS + 600)
@pytest.mark.parametrize("app", ["process_app:application", "process_asgi:application"])
def test_a_soak_of_everything_at_random_fails_no_request(serve, app, tmp_path, record_property):
    operator = None
    choose = random.Random(SEED)
    (tmp_path / "gunicorn.conf.py").write_text("workers = 2\nthreads = 4\nmax_requests = 50\nmax_requests_jitter = 30\n")
    server = serve(
        app, "-c", tmp_path / "gunicorn.conf.py", "--pid", tmp_path / "pid", "--access-logfile", tmp_path / "access.log",
        "--control-socket", tmp_path / "ctl", workers=None,
    )
    # What has to be said about broken code and about masters that go again; of requests nothing is.
    for entry in (
        r"\[ERROR\] Exception in worker process", r"Traceback \(most recent call last\)", r"\[ERROR\] Worker \(pid:\d+\) exited with code 3 ",
        r"\[ERROR\] Reload failed", r"\[ERROR\] The new master ended", r"\[ERROR\] Reason: Worker failed to boot", r"\[ERROR\] The mold \(pid:\d+\) exited with code 3",
    ):
        server.tolerate(entry)
    operator = Operator(server, choose)
    load = load_generator.start("-c", "64", "-d", SECONDS, "-t", "60", "--mix", "/:98,/sleep/0.01:2", f"http://127.0.0.1:{server.port}/")
    problems = []

    def work():
        try:
            operator.work(load)
        except BaseException as problem:  # noqa: BLE001 - told by the test's own thread
            problems.append(problem)

    thread = threading.Thread(target=work)
    thread.start()
    report = load_generator.finish(load, SECONDS + 120)
    thread.join()
    print(f"{app}: {report['ok']} answers, {report['rate']:.0f}/s, {report['failed']} failures; done: {operator.done}")
    try:
        assert not problems, problems
        assert report["exit_status"] == 0, report["log"]
        assert report["rate"] >= RATE
        assert server.get("/").status == 200
    finally:
        end(server, operator.master)


def end(server, master):
    """An upgraded server is nobody's child here."""
    server.tree()
    for pid in {master, pid_in(server.folder / "pid"), pid_in(server.folder / "pid.2")} - {0}:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM)
    until(lambda: not any(map(server._is_ours, server.pids)), "the end of all masters and workers")
