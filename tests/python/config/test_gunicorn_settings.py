"""Every setting of gunicorn 27 has its effect or its message; gunicorn's own parser agrees where it is installed."""

import json
import os
import re
import subprocess
import sys

import pytest
from gunicorn_settings import HOOK, SETTINGS, Says

# An interpreter that can import gunicorn 27.
GUNICORN_PYTHON = os.environ.get("PREFORK_TEST_GUNICORN_PYTHON", sys.executable)

BY_FLAG = [pytest.param(name, arguments, outcome, id=name) for name, arguments, _, outcome in SETTINGS if arguments]
BY_FILE = [pytest.param(name, value, outcome, id=name) for name, _, value, outcome in SETTINGS if value]


def test_the_table_has_all_settings_once():
    names = [name for name, *_ in SETTINGS]
    assert len(names) == len(set(names)) == 120
    assert all(arguments or value for _, arguments, value, _ in SETTINGS)


def check_message(folder, arguments, status, says):
    if says.how == "refused":
        code, errors = folder.refusal(*arguments, "--print-config=json")
        assert code == status
        assert re.search(says.pattern, errors)
        assert errors.count("\n") == 1
    else:
        notices = folder.printed(*arguments)["notices"]
        assert [notice["level"] for notice in notices] == [says.how]
        assert re.search(says.pattern, notices[0]["text"])


@pytest.mark.parametrize("name, arguments, outcome", BY_FLAG)
def test_on_the_command_line(folder, name, arguments, outcome):
    folder.write("other.py", "")
    if isinstance(outcome, Says):
        check_message(folder, arguments, 2, outcome)
    else:
        value, origin = folder.printed(*arguments)["settings"][name]
        assert value == outcome
        assert origin != "default"


@pytest.mark.parametrize("name, value, outcome", BY_FILE)
def test_each_setting_is_known_in_the_file(folder, name, value, outcome):
    folder.write("gunicorn.conf.py", f"{name} = {value}\n")
    if isinstance(outcome, Says):
        check_message(folder, [], 1, outcome)
    elif outcome is HOOK:
        assert folder.printed()["hooks"] == [name]
    else:
        assert folder.printed()["settings"][name] == (outcome, "gunicorn.conf.py:1")


# Values that published configuration files set although they are gunicorn's defaults, or that switch something off.
ASK_FOR_NOTHING = """
logger_class = "gunicorn.glogging.Logger"
spew = False
worker_tmp_dir = None
protocol = "http"
uwsgi_allow_ips = "127.0.0.1,::1"
keyfile = None
certfile = ""
cert_reqs = 0
ciphers = None
ssl_version = 2
suppress_ragged_eofs = True
do_handshake_on_connect = False
http_protocols = "h1"
http2_cleartext = "off"
http2_max_frame_size = 16384
http_parser = "auto"
paste = None
dirty_apps = []
dirty_workers = 0
dirty_timeout = 300
strip_header_spaces = False
casefold_http_method = False
"""


def test_inert_values_of_what_cannot_apply_are_silent(folder):
    assert folder.write("gunicorn.conf.py", ASK_FOR_NOTHING).printed()["notices"] == []


GUNICORN_READS = """
import json, sys
from gunicorn import config
cfg = config.Config()
parser = cfg.parser()
known = sorted(cfg.settings)
values = {}
for name, arguments in json.loads(sys.argv[1]):
    cfg = config.Config()
    parsed = vars(cfg.parser().parse_args(arguments))
    for key, value in parsed.items():
        if value is not None and key != "args":
            cfg.set(key, value)
    values[name] = cfg.sendfile if name == "sendfile" else cfg.settings[name].get()
print(json.dumps({"known": known, "values": values}, default=str))
"""

# Where ours is meant to differ: another type for the same meaning.
OURS = {"user": "root", "group": "0", "statsd_host": "stats:8125", "pythonpath": ["a", "b"], "loglevel": "debug", "wsgi_app": "shop:app", "print_config": "json", "errorlog": "e.log"}


@pytest.fixture(scope="module")
def gunicorn_values():
    if subprocess.run([GUNICORN_PYTHON, "-c", "import gunicorn, sys; sys.exit(gunicorn.version_info[0] != 27)"], capture_output=True).returncode != 0:
        pytest.skip("gunicorn 27 is not installed")
    uses = [(name, ["--print-config"] if name == "print_config" else arguments) for name, arguments, _, outcome in SETTINGS if arguments and not isinstance(outcome, Says)]
    done = subprocess.run([GUNICORN_PYTHON, "-c", GUNICORN_READS, json.dumps(uses)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_gunicorn_knows_the_same_settings(gunicorn_values):
    assert sorted(name for name, *_ in SETTINGS) == gunicorn_values["known"]


def test_gunicorn_reads_the_same_values(folder, gunicorn_values):
    folder.write("other.py", "")
    different = {}
    for name, arguments, _, outcome in SETTINGS:
        if not arguments or isinstance(outcome, Says) or name in OURS:
            continue
        if gunicorn_values["values"][name] != outcome:
            different[name] = (outcome, gunicorn_values["values"][name])
    assert different == {}
