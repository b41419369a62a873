"""The worker's interpreter is the one of the application's environment, whichever way that was made."""

import json
import os
import subprocess
import sys

import pytest
from support.server import APPS, ROOT, SANITIZED


def told(python):
    """What that environment's own python says of itself."""
    code = "import json, sys; print(json.dumps([sys.executable, sys.prefix, sys.base_prefix, sys.version, [p for p in sys.path if p.endswith('-packages')]]))"
    return json.loads(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]}).stdout)


def seen(server):
    shown = json.loads(server.get("/python").body)
    return [shown[name] for name in ("executable", "prefix", "base_prefix", "version", "site")]


BASE = getattr(sys, "_base_executable", sys.executable)
# A sanitizer's runtime comes first in its process, which another interpreter's executable does not have.
OTHERS = set() if SANITIZED else {"/usr/bin/python3"}


@pytest.mark.parametrize("options", [["--symlinks"], ["--copies"], ["--symlinks", "--system-site-packages"]])
@pytest.mark.parametrize("base", sorted({BASE} | OTHERS))
def test_a_virtual_environment_is_served_as_its_own_python_is(serve, tmp_path, base, options):
    if subprocess.run([base, "-c", "import venv, sys; sys.exit(sys.version_info[:2] != %r)" % (sys.version_info[:2],)]).returncode:
        pytest.skip(f"{base} is another version")
    environment = tmp_path / "environment"
    subprocess.run([base, "-m", "venv", "--without-pip", *options, str(environment)], check=True)
    python = str(environment / "bin" / "python")
    assert seen(serve("wsgi_apps:app", "--python", python)) == told(python)
    assert seen(serve("wsgi_apps:app", env={"VIRTUAL_ENV": str(environment)})) == told(python)


def test_an_environment_of_another_version_is_told_which_versions_there_are(tmp_path):
    for tag in ("310", "39", "313t"):
        (tmp_path / f"_prefork_worker.cpython-{tag}-x86_64-linux-gnu.so").touch()
    code = "import importlib.machinery, runpy; importlib.machinery.EXTENSION_SUFFIXES[:] = ['.none.so']; runpy.run_path(%r, run_name='__main__')"
    ran = subprocess.run([BASE, "-c", code % str(ROOT / "python" / "prefork" / "_host.py"), str(tmp_path), "attachment"],
                         capture_output=True, text=True)
    assert ran.returncode == 3
    assert "is Python %d.%d, and this installation has workers for: 3.9, 3.10, 3.13t" % sys.version_info[:2] in ran.stderr


def test_the_command_line_is_there_from_the_first_line_on(serve, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.argv_of_site = list(sys.argv)\n")
    (tmp_path / "own.py").write_text("import sys\nfrom wsgi_apps import app\nassert sys.argv_of_site == ['prefork', 'own:app'], sys.argv_of_site\n")
    server = serve("own:app", env={"PYTHONPATH": f"{tmp_path}:{APPS}"})
    shown = json.loads(server.get("/python").body)
    assert shown["argv"] == shown["orig_argv"] == ["prefork", "own:app"]


def test_pythonpath_and_the_folder_of_the_server_are_first_on_the_path(serve, tmp_path):
    """In gunicorn's order: each entry goes before everything that is there."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "own.py").write_text("from wsgi_apps import app\n")
    server = serve("own:app", "--chdir", str(folder), "--pythonpath", "/first,/second")
    assert json.loads(server.get("/python").body)["path"][:3] == ["/second", "/first", str(folder)]


@pytest.mark.parametrize("app, status, hint", [
    ("wsgi_apps:absent", 4, "Failed to find attribute 'absent' in 'wsgi_apps'. Did you mean 'wsgi_apps:app'?"),
    ("no_such_module:app", 3, "No module named 'no_such_module'"),
    ("wsgi_apps:PLAIN", 4, "must be callable"),
])
def test_a_mistake_on_the_command_line_ends_the_server_with_a_hint(serve, app, status, hint):
    server = serve(app, ready=None)
    server.expect(".")
    assert server.wait() == status
    assert hint in server.log()


def test_threads_that_are_none_are_refused_and_not_waited_for(serve, tmp_path):
    """As after gevent.monkey.patch_all(): they would run on the thread that waits for them."""
    (tmp_path / "green.py").write_text(
        "import threading\n"
        "from wsgi_apps import app\n"
        "threading.Thread.start, threading.Thread.join = threading.Thread.run, lambda self: None\n"
    )
    server = serve("green:app", "--threads", "2", cwd=tmp_path, ready=None)
    server.expect(".")
    assert server.wait() == 4
    assert "leave threads as they are" in server.log()
    assert serve("green:app", cwd=tmp_path).get("/hello").status == 200


def test_the_demonstration_page_is_served_when_nothing_is_named(serve):
    server = serve(None)
    assert b"demonstration page" in server.get("/").body
    assert "demonstration page" in server.log()


def test_a_bare_worker_is_small(serve):
    server = serve("wsgi_apps:app")
    server.get("/")
    if SANITIZED:
        pytest.skip("a sanitizer's memory is its own")
    assert server.pss(server.workers()[0]) < 20 * 1024
