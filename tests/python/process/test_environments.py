"""Places that a server may be put in: process 1 of a container, no /dev/shm, nothing to write to, nobody's rights, few descriptors."""

import contextlib
import http.client
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest
from support import load_generator
from support.server import APPS, BUILD, OUT_OF_DESCRIPTORS, Server, until

WSGI, ASGI = "process_app:application", "process_asgi:application"
PRELOAD = pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])


def _permits(*command):
    return os.geteuid() == 0 and shutil.which(command[0]) and subprocess.run(command, capture_output=True, check=False).returncode == 0


NEW_PIDS = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]
needs_pids = pytest.mark.skipif(not _permits(*NEW_PIDS, "true"), reason="a namespace of process ids is not permitted here")
needs_mounts = pytest.mark.skipif(not _permits("unshare", "--mount", "mount", "-t", "tmpfs", "none", "/tmp"), reason="a namespace of mounts is not permitted here")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def after(script, unshare=""):
    """The command of a server that a shell becomes when it has done something else."""
    program = shlex.quote(str(BUILD / "prefork"))
    return f"{unshare} sh -c {shlex.quote(f'set -e; {script}; exec {program} ' + chr(34) + '$@' + chr(34))} sh"


def serves_everything(server):
    body = b"x" * 3_000_000
    assert server.get("/").body == b"hello"
    assert server.post("/echo", body).body == body
    with contextlib.closing(server.client()) as client:
        client.request("GET", "/len/3000000")
        reply = client.getresponse()
        assert len(reply.read(1000)) == 1000
        load_generator.load("-c", "8", "-n", "200", f"http://127.0.0.1:{server.port}/")  # while that one reads no further
        assert len(reply.read()) == 2_999_000


@needs_pids
@PRELOAD
@pytest.mark.parametrize("app", [WSGI, ASGI])
def test_as_process_1_it_serves_reloads_and_ends(serve, app, preload):
    server = serve(app, "--no-control-socket", *preload, workers=2, command=f"{shlex.join(NEW_PIDS)} {BUILD / 'prefork'}")
    serves_everything(server)
    master = until(lambda: _process_1(server), "process 1")
    before = server.log().count("Booting worker")
    os.kill(master, signal.SIGHUP)
    server.logged("Reloaded: generation 2")
    assert server.log().count("Booting worker") == before + 2
    assert server.get("/").status == 200
    server.sockets_at_start = None
    os.kill(master, signal.SIGTERM)
    assert server.wait() == 0
    server.logged("Shutting down: Master")


@needs_pids
@PRELOAD
def test_as_process_1_it_replaces_workers_that_die(serve, preload):
    server = serve(WSGI, "--no-control-socket", *preload, workers=2, command=f"{shlex.join(NEW_PIDS)} {BUILD / 'prefork'}")
    server.logged("Serving with 2 workers")
    master = _process_1(server)
    for count in (1, 2, 3):
        server.expect(r"\[ERROR\] Worker \(pid:\d+\) was killed by SIGKILL")
        victim = max(pid for pid in server.workers() if pid not in (master, server.pid) and pid not in server.molds())
        os.kill(victim, signal.SIGKILL)
        until(lambda count=count: server.log().count("was killed by SIGKILL") == count, "the obituary")
        assert server.get("/").status == 200
    os.kill(master, signal.SIGTERM)
    assert server.wait() == 0


ORPHANS = """
import os, subprocess
def application(environ, start_response):
    if environ["PATH_INFO"] == "/orphans":
        body = subprocess.run(["sh", "-c", "for i in 1 2 3; do sleep 1 >/dev/null & echo $!; done"], stdout=subprocess.PIPE, check=True).stdout
    else:  # those that live and those that nobody has reaped
        body = str(sum(os.path.exists("/proc/" + pid) for pid in environ["QUERY_STRING"].split(","))).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@needs_pids
@PRELOAD
def test_as_process_1_foreign_orphans_are_reaped(serve, tmp_path, preload):
    (tmp_path / "orphans.py").write_text(ORPHANS)
    server = serve("orphans:application", "--no-control-socket", *preload, cwd=tmp_path, command=f"{shlex.join(NEW_PIDS)} {BUILD / 'prefork'}")
    orphans = server.get("/orphans").body.decode().split()
    assert len(orphans) == 3
    until(lambda: server.get("/left?" + ",".join(orphans)).body == b"0", "the end of the orphans")
    os.kill(_process_1(server), signal.SIGTERM)
    assert server.wait() == 0


def _process_1(server):
    for pid in server.tree():
        with contextlib.suppress(OSError, IndexError):
            if pathlib.Path(f"/proc/{pid}/status").read_text().split("NSpid:")[1].split("\n")[0].split()[1:] == ["1"]:
                return pid
    return 0


@needs_mounts
@PRELOAD
def test_without_dev_shm(serve, preload):
    """It can be neither written to nor read."""
    server = serve(WSGI, "--no-control-socket", "--shared-memory", "65536", *preload, workers=2, command=after("mount -t tmpfs -o ro,mode=000 none /dev/shm", "unshare --mount"))
    serves_everything(server)
    server.signal(signal.SIGHUP)
    server.logged("Reloaded: generation 2")
    assert server.get("/").status == 200


@needs_mounts
@PRELOAD
@pytest.mark.parametrize("app", [WSGI, ASGI])
def test_without_proc(serve, app, preload):
    server = serve(app, "--no-control-socket", *preload, workers=2, command=after("mount -t tmpfs none /proc", "unshare --mount"))
    serves_everything(server)
    server.reload()
    assert server.get("/").body == b"hello"


READ_ONLY = "mount --make-rprivate /; mount -o remount,bind,ro /; if touch {0}/probe 2>/dev/null; then mount -o remount,bind,ro $(stat -c %m {0}); fi; ! touch {0}/probe 2>/dev/null"


@needs_mounts
@PRELOAD
@pytest.mark.parametrize("app", [WSGI, ASGI])
def test_with_a_read_only_root(serve, tmp_path, app, preload):
    """Nothing can be spooled: large bodies stay in memory or wait where they come from."""
    server = serve(app, *preload, "--control-socket", tmp_path / "ctl", workers=2, command=after(READ_ONLY.format(tmp_path), "unshare --mount"))
    server.tolerate("Large bodies stay in memory or wait: cannot make a temporary file")
    server.logged(r"No control socket at [^\n]*Read-only file system")
    serves_everything(server)
    server.signal(signal.SIGHUP)
    server.logged("Reloaded: generation 2")
    assert server.get("/").status == 200


@needs_mounts
@pytest.mark.parametrize("option", ["--pid", "--access-logfile", "--error-logfile", "--bind"])
def test_with_a_read_only_root_what_it_cannot_write_is_said_at_the_start(serve, tmp_path, option):
    value = f"unix:{tmp_path}/sock" if option == "--bind" else tmp_path / "file"
    server = serve(WSGI, "--no-control-socket", option, value, ready=None, command=after(READ_ONLY.format(tmp_path), "unshare --mount"))
    server.tolerate(r"prefork: [^\n]*Read-only file system")
    assert server.wait() == 1
    assert str(value) in server.log() and "Read-only file system" in server.log()
    assert "Traceback" not in server.log()


@needs_mounts
def test_a_full_disk_costs_lines_of_the_access_log_and_no_request(serve, tmp_path):
    (tmp_path / "small").mkdir()
    server = serve(WSGI, "--no-control-socket", "--access-logfile", tmp_path / "small" / "log", workers=2, command=after(f"mount -t tmpfs -o size=64k none {tmp_path}/small", "unshare --mount"))
    server.expect(r"\[WARNING\] access log [^\n]*cannot be written now \(No space left on device\)")
    report = load_generator.load("-c", "8", "-n", "5000", f"http://127.0.0.1:{server.port}/")
    assert report["exit_status"] == 0, report["log"]
    server.logged("No space left on device")
    assert server.get("/").status == 200


@pytest.mark.parametrize(
    ("script", "unshare", "why"),
    [
        pytest.param("mount -t tmpfs -o size=64k none {}", "unshare --mount", "No space left on device", marks=needs_mounts),
        pytest.param("mount -t tmpfs -o ro none {}", "unshare --mount", "Read-only file system", marks=needs_mounts),
        ("ulimit -f 5000", "", "File too large"),  # of 512 bytes: a worker's region fits, the test's bodies do not
    ],
)
def test_without_room_for_large_bodies_they_come_and_go_whole(serve, tmp_path, script, unshare, why):
    small = tmp_path / "small"
    small.mkdir()
    server = serve(WSGI, "--no-control-socket", "--tmp-upload-dir", small, "--request-buffer", "65536", "--response-buffer", "65536", workers=2, command=after(script.format(small), unshare))
    server.expect(rf"\[WARNING\] Large bodies stay in memory or wait: cannot (make|write) a temporary file in [^\n]*: {why}")
    serves_everything(server)


def test_too_small_a_limit_of_files_for_its_shared_memory_is_named(serve):
    server = serve(WSGI, "--no-control-socket", ready=None, command=after("ulimit -f 40"))
    assert server.wait() == 1
    assert "bytes of shared memory (see ulimit -f): File too large" in server.log()


@pytest.fixture
def public():
    """A folder that everybody can read, as the packages of an application are."""
    with tempfile.TemporaryDirectory(prefix="prefork-public-") as folder:
        os.chmod(folder, 0o777)
        for path in APPS.glob("*.py"):
            shutil.copy(path, folder)
        yield pathlib.Path(folder)


def _owner(pid):
    return pathlib.Path(f"/proc/{pid}").stat().st_uid


@needs_root
@pytest.mark.skipif(not shutil.which("setpriv"), reason="there is no setpriv")
@PRELOAD
def test_as_a_user_without_rights(serve, public, preload):
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set=-all"
    server = serve(
        WSGI, *preload, "--control-socket", public / "ctl", "--pid", public / "pid", workers=2, cwd=public,
        env={"PYTHONPATH": str(public), "HOME": "/nonexistent", "PREFORK_TEST": str(public)}, command=f"{nobody} {BUILD / 'prefork'}",
    )
    serves_everything(server)
    assert {_owner(pid) for pid in server.tree()} == {65534}
    server.signal(signal.SIGHUP)
    server.logged("Reloaded: generation 2")
    assert server.stop() == 0


@needs_root
@pytest.mark.skipif(not shutil.which("setpriv"), reason="there is no setpriv")
def test_a_user_who_may_not_become_another_is_told(serve, public):
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    server = serve(
        WSGI, "--no-control-socket", "--user", "daemon", ready=None, cwd=public,
        env={"PYTHONPATH": str(public), "PREFORK_TEST": str(public)}, command=f"{nobody} {BUILD / 'prefork'}",
    )
    for entry in (r"\[ERROR\] Worker failed to boot: set\w+: Operation not permitted", r"\[ERROR\] Worker \(pid:\d+\) exited with code 3", r"\[ERROR\] Reason: Worker failed to boot"):
        server.expect(entry)
    assert server.wait() == 3


@needs_root
@PRELOAD
def test_workers_and_mold_run_as_the_user_and_the_master_as_who_started_it(serve, public, preload):
    """Also when only who started it can read the interpreter's own files."""
    server = serve(WSGI, *preload, "--user", "nobody", "--group", "nogroup", "--no-control-socket", workers=2, cwd=public, env={"PYTHONPATH": str(public), "PREFORK_TEST": str(public)})
    server.logged("Serving with 2 workers")
    server.tolerate(r"\[WARNING\] The user nobody cannot read this Python's standard library")
    assert _owner(server.pid) == 0
    assert {_status(pid, "Uid") for pid in server.workers() + server.molds()} == {"65534"}
    assert {_status(pid, "Groups") for pid in server.workers() + server.molds()} == {str(_gid("nogroup"))}
    serves_everything(server)
    before = set(server.workers() + server.molds())
    server.signal(signal.SIGHUP)
    server.logged("Reloaded: generation 2")
    until(lambda: len(server.workers()) == 2 and not before & set(server.workers() + server.molds()), "the new generation alone")
    victim = server.workers()[0]
    server.expect(r"\[ERROR\] Worker \(pid:\d+\) was killed by SIGKILL")
    server.signal(signal.SIGKILL, victim)
    until(lambda: victim not in server.workers() and len(server.workers()) == 2, "a replacement")
    everybody = server.tree()
    server.signal(signal.SIGKILL)
    server.wait()
    until(lambda: not any(map(Server._alive, everybody)), "the end of all, whose parent is root's")


def _status(pid, name):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line for line in lines if line.startswith(name + ":")).split(":")[1].split()[0]


def _gid(name):
    import grp

    return grp.getgrnam(name).gr_gid


@PRELOAD
@pytest.mark.parametrize("before", ["pthread_sigmask(SIG_BLOCK, valid_signals())", "[signal(n, SIG_IGN) for n in (SIGCHLD, SIGHUP, SIGTERM, SIGUSR1, SIGABRT)]"], ids=["blocked", "ignored"])
def test_whatever_its_parent_does_with_signals_it_hears_its_own(serve, tmp_path, preload, before):
    (tmp_path / "conf.py").write_text("timeout = 60\n")  # is read by a child
    script = f"from signal import *; import os, sys; {before}; os.execv(sys.argv[1], sys.argv[1:])"
    server = serve(WSGI, *preload, "--no-control-socket", "-c", "conf.py", command=f"{sys.executable} -c {shlex.quote(script)} {BUILD / 'prefork'}")
    server.expect("was killed by SIGKILL")
    (victim,) = server.workers()
    server.signal(signal.SIGKILL, victim)
    until(lambda: server.workers() not in ([], [victim]) and server.get("/").status == 200, "a replacement")
    server.signal(signal.SIGHUP)
    server.logged("Reloaded: generation 2")
    assert server.get("/child/terminated").body == b"-15"  # nor does the application inherit it
    assert server.stop() == 0


@PRELOAD
def test_with_64_descriptors_it_serves_and_replaces_workers_while_clients_take_all_others(serve, preload):
    server = serve(WSGI, *preload, "--no-control-socket", "--keep-alive", "60", workers=2, command=after("ulimit -n 64"))
    serves_everything(server)
    server.logged("Serving with 2 workers")
    server.expect(OUT_OF_DESCRIPTORS)
    with contextlib.ExitStack() as stack:
        for _ in range(80):  # more than it can have
            client = stack.enter_context(contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)))
            client.connect()
            client.sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: len(server.descriptors()) >= 45, "as many clients as it can have")
        for victim in server.workers():
            server.expect(r"\[ERROR\] Worker \(pid:\d+\) was killed by SIGKILL")
            server.signal(signal.SIGKILL, victim)
            until(lambda victim=victim: victim not in server.workers() and len(server.workers()) == 2, "a replacement")
    until(lambda: server.get("/").status == 200, "an answer")
    server.tolerate("Worker cannot be started")
    assert "Worker cannot be started" not in server.log()


@needs_root
@pytest.mark.skipif(not shutil.which("setpriv"), reason="there is no setpriv")
@PRELOAD
def test_where_no_more_processes_are_allowed_it_serves_with_those_that_it_has(serve, public, preload):
    user = 200_000 + os.getpid() % 100_000  # whose processes are ours alone
    limited = f"setpriv --reuid={user} --regid=65534 --clear-groups bash -c {shlex.quote(f'ulimit -u 12; exec {BUILD}/prefork ' + chr(34) + '$@' + chr(34))} sh"
    server = serve(WSGI, *preload, "--no-control-socket", workers=16, cwd=public, env={"PYTHONPATH": str(public), "PREFORK_TEST": str(public)}, command=limited)
    server.expect(r"\[ERROR\] Worker cannot be started: [^\n]*Resource temporarily unavailable")
    server.tolerate(r"\[ERROR\] (Reload failed|The mold cannot be started): |was killed by SIGKILL")
    server.logged("Worker cannot be started")
    server.signal(signal.SIGHUP)
    server.logged("Reload failed")
    body = b"x" * 3_000_000
    assert server.post("/echo", body).body == body  # by way of a file
    victim = server.workers()[0]
    server.signal(signal.SIGKILL, victim)
    until(lambda: victim not in server.workers() and server.get("/").status == 200, "an answer")
    server.sockets_at_start = None
    assert server.stop() == 0


def test_too_few_descriptors_for_its_workers_are_said_with_how_many_it_takes(serve):
    server = serve(WSGI, "--no-control-socket", workers=40, command=after("ulimit -n 64"))
    server.expect(r"\[ERROR\] Worker cannot be started: [^\n]*Too many open files: the limit is 64 \(ulimit -n\), and 40 workers need about 150 and one for each connection")
    server.logged("Worker cannot be started")
    assert server.get("/").status == 200
    server.sockets_at_start = None


def test_the_limit_of_descriptors_is_raised_for_connections_and_not_for_the_application(serve):
    import resource

    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 300:
        pytest.skip("the limit is lower than that")
    server = serve(WSGI, "--no-control-socket", workers=1, command=after("ulimit -S -n 100"))

    def limit(pid):
        return next(line for line in pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max open files")).split()[3:5]

    assert limit(server.workers()[0]) == ["100", limit(server.pid)[1]]
    assert len(set(limit(server.pid))) == 1
    report = load_generator.load("-c", "200", "-n", "2000", f"http://127.0.0.1:{server.port}/")
    assert report["exit_status"] == 0, report["log"]
