"""The table of the walk: for each setting a function that observes its effect, or the sentence that it answers with."""

import json
import os
import pathlib
import re
import subprocess

from support.server import APPS, BUILD, until

CASES = {}


def case(*names):
    def add(function):
        for name in names:
            assert name not in CASES, f"{name} has two cases"
            CASES[name] = function
        return function

    return add


class Walk:
    """What a case works with."""

    WSGI, ASGI = "settings_app:wsgi", "settings_app:asgi"

    def __init__(self, serve, path):
        self.serve = serve
        self.path = path

    def wsgi(self, *arguments, **options):
        return self.serve(self.WSGI, *arguments, **options)

    def asgi(self, *arguments, **options):
        return self.serve(self.ASGI, *arguments, **options)

    def configured(self, text, app=None, **options):
        """A server with a configuration file."""
        config = self.path / "conf.py"
        config.write_text(text)
        return self.serve(self.WSGI if app is None else app, "-c", config, **options)

    def run(self, *arguments, env=None):
        environment = {**os.environ, "PYTHONPATH": str(APPS), **(env or {})}
        return subprocess.run([BUILD / "prefork", "--no-control-socket", *map(str, arguments)], capture_output=True, text=True, timeout=120, cwd=self.path,
                              env=environment, check=False)


def seen(server, path="/", headers=()):
    return json.loads(server.get(path, headers).body)


def statuses(server, *paths):
    """The statuses of requests that are made at the same time."""
    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor(len(paths)) as pool:
        return sorted(reply.status for reply in pool.map(server.get, paths))


def refused(name, arguments, pattern):
    """The server does not start, and says in one line what to do instead."""

    @case(name)
    def check(walk):
        done = walk.run(*arguments, walk.WSGI)
        assert done.returncode in (1, 2) and done.stdout == ""
        assert re.fullmatch(r"prefork: [^\n]*\n", done.stderr), done.stderr
        assert re.search(pattern, done.stderr)


def said(name, arguments, pattern, level="WARNING"):
    """The server starts, and its log has one line that says what to do instead."""

    @case(name)
    def check(walk):
        server = walk.wsgi(*arguments)
        if level == "WARNING":
            server.expect(pattern)
        lines = [line for line in server.log().splitlines() if re.search(pattern, line)]
        assert len(lines) == 1 and f"[{level}]" in lines[0], server.log()
        assert server.get("/").status == 200


def said_in_file(name, text, pattern):
    @case(name)
    def check(walk):
        server = walk.configured(text)
        server.expect(pattern)
        assert server.get("/").status == 200


def master_files(server):
    """What the master has open, by name."""
    return server.descriptors(server.pid)


def lines_of(path, pattern):
    def found():
        path_ = pathlib.Path(path)
        return path_.exists() and [line for line in path_.read_text().splitlines() if re.search(pattern, line)]

    return until(found, f"{pattern!r} in {path}")
