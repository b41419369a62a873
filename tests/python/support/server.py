"""A running prefork for end-to-end tests: started on a free port, talked to, stopped, and looked at for what it left behind.

    def test_something(serve):
        server = serve("app:app", "--threads", "4", workers=2)
        assert server.get("/").status == 200

Applications lie in tests/python/apps. What a test makes the server log is announced with server.expect(REGULAR-EXPRESSION); every other
warning, error, traceback or sanitizer report fails the test, and so do a process, descriptor, memfd or socket file that stays.
"""

import collections
import contextlib
import http.client
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
APPS = ROOT / "tests" / "python" / "apps"
BUILD = pathlib.Path(os.environ.get("PREFORK_BUILD", ROOT / "build" / "release"))
OUT_OF_DESCRIPTORS = r"\[WARNING\] Clients wait to be accepted at [^\n]*: Too many open files \(see ulimit -n\)"
SANITIZED = "san" in BUILD.name  # memory is not what it is elsewhere
TINY = BUILD.name == "tiny"  # every 4 KiB of a body wait for two wake-ups
PATIENCE = 60  # for anything that happens at all; a sanitizer's build on a busy machine is slow

# An entry of the log is a line of the server's form with what follows it, or a report that a dying process printed.
ENTRY = re.compile(r"^(?=\[\d{4}-\d\d-\d\d |Fatal Python error|={3,}\n|prefork)", re.MULTILINE)
UNEXPECTED = re.compile(r"\A\[[^\]]*\] \[\d+\] \[(?:WARNING|ERROR|CRITICAL)\]|Traceback \(most recent|broken promise|Sanitizer|runtime error:|Fatal Python error")

Reply = collections.namedtuple("Reply", "status reason headers body")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, what="the condition", patience=PATIENCE):
    """Waits for a condition and returns its value; fails when it stays false."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true in {patience} s"
        time.sleep(0.01)
    return value


def title(pid):
    """What ps calls a process."""
    return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0")


def pid_in(path):
    """The number in a pid file, or 0 while there is none."""
    with contextlib.suppress(OSError, ValueError):
        return int(pathlib.Path(path).read_text())
    return 0


def _parents():
    parents = {}
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            stat = pathlib.Path("/proc", name, "stat").read_text()
            fields = stat[stat.rindex(")") + 2 :].split()
            if name.isdigit() and fields[0] != "Z":
                parents[int(name)] = int(fields[1])
    return parents


class Server:
    def __init__(self, app, *arguments, workers=1, env=None, cwd=None, bind=None, ready="/", folder, command=None):
        self.port = free_port()
        self.folder = pathlib.Path(folder)
        self.bind = bind or f"127.0.0.1:{self.port}"
        self.log_path = self.folder / f"server-{self.port}.log"
        self.expected = []
        self.tolerated = []
        self.pids = set()
        self.sockets_at_start = None
        program = shlex.split(command) if command else [str(BUILD / "prefork")]
        options = [*(["-w", str(workers)] if workers else []), "-b", self.bind, *map(str, arguments)]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PREFORK_TEST": str(self.folder)}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(APPS), environment.get("PYTHONPATH")]))
        environment.update(env or {})
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*program, *options, *([app] if app else [])], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment, cwd=cwd or self.folder, start_new_session=True,
            )
        self.pid = self.process.pid
        if ready:
            self._wait_ready(ready)

    def _wait_ready(self, path):
        def answered():
            assert self.process.poll() is None, f"the server ended with {self.process.returncode}: {self.log()}"
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self.get(path).status < 503
        try:
            until(answered, "an answer")
        except AssertionError:
            self.kill()
            raise
        self.workers_at_start = len(self.workers())
        self.sockets_at_start = self._count_sockets()

    # Talking
    @property
    def unix(self):
        return self.bind[5:] if self.bind.startswith("unix:") else None

    def connect(self, timeout=PATIENCE):
        """A raw socket."""
        if not self.unix:
            return socket.create_connection(("127.0.0.1", self.port), timeout)
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(timeout)
        client.connect(self.unix)
        return client

    def client(self, timeout=PATIENCE):
        """An http.client connection, kept alive between its requests."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        client.sock = self.connect(timeout)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return client

    def request(self, method, path="/", body=None, headers=(), **options):
        with contextlib.closing(self.client()) as client:
            client.request(method, path, body, dict(headers), **options)
            reply = client.getresponse()
            return Reply(reply.status, reply.reason, reply.headers, reply.read())

    def get(self, path="/", headers=()):
        return self.request("GET", path, headers=headers)

    def post(self, path="/", body=b"", headers=()):
        return self.request("POST", path, body, headers)

    def raw(self, data):
        """Sends bytes; everything that comes back until the server closes."""
        with self.connect() as client:
            client.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
            pieces = []
            while piece := client.recv(1 << 16):
                pieces.append(piece)
            return b"".join(pieces)

    # Looking
    def log(self):
        return self.log_path.read_text(errors="replace")

    def expect(self, pattern):
        """Entries of the log in which the pattern is found are no failure; one at least must be there in the end."""
        self.expected.append(re.compile(pattern, re.DOTALL))

    def tolerate(self, pattern):
        """The same for what may be there or not."""
        self.tolerated.append(re.compile(pattern, re.DOTALL))

    def logged(self, pattern):
        return until(lambda: re.search(pattern, self.log()), f"{pattern!r} in the log")

    def tree(self):
        """The master's process id and those of all its descendants."""
        parents, found = _parents(), [self.pid]
        for pid in found:
            found.extend(child for child, parent in parents.items() if parent == pid)
        self.pids.update(found)
        return found

    def workers(self):
        """All below the master but molds, and what has left its session: who removes the files of a master that was killed."""
        others = self.molds()
        for pid in self.tree()[1:]:
            with contextlib.suppress(OSError):
                if os.getsid(pid) != self.pid:
                    others.append(pid)
        return [pid for pid in self.tree()[1:] if pid not in others]

    def molds(self):
        """Those that workers are forked from; a worker that is just being forked still looks like one."""
        return [pid for pid in self.tree()[1:] if self._name(pid) == "prefork-mold"]

    @staticmethod
    def _name(pid):
        with contextlib.suppress(OSError):
            return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
        return ""

    def descriptors(self, pid=None):
        """What the descriptors of a process are, as the kernel tells it."""
        folder, found = f"/proc/{pid or self.pid}/fd", []
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                found.append(os.readlink(f"{folder}/{name}"))
        return found

    def pss(self, pid):
        """Kilobytes of memory, shared pages divided among those who share them."""
        return self._kilobytes(pid, "Pss")

    def anonymous(self, pid):
        """Kilobytes that no file lies behind: unlike pss() not changed by another process that begins or ends."""
        return self._kilobytes(pid, "Anonymous")

    @staticmethod
    def _kilobytes(pid, kind):
        return int(re.search(rf"^{kind}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE).group(1))

    # Ending
    def signal(self, number, pid=None):
        os.kill(pid or self.pid, number)

    def reload(self):
        def reloads():
            return self.log().count("Reloaded: generation")

        before = reloads()
        self.signal(signal.SIGHUP)
        until(lambda: reloads() > before, "the new generation")

    def wait(self):
        return self.process.wait(PATIENCE)

    def kill(self):
        """Ends what is left of it, by process id and only what this started; the ids of what had to be ended."""
        left = [pid for pid in self.pids | set(self.tree()) if self._is_ours(pid)]
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        return left

    def _is_ours(self, pid):
        try:
            return pid == self.pid and self.process.poll() is None or os.getsid(pid) == self.pid and self._alive(pid)
        except OSError:
            return False

    @staticmethod
    def _alive(pid):
        with contextlib.suppress(OSError):
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
            return stat[stat.rindex(")") + 2] != "Z"
        return False

    def stop(self):
        """Ends it as an operator does; the exit status."""
        if self.process.poll() is None:
            self.tree()
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server did not end; its log: {self.log()}") from None

    def check(self):
        """Stops it if it runs and fails when something is left or was logged that nobody expected."""
        problems = []
        if self.process.poll() is None:
            problems += self._check_descriptors()
            status = self.stop()
            if status != 0:
                problems.append(f"exit status {status}")
        with contextlib.suppress(AssertionError):
            until(lambda: not any(map(self._is_ours, self.pids)), "the end of all processes", 10)
        left = self.kill()
        if left:
            problems.append(f"processes were left: {left}")
        if self.unix and os.path.exists(self.unix):
            problems.append(f"the socket file was left: {self.unix}")
        entries = ENTRY.split(self.log())
        for pattern in self.expected:
            if not any(map(pattern.search, entries)):
                problems.append(f"{pattern.pattern!r} is not in the log")
        entries = [entry for entry in entries if not any(pattern.search(entry) for pattern in self.expected + self.tolerated)]
        if any(map(UNEXPECTED.search, entries)):
            problems.append("unexpected lines in the log")
        assert not problems, "; ".join(problems) + "; the log:\n" + self.log()

    def _check_descriptors(self):
        """With all clients gone the master has no connection left, and a region for each worker."""
        def regions():
            return [name for name in self.descriptors() if "memfd:prefork (" in name]

        def sockets():
            return [name for name in self.descriptors() if name.startswith("socket:")]

        problems = []
        with contextlib.suppress(OSError):
            try:
                until(lambda: len(regions()) <= max(1, len(self.workers())), patience=20)
            except AssertionError:
                problems.append(f"{len(regions())} regions for {len(self.workers())} workers")
            if self.sockets_at_start is not None:
                # Each worker that has been added since has one.
                try:
                    until(lambda: len(sockets()) <= self.sockets_at_start + max(0, len(self.workers()) - self.workers_at_start), patience=20)
                except AssertionError:
                    problems.append(f"{len(sockets())} sockets, {self.sockets_at_start} at the start")
        return problems

    def _count_sockets(self):
        """At the start, when the first client is gone: what the master keeps."""
        with contextlib.suppress(OSError):
            return len([name for name in self.descriptors() if name.startswith("socket:")])
        return None
