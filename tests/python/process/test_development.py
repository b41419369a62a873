"""--reload: a changed file is a reload; a broken one leaves what served."""

import os
import pathlib
import shutil
import signal

import pytest
from support.server import BUILD, until

BODY = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "3")])
    return [b"{}"]
"""


def _write(path, text):
    path.write_text(text)
    # Two writes within the clock's grain are one to whoever looks at times.
    stamp = path.stat().st_mtime_ns + 10_000_000
    os.utime(path, ns=(stamp, stamp))


def test_a_changed_module_is_served_without_a_signal(serve, tmp_path):
    module = tmp_path / "changing.py"
    module.write_text(BODY.format("one"))
    server = serve("changing:application", "--reload", cwd=tmp_path)
    assert server.get("/").body == b"one"
    _write(module, BODY.format("two"))
    until(lambda: server.get("/").body == b"two", "the new code")
    for line in (r"\[ERROR\] Exception in worker process", r"Traceback \(most recent call last\)", r"\[ERROR\] Worker \(pid:\d+\) exited with code 3[^\n]*", r"\[ERROR\] Reload failed[^\n]*"):
        server.expect(line)
    _write(module, "raise RuntimeError('half written')\n")
    server.logged("Reload failed")
    assert server.get("/").body == b"two"
    _write(module, BODY.format("tri"))
    until(lambda: server.get("/").body == b"tri", "the repaired code")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="a namespace of process ids takes root")
def test_as_process_1_foreign_orphans_are_reaped(serve, tmp_path):
    (tmp_path / "orphans.py").write_text(
        "import subprocess\n"
        "def application(environ, start_response):\n"
        "    if environ['PATH_INFO'] == '/orphan':\n"
        "        subprocess.run(['sh', '-c', 'sleep 1 & sleep 1 &'])\n"
        "    # Alive or a zombie: an orphan that nobody reaps keeps its name.\n"
        "    left = subprocess.run(['sh', '-c', \"grep -l '^Name:.sleep' /proc/[0-9]*/status 2>/dev/null | wc -l\"], capture_output=True).stdout\n"
        "    start_response('200 OK', [])\n"
        "    return [left.strip()]\n"
    )
    server = serve("orphans:application", "--no-control-socket", cwd=tmp_path, command=f"unshare --fork --pid --mount-proc --kill-child {BUILD / 'prefork'}")
    assert server.get("/orphan").body == b"2"
    until(lambda: server.get("/").body == b"0", "the end of the orphans")
    master = next(pid for pid in server.workers() if pathlib.Path(f"/proc/{pid}/status").read_text().split("NSpid:")[1].split("\n")[0].split()[-1] == "1")
    os.kill(master, signal.SIGTERM)
    assert server.wait() == 0
