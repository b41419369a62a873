"""The configuration file: Python, evaluated by an interpreter of the application's environment."""

import os
import subprocess
import sys

import pytest


def test_a_usual_file_is_read_with_its_types_and_hooks(folder):
    folder.write(
        "gunicorn.conf.py",
        """
import multiprocessing
import os
from pathlib import Path

workers = multiprocessing.cpu_count() * 2 + 1
bind = f"0.0.0.0:{os.environ.get('APP_PORT', '9000')}"
pidfile = Path("/tmp/app.pid")
timeout = 1.5
accesslog = None
raw_env = ("A=1", "B=2")
secure_scheme_headers = {"X-Forwarded-Proto": "https"}
wsgi_app = "shop.wsgi:application"
logconfig_dict = {"version": 1, "disable_existing_loggers": False}

def post_fork(server, worker):
    server.log.info("forked")

when_ready = lambda server: None
""",
    )
    printed = folder.printed(env={"APP_PORT": "7000"})
    values = {name: value for name, (value, _) in printed["settings"].items()}
    assert values["workers"] == os.cpu_count() * 2 + 1
    assert values["bind"] == ["0.0.0.0:7000"]
    assert values["pidfile"] == "/tmp/app.pid"
    assert values["timeout"] == 1.5
    assert values["accesslog"] is None
    assert values["raw_env"] == ["A=1", "B=2"]
    assert values["secure_scheme_headers"] == {"X-Forwarded-Proto": "https"}
    assert values["wsgi_app"] == "shop.wsgi:application"
    assert values["logconfig_dict"] == '{"version": 1, "disable_existing_loggers": false}'
    assert sorted(printed["hooks"]) == ["post_fork", "when_ready"]
    assert printed["settings"]["bind"] == (["0.0.0.0:7000"], "gunicorn.conf.py:7")
    assert printed["config_file"] == str(folder.path / "gunicorn.conf.py")
    assert not list(folder.path.glob("**/__pycache__"))


def test_texts_with_commas_are_lists_where_they_are_for_gunicorn(folder):
    folder.write("gunicorn.conf.py", "bind = '127.0.0.1:9000, unix:/tmp/shop'\nraw_env = 'A=1,B=2'\nheader = ['X-List: a, b']\n")
    values = folder.values()
    assert (values["bind"], values["raw_env"], values["header"]) == (["127.0.0.1:9000", "unix:/tmp/shop"], ["A=1", "B=2"], ["X-List: a, b"])


@pytest.mark.parametrize(("hook", "allowed"), [
    ("def post_fork(server): pass", "post_fork(server, worker)"), ("def post_request(worker): pass", "post_request(worker, req, environ, resp)"),
    ("def on_exit(server, *, why): pass", "on_exit(server)"), ("when_ready = lambda: None", "when_ready(server)"), ("post_request = lambda *all: None", None),
    ("def post_request(worker, req): pass", None), ("import functools\npost_fork = functools.partial(print, 1)", None),
])
def test_hooks_of_other_arguments_are_refused(folder, hook, allowed):
    folder.write("gunicorn.conf.py", hook + "\n")
    outcome = folder.run("--print-config")
    assert outcome.status == (1 if allowed else 0)
    assert not allowed or (outcome.errors.startswith("prefork: gunicorn.conf.py:1: ") and outcome.errors.endswith(f"which takes other arguments; allowed: {allowed}\n"))


def test_a_class_is_as_good_as_its_name(folder):
    folder.write("workers_of_theirs.py", "class SyncWorker: pass\nSyncWorker.__module__ = 'gunicorn.workers.sync'\n")
    folder.write("gunicorn.conf.py", "from workers_of_theirs import SyncWorker as worker_class\n")
    assert folder.values()["worker_class"] == "gunicorn.workers.sync.SyncWorker"


def test_file_and_module_locations(folder):
    folder.write("conf.txt", "workers = 5\n").write("settings_module.py", "workers = 6\n")
    assert folder.printed("-c", "conf.txt")["settings"]["workers"] == (5, "conf.txt:1")
    assert folder.printed("-c", "file:conf.txt")["settings"]["workers"] == (5, "conf.txt:1")
    assert folder.printed("-c", "python:settings_module")["settings"]["workers"] == (6, "python:settings_module:1")
    assert folder.values("-c", "conf.txt", env={"GUNICORN_CMD_ARGS": "-c python:settings_module"})["workers"] == 5
    assert folder.values(env={"GUNICORN_CMD_ARGS": "-c python:settings_module"})["workers"] == 6
    assert folder.values(env={"PREFORK_CONFIG": "conf.txt"})["workers"] == 5


def test_modules_beside_the_file_can_be_imported_whatever_prefork_has(folder):
    folder.write("config.py", "N = 3\n").write("loop.py", "N = 4\n")
    folder.write("gunicorn.conf.py", "import config, loop\nworkers = config.N\nthreads = loop.N\n")
    values = folder.values()
    assert (values["workers"], values["threads"]) == (3, 4)


def test_the_last_binding_names_the_line(folder):
    folder.write("gunicorn.conf.py", "workers = 1\nif True:\n    workers = 2\nelse:\n    workers = 3\nfor threads in (1, 2):\n    pass\n")
    settings = folder.printed()["settings"]
    assert settings["workers"] == (2, "gunicorn.conf.py:5")
    assert settings["threads"][0] == 2


def test_what_the_file_prints_goes_to_standard_error(folder):
    folder.write("gunicorn.conf.py", "import os, sys\nprint('one')\nos.write(1, b'two\\n')\nos.system('echo three')\nworkers = 2\n")
    outcome = folder.run("--print-config=json")
    assert outcome.status == 0
    assert outcome.output.startswith("{")
    assert {"one", "two", "three"} <= set(outcome.errors.split())


def test_mistyped_names_are_warned_of_and_others_are_not(folder):
    folder.write("gunicorn.conf.py", "import os\ncores = 4\n_private = 1\ntimout = 3\ndef post_frok(server, worker): pass\ndef helper(): pass\n")
    notices = folder.printed()["notices"]
    warnings = [notice["text"] for notice in notices if notice["level"] == "warning"]
    assert warnings == [
        "gunicorn.conf.py:4: timout is no setting and is ignored; did you mean timeout?",
        "gunicorn.conf.py:5: post_frok is no setting and is ignored; did you mean post_fork?",
    ]
    assert [notice["text"] for notice in notices if notice["level"] == "debug"] == ["gunicorn.conf.py:2: cores is no setting"]


OWN_VARIABLES = [
    ("import os\nenv = os.environ.get('NO_SUCH_VARIABLE', 'production')\n", "2: env is no setting and is ignored: 'production' given; allowed: KEY=VALUE"),
    ("class Env(dict):\n    pass\nenv = Env()\n", "3: env is no setting and is ignored: {} given; allowed: KEY=VALUE"),
    ("interface = '127.0.0.1'\nbind = f'{interface}:9000'\n", "1: interface is no setting and is ignored: '127.0.0.1' given; allowed: auto, "),
    ("header = 'Shop'\n", "1: header is no setting and is ignored: 'Shop' given; allowed: NAME: VALUE"),
    ("def app(environ, start_response): pass\n", None),
    ("import asyncio\nloop = asyncio.new_event_loop()\n", None),
    ("from collections import Counter as factory\n", None),
]


@pytest.mark.parametrize("text, said", OWN_VARIABLES)
def test_a_name_that_gunicorn_does_not_know_may_be_a_variable_of_the_file(folder, text, said):
    folder.write("gunicorn.conf.py", text + "workers = 3\n")
    printed = folder.printed()
    assert printed["settings"]["workers"][0] == 3
    warnings = [notice["text"] for notice in printed["notices"] if notice["level"] == "warning"]
    assert len(warnings) == (said is not None)
    assert all(warning.startswith("gunicorn.conf.py:" + said) for warning in warnings)


@pytest.mark.parametrize("text", [text for text, _ in OWN_VARIABLES])
def test_in_a_file_of_preforks_it_is_a_mistake(folder, text):
    assert folder.write("prefork.conf.py", text).refusal("--print-config")[0] == 1


def test_a_name_like_that_of_a_setting_is_no_mistake_beside_it(folder):
    folder.write("gunicorn.conf.py", "timeout_str = '120'\ntimeout = int(timeout_str)\nlog_level = 'info'\nloglevel = log_level\n")
    assert [notice for notice in folder.printed()["notices"] if notice["level"] != "debug"] == []


@pytest.mark.parametrize(
    "text, said",
    [
        ("x = 1\nworkers = 'many'\n", "prefork: gunicorn.conf.py:2: workers: 'many' given; allowed: a whole number from 1 to 4096, or auto\n"),
        ("workers = None\n", "prefork: gunicorn.conf.py:1: workers: None given; allowed: a whole number from 1 to 4096, or auto\n"),
        ("workers = 2.5\n", "prefork: gunicorn.conf.py:1: workers: 2.5 given; allowed: a whole number from 1 to 4096, or auto\n"),
        ("reload = 'perhaps'\n", "prefork: gunicorn.conf.py:1: reload: 'perhaps' given; allowed: true or false\n"),
        ("timeout = [1]\n", "prefork: gunicorn.conf.py:1: timeout: [1] given; allowed: seconds, such as 30, 0.5, 200ms or 2m\n"),
        ("bind = 8000\n", "prefork: gunicorn.conf.py:1: bind: 8000 given; allowed: HOST, "),
        ("bind = ('127.0.0.1', 8000)\n", "prefork: gunicorn.conf.py:1: bind: ('127.0.0.1', 8000) given; allowed: HOST, "),
        ("raw_env = [('A', '1')]\n", "prefork: gunicorn.conf.py:1: raw_env: [('A', '1')] given; allowed: KEY=VALUE\n"),
        ("pidfile = 0\n", "prefork: gunicorn.conf.py:1: pidfile: 0 given; allowed: a text\n"),
        ("\non_exit = b'os.getcwd'\n", "prefork: gunicorn.conf.py:2: on_exit: 'os.getcwd' given; allowed: a function, or its name as 'module.function'\n"),
        ("post_fork = 'nosuch.module.fn'\n", "prefork: gunicorn.conf.py:1: post_fork: 'nosuch.module.fn' given, which names no function "
         "(ModuleNotFoundError: No module named 'nosuch'); allowed: a function, or its name as 'module.function'\n"),
        ("on_exit = 'os.nothing'\n", "prefork: gunicorn.conf.py:1: on_exit: 'os.nothing' given, which names no function (AttributeError: "),
        ("on_exit = 'os.sep'\n", "prefork: gunicorn.conf.py:1: on_exit: 'os.sep' given, which names no function (TypeError: it is an object of type str); allowed: "),
        ("on_exit = 'function'\n", "prefork: gunicorn.conf.py:1: on_exit: 'function' given, which names no function (ImportError: no module is named); allowed: "),
        ("on_exit = 'os.getcwd'\n", "prefork: gunicorn.conf.py:1: on_exit: getcwd given, which takes other arguments; allowed: on_exit(server)\n"),
        ("post_fork = 3\n", "prefork: gunicorn.conf.py:1: post_fork: 3 given; allowed: a function, or its name as 'module.function'\n"),
        ("pidfile = object()\n", "prefork: gunicorn.conf.py:1: pidfile: an object of type object given; allowed: a text\n"),
        ("secure_scheme_headers = []\n", "prefork: gunicorn.conf.py:1: secure_scheme_headers: [] given; allowed: a dict of texts\n"),
        ("loglevel = print\n", "prefork: gunicorn.conf.py:1: loglevel: the function or class print given; allowed: debug, "),
        ("user = 'no-such-user'\n", "prefork: gunicorn.conf.py:1: user: 'no-such-user' given; allowed: a user's name or number\n"),
    ],
)
def test_a_wrong_value_names_file_line_setting_and_what_is_allowed(folder, text, said):
    status, errors = folder.write("gunicorn.conf.py", text).refusal("--print-config")
    assert status == 1
    assert errors.startswith(said)


def test_an_exception_shows_its_traceback(folder):
    folder.write("gunicorn.conf.py", "def count():\n    return 1 / 0\n\nworkers = count()\n")
    status, errors = folder.refusal("--print-config")
    assert status == 1
    assert errors.startswith("Traceback (most recent call last):\n  File ")
    assert "line 4, in <module>" in errors
    assert "config.py" not in errors
    assert errors.endswith("prefork: gunicorn.conf.py:2: ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("text, reason", [("workers = = 3\n", ":1: SyntaxError: "), ("raise SystemExit('no')\n", ":1: SystemExit: no"), ("import no_such_module\n", ":1: ModuleNotFoundError: ")])
def test_files_that_cannot_be_run(folder, text, reason):
    status, errors = folder.write("gunicorn.conf.py", text).refusal("--print-config")
    assert status == 1
    assert f"prefork: gunicorn.conf.py{reason}" in errors.splitlines()[-1]


def test_a_file_that_ends_the_interpreter(folder):
    status, errors = folder.write("gunicorn.conf.py", "import os\nos._exit(7)\n").refusal("--print-config")
    assert status == 1
    assert "ended with status 7 while it read the file" in errors


def test_importing_gunicorn_where_there_is_none(folder):
    folder.write("gunicorn.conf.py", "from gunicorn.glogging import Logger\n")
    # -S -I would be no help: a gunicorn of the tester's own must be hidden, too.
    hide = folder.path / "hide"
    hide.mkdir()
    (hide / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'gunicorn':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hide())\n"
    )
    status, errors = folder.refusal("--print-config", "--python", sys.executable, env={"PYTHONPATH": str(hide)})
    assert status == 1
    assert "prefork does not contain gunicorn: remove the import, or install gunicorn beside it" in errors.splitlines()[-1]


def test_files_and_interpreters_that_are_not_there(folder):
    assert folder.refusal("-c", "none.py") == (1, "prefork: none.py: there is no such configuration file\n")
    folder.write("gunicorn.conf.py", "workers = 2\n")
    status, errors = folder.refusal("--python", "/no/python", "--print-config")
    assert status == 1
    assert errors.startswith("prefork: gunicorn.conf.py: cannot run /no/python: No such file")


def test_the_interpreter_of_the_virtual_environment_reads_the_file(folder):
    venv = folder.path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    folder.write("gunicorn.conf.py", "import sys\nproc_name = sys.prefix\n")
    assert folder.values(env={"VIRTUAL_ENV": str(venv)})["proc_name"] == str(venv)
    assert folder.values("--python", str(venv / "bin" / "python"))["proc_name"] == str(venv)
    assert folder.values(env={"VIRTUAL_ENV": str(venv)})["python"] == str(venv / "bin" / "python")


def test_a_script_that_chooses_an_interpreter_is_looked_through(folder):
    shim = folder.path / "python3"
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    shim.chmod(0o755)
    real = os.path.realpath(subprocess.run([sys.executable, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True).stdout.strip())
    path = f"{folder.path}:{os.environ['PATH']}"
    assert os.path.realpath(folder.values(env={"PATH": path, "VIRTUAL_ENV": ""})["python"]) == real


def test_the_file_runs_where_the_server_was_started(folder):
    sub = folder.path / "sub"
    sub.mkdir()
    folder.write("gunicorn.conf.py", "import os\nproc_name = os.getcwd()\nchdir = 'sub'\n")
    values = folder.values()
    assert values["proc_name"] == str(folder.path)
    assert values["chdir"] == str(sub)


def test_hooks_are_loaded_by_the_same_code(folder, monkeypatch):
    folder.write("gunicorn.conf.py", "import helpers\ndef post_fork(server, worker):\n    return 'own'\nchild_exit = 'helpers.child_exit'\n")
    folder.write("helpers.py", "def child_exit(server, worker):\n    return 'imported'\n")
    assert sorted(folder.printed()["hooks"]) == ["child_exit", "post_fork"]
    root = os.path.join(os.path.dirname(__file__), "..", "..", "..", "python", "prefork", "config.py")
    code = (
        "import importlib.util, sys\n"
        "spec = importlib.util.spec_from_file_location('loader', sys.argv[1])\n"
        "loader = importlib.util.module_from_spec(spec); spec.loader.exec_module(loader)\n"
        "hooks = loader.load_hooks('file', sys.argv[2], ['post_fork', 'child_exit'])\n"
        "print(hooks['post_fork'](None, None), hooks['child_exit'](None, None))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, root, "gunicorn.conf.py"], cwd=folder.path, capture_output=True, text=True, check=True)
    assert done.stdout == "own imported\n"


def test_a_logging_dict_of_objects_stays_in_the_file(folder):
    folder.write("gunicorn.conf.py", "class F: pass\nlogconfig_dict = {'filters': {'f': {'()': F}}}\n")
    assert folder.values()["logconfig_dict"] == "@file"
