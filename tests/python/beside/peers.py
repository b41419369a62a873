"""A server started with a command line of gunicorn's, by gunicorn or by prefork, and what can be seen of it from outside."""

import contextlib
import json
import os
import re
from signal import SIGKILL, SIGTERM
import socket
import subprocess
import sys

from support.server import APPS, BUILD, PATIENCE, _parents, free_port, until

PROGRAMS = {"gunicorn": [sys.executable, "-m", "gunicorn"], "prefork": [str(BUILD / "prefork")]}

# Variables of the tester's that would count as configuration.
FOREIGN = ("PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "SENDFILE", "SCRIPT_NAME", "GUNICORN_CMD_ARGS", "NOTIFY_SOCKET")


def environment(folder, extra=None):
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN and not name.startswith("PREFORK_")}
    path = os.pathsep.join(filter(None, [str(APPS), kept.get("PYTHONPATH")]))
    return {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), **(extra or {})}


def run(name, folder, arguments, env=None):
    """A command line that ends by itself: (exit status, standard error)."""
    done = subprocess.run([*PROGRAMS[name], *arguments], cwd=folder, env=environment(folder, env), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stderr


class Peer:
    """PORT in an argument becomes a free port, the same in all arguments and variables of one server; `port` tells which."""

    def __init__(self, name, folder, arguments, files=None, env=None, app="dropin_app:app", ready=True, pass_fds=()):
        self.name, self.folder, self.port = name, folder, free_port()
        for file, text in (files or {}).items():
            (folder / file).write_text(text)
        words = [str(word).replace("PORT", str(self.port)) for word in arguments]
        if not any(word.startswith(("-b", "--bind")) for word in words) and not {"PORT", "GUNICORN_CMD_ARGS"} & set(env or ()):
            words = ["-b", f"127.0.0.1:{self.port}", *words]
        variables = {key: value.replace("PORT", str(self.port)) for key, value in (env or {}).items()}
        self.output = folder / "output"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [*PROGRAMS[name], "--no-control-socket", *words, *([app] if app else [])], cwd=folder,
                env=environment(folder, {"PREFORK_TEST": str(folder), **variables}), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, pass_fds=pass_fds)
        self.pid = self.process.pid
        if ready:
            self.wait_ready()

    def wait_ready(self):
        def answered():
            assert self.process.poll() is None, self.text("output")
            with contextlib.suppress(OSError):
                return self.raw("GET /ready HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.")

        until(answered, f"an answer of {self.name}")

    def connect(self, address=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if address and ":" in address[0] else socket.AF_INET
        client = socket.socket(family)
        client.settimeout(PATIENCE)
        client.connect(address or ("127.0.0.1", self.port))
        return client

    def raw(self, data, address=None):
        with self.connect(address) as client:
            client.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
            pieces = []
            with contextlib.suppress(ConnectionResetError):
                while piece := client.recv(1 << 16):
                    pieces.append(piece)
            return b"".join(pieces)

    def status(self, data, address=None):
        reply = self.raw(data, address)
        return int(reply[9:12]) if reply.startswith(b"HTTP/1.") else 0

    def get(self, path="/", headers=(), address=None):
        """(status, what the application was called with)."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        reply = self.raw(f"GET {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{lines}\r\n", address)
        body = reply.partition(b"\r\n\r\n")[2]
        return int(reply[9:12]), json.loads(body) if body.startswith(b"{") else {}

    def text(self, name):
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""

    def lines(self, name, count):
        return until(lambda: len(found := self.text(name).splitlines()) >= count and found, f"{count} lines in {name} of {self.name}")

    def logged(self, pattern, name="output"):
        return until(lambda: re.search(pattern, self.text(name)), f"{pattern!r} said by {self.name}")

    def workers(self):
        return [pid for pid, parent in _parents().items() if parent == self.pid]

    def signal(self, number):
        os.kill(self.pid, number)

    def stop(self, number=SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def end(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop()
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, SIGKILL)
        self.process.wait()
