"""Runs the executable's configuration commands in a folder and an environment of the test's own."""

import collections
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
PREFORK = pathlib.Path(os.environ.get("PREFORK_BUILD", ROOT / "build" / "release")) / "prefork"

# Variables of the tester's that would count as configuration.
FOREIGN = ("PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "SENDFILE", "SCRIPT_NAME", "GUNICORN_CMD_ARGS", "XDG_RUNTIME_DIR", "NOTIFY_SOCKET")

Outcome = collections.namedtuple("Outcome", "status output errors")


class Folder:
    """A directory with configuration files, from which prefork is called."""

    def __init__(self, path):
        self.path = path

    def write(self, name, text):
        (self.path / name).write_text(text)
        return self

    def environment(self, extra):
        kept = {k: v for k, v in os.environ.items() if k not in FOREIGN and not (k.startswith("PREFORK_") and k != "PREFORK_PYTHON_DIR")}
        return {**kept, "HOME": str(self.path), **(extra or {})}

    def run(self, *arguments, env=None):
        done = subprocess.run(
            [PREFORK, *arguments], cwd=self.path, env=self.environment(env), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def printed(self, *arguments, env=None):
        """--print-config=json as a dict; its settings as (value, origin)."""
        outcome = self.run(*arguments, "--print-config=json", env=env)
        assert outcome.status == 0, outcome.errors
        printed = json.loads(outcome.output)
        printed["settings"] = {name: (entry["value"], entry["origin"]) for name, entry in printed["settings"].items()}
        return printed

    def values(self, *arguments, env=None):
        return {name: value for name, (value, _) in self.printed(*arguments, env=env)["settings"].items()}

    def refusal(self, *arguments, env=None):
        """(exit status, what was said) of a call that must not succeed."""
        outcome = self.run(*arguments, env=env)
        assert outcome.status != 0, outcome.output
        assert outcome.output == ""
        return outcome.status, outcome.errors
