"""The same command lines, checked by gunicorn and by prefork: accepted alike and refused alike, but for the table of differences."""

import json
import pathlib
import shlex
import subprocess
import sys

import pytest

from differences import DIFFERENCES
from peers import environment, run
from support.server import ROOT

ALIKE = """
-w4 | -w=4 | --workers=4 | -w 2 -w 3 | -Rw4 | -DRw4 | -e A=1 | -eA=1 | --env A=1 --env B=2 | --name é | --name=-w | --statsd-prefix=
--worker-con 5 | --log-f - | --error - | --ti 5 | --max-requests-j 4 | --umas 022 | --no-s | --keep 5 | --chd . | --access-logformat "- %(h)s"
--work 4 | --lo debug | --gr 5 | --max-r 4 | --access-logf - | --no | --nope | -x | -w | -w x | -w 1.5 | --workers= | --bind --workers 3 | --umask abc
--max-requests abc | --timeout abc | --backlog x | --threads | --umask 0xFF | --umask 022 | --umask 18 | --log-level INFO | --graceful-timeout 0
--timeout 0 | --max-requests 0 | -k sync | -k gthread | --threads 4 | --proxy-protocol v1 | --proxy-protocol=off | --forwarded-allow-ips * | --forwarded-allow-ips ::1
--limit-request-line 0 | --limit-request-field_size 0 | --header-map refuse | --forwarder-headers A,B | --reload-engine poll | --chdir /tmp --pythonpath .
-c nofile.py | -c file:nofile.py | -c python:no_such_module | -c broken.py | -c raises.py | -c good.py | -c ./good.py | -c file:good.py | --pid /nonexistent/x
--preload | --reuse-port | --no-sendfile | -b 127.0.0.1 | -b :8001 | -b [::1]:8001 | -b unix:/tmp/x | -b unix:///tmp/x | -b fd://3 | -b tcp://127.0.0.1:8001
--log-syslog-to udp://127.0.0.1:514 | --statsd-host localhost:8125 | --statsd-host unix:///tmp/s | --dogstatsd-tags a:b | --worker-tmp-dir /tmp
"""

# gunicorn's exit status, prefork's, and the row of the table.
UNLIKE = {
    "typed": (1, 2, "-w -1 | --workers=-1 | -t -3 | --backlog -1 | --keep-alive -1 | --proxy-protocol=v9 | --user no-such-user | --group no-such-group | --chdir /nonexistent "
                    "| --forwarded-allow-ips bogus | --forwarded-allow-ips 10.0.0.1/8 | --limit-request-line -1 | --limit-request-field_size -1 | --max-requests -1 "
                    "| --header-map bogus | --statsd-host host:abc | --asgi-loop bogus | --reload-engine bogus | --websocket-max-message-size -1 | --http-protocols h9"),
    "late": (0, 2, "-b :99999 | -b localhost:abc | -b [::1 | -b unix: | -b fd://x | -k nosuch | --umask 999 | --log-level '' | --log-syslog-facility nosuch "
                   "| --log-syslog-to nowhere | --env FOO | --access-logformat '%(h' | --access-logformat '%(h)d' | --root-path noslash | --log-config /nonexistent | -w 99999999999999999999 | --cert-reqs 9"),
    "zero": (0, 2, "-w 0 | --threads 0 | --worker-connections 0 | --backlog 0 | --limit-request-fields 0"),
    "switch": (2, 0, "--reload=true | --no-preload | --timeout 0.5 | -w auto"),
    "files": (1, 0, "--reload-extra-file /nonexistent"),
    "refused": (0, 2, "--protocol uwsgi | --spew | -k gevent | -k tornado | --certfile x | --paste-global a=b"),
}

FILES = {"good.py": "workers = 2\n", "broken.py": "workers = = 2\n", "raises.py": "1 / 0\n"}


def lines(text):
    return [line.strip() for row in text.split("\n") for line in row.split(" | ") if line.strip(" |")]


def write_files(folder):
    for file, text in FILES.items():
        (folder / file).write_text(text)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """What gunicorn makes of each line: (exit status, what it says)."""
    folder = tmp_path_factory.mktemp("gunicorn")
    write_files(folder)
    every = lines(ALIKE) + [line for _, _, text in UNLIKE.values() for line in lines(text)]
    words = [["--check-config", *shlex.split(line), "dropin_app:app"] for line in every]
    done = subprocess.run([sys.executable, pathlib.Path(__file__).with_name("gunicorn_checks.py")], input=json.dumps(words), cwd=folder, env=environment(folder),
                          capture_output=True, text=True, timeout=300, check=True)
    return dict(zip(every, json.loads(done.stdout)))


def ours(tmp_path, line):
    write_files(tmp_path)
    return run("prefork", tmp_path, ["--check-config", *shlex.split(line), "dropin_app:app"])


@pytest.mark.parametrize("line", lines(ALIKE))
def test_both_accept_or_refuse_the_same(tmp_path, theirs, line):
    (status, said), (mine, told) = theirs[line], ours(tmp_path, line)
    assert status == mine, (said, told)
    if status == 2:
        assert "error: " in said and told.startswith("prefork: ") and told.count("\n") == 1


@pytest.mark.parametrize(("difference", "line"), [(name, line) for name, (_, _, text) in UNLIKE.items() for line in lines(text)])
def test_unlike_on_purpose(tmp_path, theirs, difference, line):
    assert difference in DIFFERENCES
    (status, said), (mine, told) = theirs[line], ours(tmp_path, line)
    assert (status, mine) == UNLIKE[difference][:2], (said, told)
    assert mine == 0 or (told.startswith("prefork: ") and told.count("\n") == 1)


@pytest.mark.parametrize(("words", "statuses"), [
    (["--", "dropin_app:app"], (0, 0)), (["dropin_app:app", "-w", "2"], (0, 0)), (["dropin_app:app", "another:app"], (0, 2)),
    (["dropin_app:app", "-w", "2", "another:app"], (2, 2)), (["--proxy-protocol", "dropin_app:app"], (1, 0)), ([], (1, 0)),
    (["--print-config", "dropin_app:app"], (0, 0)), (["--print-config", "dropin_app:nothing"], (1, 1)),
    (["no_such_module:app"], (1, 1)), (["dropin_app:nothing"], (1, 1)), (["dropin_app"], (1, 1)), (["dropin_app:app()"], (1, 1)), (["dropin_app:app("], (1, 1)),
])
def test_both_find_or_miss_the_application(tmp_path, words, statuses):
    seen = [run(name, tmp_path, ["--check-config", *words]) for name in ("gunicorn", "prefork")]
    assert tuple(status for status, _ in seen) == statuses, seen


@pytest.mark.parametrize(("variables", "statuses"), [
    ({"GUNICORN_CMD_ARGS": "-w x"}, (2, 2)), ({"GUNICORN_CMD_ARGS": "--nope"}, (2, 2)), ({"GUNICORN_CMD_ARGS": "--work-con 3"}, (2, 2)),
    ({"GUNICORN_CMD_ARGS": "ignored:app -w 2"}, (0, 0)), ({"GUNICORN_CMD_ARGS": "--name 'x"}, (1, 1)), ({"WEB_CONCURRENCY": ""}, (1, 1)),
    ({"WEB_CONCURRENCY": "x"}, (1, 1)), ({"WEB_CONCURRENCY": "3", "PORT": "5000", "SENDFILE": "maybe", "FORWARDED_ALLOW_IPS": "*"}, (0, 0)),
])
def test_both_read_the_same_variables(tmp_path, variables, statuses):
    for name, status in zip(("gunicorn", "prefork"), statuses):
        (tmp_path / name).mkdir()
        assert run(name, tmp_path / name, ["--check-config", "dropin_app:app"], variables)[0] == status, name


def test_the_documentation_has_the_differences():
    text = (ROOT / "docs" / "migrating-from-gunicorn.md").read_text()
    for row in DIFFERENCES.values():
        assert f"| {' | '.join(row)} |" in text
