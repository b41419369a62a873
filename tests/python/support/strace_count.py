"""How many system calls a process makes for one request: strace -c around a counted run of the load generator."""

import os
import re
import signal
import subprocess
import tempfile

from support.load_generator import load


def _attach(pid, report):
    """strace on the process and everything below it, running once this returns."""
    command = ["strace", "-c", "-f", "-U", "calls,errors,name", "-o", report, "-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    said = []
    for line in tracer.stderr:
        said.append(line)
        if "attached" in line:
            return tracer
    raise RuntimeError(f"strace did not attach: {''.join(said).strip()}")


def parse(report):
    """{name: calls} of strace's table; the errors column is empty where there were none."""
    rows = re.findall(r"^\s*(\d+)\s+(?:\d+\s+)?([a-z_]\w*)\s*$", report, re.M)
    return {name: int(calls) for calls, name in rows if name != "total"}


def calls_per_request(pid, url, requests=2000, connections=1, arguments=()):
    """{system call: how often for each request}, of the process and what it starts while it is watched.

    Threads are included; children that ran before are not (give their pid to watch them). Setting up the connections is
    counted too: make `requests` large.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "calls")
        tracer = _attach(pid, path)
        try:
            report = load("-c", connections, "-n", requests, *arguments, url)
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate()
        if report["failed"] or report["ok"] != requests:
            raise RuntimeError(f"the run that was counted failed: {report['failures']} {report['log']}")
        with open(path) as table:
            return {name: calls / requests for name, calls in parse(table.read()).items()}
