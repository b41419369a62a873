"""Settings of the command line have their effect in the running server."""

import json
import subprocess

import pytest

from support.server import APPS, BUILD

APP = "dropin_app:app"


def environ(server, path="/", headers=()):
    return json.loads(server.get(path, headers).body)


def run(*arguments, cwd=None, env=None):
    import os

    environment = {**os.environ, "PYTHONPATH": str(APPS), **(env or {})}
    return subprocess.run([BUILD / "prefork", *arguments], capture_output=True, text=True, timeout=120, cwd=cwd, env=environment, check=False)


def test_environment_and_paths_reach_the_workers(serve, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    server = serve(APP, "-e", "DROPIN_TEST=set", "--chdir", folder, "--pythonpath", "/first,/second")
    seen = environ(server)
    assert seen["_env"] == "set" and seen["_cwd"] == str(folder)
    assert seen["_path"] == ["/second", "/first", str(folder)]


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
def test_modules_of_the_folder_it_was_started_in_are_found_after_a_change_of_folder(serve, tmp_path, preload):
    (tmp_path / "inside").mkdir()
    (tmp_path / "beside.py").write_text("NAME = 'beside'\n")
    (tmp_path / "inside" / "shop.py").write_text("""
from beside import NAME
def app(environ, start_response):
    start_response("200 OK", [])
    return [NAME.encode()]
""")
    (tmp_path / "gunicorn.conf.py").write_text("""
from beside import NAME
chdir = "inside"
def when_ready(server): server.log.info("the master knows %s", NAME)
def post_fork(server, worker): server.log.info("a worker knows %s", NAME)
""")
    assert run("--check-config", "shop:app", cwd=tmp_path).returncode == 0
    server = serve("shop:app", *preload, cwd=tmp_path)
    assert server.get("/").body == b"beside"
    server.logged("the master knows beside")
    server.logged("a worker knows beside")


def test_root_path_is_script_name(serve):
    seen = environ(serve(APP, "--root-path", "/base", ready="/base/"), "/base/x")
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/base", "/x")


def test_flags_of_processes_and_threads(serve):
    seen = environ(serve(APP, "--threads", "2", workers=2))
    assert seen["wsgi.multithread"] is True and seen["wsgi.multiprocess"] is True


@pytest.mark.parametrize(("arguments", "request_text", "status"), [
    (["--limit-request-line", "30"], "GET /" + "x" * 40 + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (["--limit-request-fields", "2"], "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\n\r\n", 431),
    (["--limit-request-field-size", "30"], "GET / HTTP/1.1\r\nHost: a\r\nA: " + "x" * 40 + "\r\n\r\n", 431),
    (["--limit-request-body", "5"], "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n123456", 413),
])
def test_what_is_over_a_limit_is_refused_with_its_status(serve, arguments, request_text, status):
    assert serve(APP, *arguments).raw(request_text).startswith(b"HTTP/1.1 %d" % status)


def test_fields_of_replies(serve):
    headers = serve(APP, "--no-server-header", "--no-date-header", "--header", "X-One: 1", "--header", "X-Two: 2").get("/").headers
    assert "Server" not in headers and "Date" not in headers
    assert (headers["X-One"], headers["X-Two"]) == ("1", "2")


def test_workers_have_the_name_in_ps(serve):
    server = serve(APP, "--name", "shop")
    names = [open(f"/proc/{pid}/cmdline", "rb").read().replace(b"\0", b" ").decode() for pid in server.workers()]
    assert any("worker [shop]" in name for name in names)


def test_uvicorns_spelling(serve):
    server = serve(APP, "--timeout-keep-alive", "5", "--limit-concurrency", "10", "--access-log")
    assert server.get("/").status == 200
    server.logged('"GET / HTTP/1.1" 200')


def test_check_config_loads_the_application(tmp_path):
    assert run("--check-config", APP).returncode == 0
    missing = run("--check-config", "no_such_module:app")
    assert missing.returncode == 1 and "no_such_module" in missing.stderr
    nothing = run("--check-config", "dropin_app:nothing")
    assert nothing.returncode == 1 and "nothing" in nothing.stderr
    (tmp_path / "broken_app.py").write_text("raise ValueError('cannot load')\n")
    broken = run("--check-config", "broken_app:app", cwd=tmp_path)
    assert broken.returncode == 1 and "ValueError: cannot load" in broken.stderr


def test_check_config_uses_the_environment_and_paths(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "needs_env.py").write_text("import os\nassert os.environ['WANTED'] == 'yes'\ndef app(environ, start): pass\n")
    arguments = ("--check-config", "--pythonpath", str(tmp_path / "lib"), "needs_env:app")
    assert run(*arguments).returncode == 1
    assert run("-e", "WANTED=yes", *arguments).returncode == 0


def test_what_cannot_apply_says_what_to_do(serve):
    for arguments in (["-k", "gevent"], ["--paste", "x.ini"], ["--spew"]):
        refused = run(*arguments, APP)
        assert refused.returncode != 0 and refused.stderr.startswith("prefork: "), arguments
        assert "unknown" not in refused.stderr


def test_no_sendfile_still_serves(serve):
    assert serve(APP, "--no-sendfile").get("/").status == 200
