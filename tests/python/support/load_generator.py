"""Runs prefork-load, the load generator of tests/load, and hands back its report."""

import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]


def program():
    """The executable of the build under test: $PREFORK_BUILD, which tools/test sets, or the release build."""
    path = pathlib.Path(os.environ.get("PREFORK_BUILD", ROOT / "build" / "release")) / "prefork-load"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built: tools/build release prefork-load")
    return str(path)


def start(*arguments):
    """A run in the background: a Popen whose output finish() reads. SIGINT ends the run early, with its report."""
    command = [program(), "--json", "--log-failures", "20", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process, deadline=120):
    """The report as a dict, with `exit_status` and `log` (the first failures, described) beside what --json prints."""
    try:
        output, log = process.communicate(timeout=deadline)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    if process.returncode not in (0, 1):
        raise RuntimeError(f"prefork-load ended with {process.returncode}: {log}")
    report = json.loads(output)
    report["exit_status"] = process.returncode
    report["log"] = log
    return report


def keep_busy(server, seconds, *arguments, connections=16):
    """A run in the background; no_failure() waits for its end."""
    return start("-c", connections, "-d", seconds, *arguments, f"http://127.0.0.1:{server.port}/")


def no_failure(process):
    report = finish(process)
    assert report["exit_status"] == 0, report["log"]
    return report


def load(*arguments, deadline=120):
    return finish(start(*arguments), deadline)
