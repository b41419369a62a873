"""Workers come and go under load, and no client notices."""

import signal
import subprocess

import pytest
from support.load_generator import finish, keep_busy, no_failure
from support.server import BUILD, until

APP = "process_app:application"


@pytest.mark.parametrize(("workers", "mode"), [(1, "rolling"), (3, "rolling"), (2, "surge")])
def test_reloads_under_load_fail_no_request(serve, workers, mode):
    server = serve(APP, "--reload-mode", mode, workers=workers)
    load = keep_busy(server, 4, "--mix", "/:98,/sleep/0.02:2")
    before = set(server.workers())
    for _ in range(5):
        server.reload()
    no_failure(load)
    until(lambda: len(server.workers()) == workers, "the old workers' end")
    assert not before & set(server.workers())


def test_a_slow_start_delays_the_change_and_no_request(serve):
    server = serve(APP, workers=1)
    (server.folder / "boot-delay").write_text("1.5")
    load = keep_busy(server, 3)
    server.reload()
    no_failure(load)


def test_workers_that_do_not_start_leave_the_old_ones_serving(serve):
    server = serve(APP, workers=2)
    server.expect(r"Traceback \(most recent call last\).*?RuntimeError: this release is broken")
    server.expect(r"\[ERROR\] Exception in worker process")
    server.expect(r"\[ERROR\] Worker \(pid:\d+\) exited with code 3 [^\n]*")
    server.expect(r"\[ERROR\] Reload failed: worker \d+ did not start, exit code 3[^\n]*")
    server.logged("Serving with 2 workers")
    before = set(server.workers())
    (server.folder / "broken").touch()
    load = keep_busy(server, 3)
    server.signal(signal.SIGHUP)
    server.logged("Reload failed")
    no_failure(load)
    assert set(server.workers()) == before
    (server.folder / "broken").unlink()
    server.reload()
    until(lambda: len(server.workers()) == 2 and not before & set(server.workers()), "two new workers")


def test_reload_reads_the_configuration_again(serve, tmp_path):
    config = tmp_path / "settings.py"
    config.write_text("workers = 1\nraw_env = ['PROCESS_APP_VERSION=one']\n")
    server = serve(APP, "-c", config)
    assert server.get("/version").body == b"one"
    config.write_text("workers = 1\nraw_env = ['PROCESS_APP_VERSION=two']\n")
    server.reload()
    until(lambda: server.get("/version").body == b"two", "the new variable")
    config.write_text("workers = \n")
    server.expect(r"\[ERROR\] Reload failed: .*?settings.py[^\n]*(\n[^\[][^\n]*)*")
    server.signal(signal.SIGHUP)
    server.logged("Reload failed")
    assert server.get("/version").body == b"two"


def test_more_and_fewer_workers_under_load(serve):
    server = serve(APP, workers=2)
    load = keep_busy(server, 3)
    for number, count in ((signal.SIGTTIN, 3), (signal.SIGTTIN, 4), (signal.SIGTTOU, 3), (signal.SIGTTOU, 2), (signal.SIGTTOU, 1), (signal.SIGTTOU, 1)):
        server.signal(number)
        until(lambda count=count: len(server.workers()) == count, f"{count} workers")
    no_failure(load)


def test_workers_are_replaced_after_max_requests_without_a_failure(serve):
    server = serve(APP, "--max-requests", "50", "--max-requests-jitter", "20", workers=2)
    no_failure(keep_busy(server, 3))
    until(lambda: server.log().count("Worker exiting") >= 4, "replacements")


def test_a_worker_is_replaced_when_its_lifetime_is_over(serve):
    server = serve(APP, "--max-lifetime", "1", workers=1)
    first = server.get("/pid").body
    until(lambda: server.get("/pid").body != first, "another worker")
    server.logged("has reached --max-lifetime")


def test_stop_under_load_answers_everybody_who_had_asked(serve):
    server = serve(APP, workers=2)
    client = server.connect()
    client.sendall(b"GET /sleep/0.7 HTTP/1.1\r\nHost: x\r\n\r\n")
    load = keep_busy(server, 2)
    late = server.connect()
    late.sendall(b"GET /sleep/0.3 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert server.stop() == 0
    for one in (client, late):
        answer = b""
        while piece := one.recv(4096):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200") and b"close" in answer.lower()
        one.close()
    report = finish(load)
    # After the stop nobody listens; what was sent before was answered.
    assert set(report["failures"]) <= {"connect_refused"}, report


def test_a_configuration_file_that_hangs_leaves_the_old_settings_serving(serve, tmp_path):
    (tmp_path / "conf.py").write_text("import os, time\nif os.path.exists('hang'):\n    time.sleep(3600)\n")
    server = serve(APP, "-c", "conf.py", "--boot-timeout", "10", cwd=tmp_path)
    (tmp_path / "hang").touch()
    server.expect(r"\[ERROR\] Reload failed: the configuration was not read within --boot-timeout")
    server.signal(signal.SIGHUP)
    server.logged("Reload failed")
    (tmp_path / "hang").unlink()
    server.reload()
    assert server.get("/").status == 200


HANGS = """
import pathlib, signal, time
if pathlib.Path("hangs").exists():
    for number in (signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    pathlib.Path("hanging").touch()
    time.sleep(3600)
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
"""


@pytest.mark.parametrize("how", [(), ("--preload",), ("--reload",), ("--reload-mode", "surge")], ids=" ".join)
def test_a_generation_that_hangs_gives_way_to_the_next_reload(serve, tmp_path, how):
    """Also when it is deaf. --boot-timeout, which would end it too, is longer than this test waits."""
    (tmp_path / "late.py").write_text(HANGS)
    server = serve("late:application", *how, "--boot-timeout", "1000", "--control-socket", "ctl", cwd=tmp_path, workers=2)
    (tmp_path / "hangs").touch()
    waiting = subprocess.Popen([BUILD / "prefork", "reload", "--wait", tmp_path / "ctl"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until((tmp_path / "hanging").exists, "the import that hangs")
    (tmp_path / "hangs").unlink()
    server.signal(signal.SIGHUP)
    server.logged("Generation 2 is given up: another reload came")
    server.logged("Reloaded: generation 3")
    assert waiting.communicate(timeout=60)[0] == "generation 3 serves\n"
    assert waiting.returncode == 0
    assert server.get("/").body == b"ok"
    until(lambda: len(server.workers()) == 2, "the end of those that hang")


def test_a_configuration_file_that_hangs_is_read_again_for_the_next_reload(serve, tmp_path):
    (tmp_path / "conf.py").write_text("import pathlib, time\nif pathlib.Path('hang').exists():\n    pathlib.Path('hangs').touch()\n    time.sleep(3600)\n")
    server = serve(APP, "-c", "conf.py", "--boot-timeout", "1000", cwd=tmp_path)
    (tmp_path / "hang").touch()
    server.signal(signal.SIGHUP)
    until((tmp_path / "hangs").exists, "the file that hangs")
    (tmp_path / "hang").unlink()
    server.reload()
    assert server.get("/").status == 200


def test_a_configuration_that_cannot_be_read_stops_no_reload_that_goes_on(serve, tmp_path):
    (tmp_path / "conf.py").write_text("")
    server = serve(APP, "-c", "conf.py", cwd=tmp_path)
    server.expect(r"\[ERROR\] Reload failed: [^\n]*conf.py")
    (server.folder / "boot-delay").write_text("2")
    booting = server.log().count("Booting worker")
    server.signal(signal.SIGHUP)
    until(lambda: server.log().count("Booting worker") > booting, "the new worker")
    (tmp_path / "conf.py").write_text("workers = \n")
    server.signal(signal.SIGHUP)
    server.logged("Reload failed")
    server.logged("Reloaded: generation 2")


@pytest.mark.parametrize("end", ["fails", "TERM", "QUIT"])
def test_the_socket_file_of_a_reload_that_does_not_end_well_is_removed(serve, tmp_path, end):
    def bind(*names):
        (tmp_path / "conf.py").write_text(f"bind = {[f'unix:{tmp_path}/{name}' for name in names]}\n")

    bind("first")
    without_bind = f"sh -c 'shift 2; exec {BUILD}/prefork \"$@\"' sh"
    server = serve(APP, "-c", "conf.py", cwd=tmp_path, bind=f"unix:{tmp_path}/first", workers=None, command=without_bind)
    bind("first", "second")
    if end == "fails":
        for entry in (r"\[ERROR\] Exception in worker process", r"\[ERROR\] Worker \(pid:\d+\) exited with code 3", r"\[ERROR\] Reload failed"):
            server.expect(entry)
        (tmp_path / "broken").touch()
    else:
        (tmp_path / "boot-delay").write_text("600")
    server.signal(signal.SIGHUP)
    if end == "fails":
        server.logged("Reload failed")
        assert server.get("/").status == 200
    else:
        until((tmp_path / "second").exists, "the new socket")
        server.signal(getattr(signal, f"SIG{end}"))
        assert server.wait() == 0
    until(lambda: not (tmp_path / "second").exists(), "the end of the new socket's file")


RELEASE = """
import os
def application(environ, start_response):
    start_response("200 OK", [])
    return [(RELEASE + " " + os.path.basename(os.getcwd())).encode()]
"""


def _release(folder, name):
    (folder / name).mkdir()
    (folder / name / "app.py").write_text(f"RELEASE = {name!r}\n{RELEASE}")
    (folder / "new").symlink_to(name)
    (folder / "new").rename(folder / "current")


@pytest.mark.parametrize("how", [(), ("--preload",), ("--chdir", "current")], ids=" ".join)
def test_a_link_to_the_release_is_followed_at_each_reload(serve, tmp_path, how):
    """And at no other time: what is started in between is of the release that serves."""
    _release(tmp_path, "one")
    here = tmp_path if "--chdir" in how else tmp_path / "current"
    server = serve("app:application", *how, cwd=here, env={"PWD": str(here)})
    assert server.get("/").body == b"one one"
    _release(tmp_path, "two")
    server.expect(r"\[ERROR\] Worker \(pid:\d+\) was killed by SIGKILL")
    (victim,) = server.workers()
    server.signal(signal.SIGKILL, victim)
    until(lambda: server.workers() not in ([], [victim]), "a replacement")
    assert server.get("/").body == b"one one"
    server.reload()
    assert server.get("/").body == b"two two"


def test_a_variable_that_names_another_directory_is_none_of_the_server_s(serve, tmp_path):
    _release(tmp_path, "one")
    _release(tmp_path, "two")
    server = serve("app:application", cwd=tmp_path / "one", env={"PWD": str(tmp_path / "current")})
    server.reload()
    assert server.get("/").body == b"one one"
