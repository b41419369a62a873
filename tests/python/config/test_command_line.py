"""What the command line says and prints; the meaning of single flags is tests/master/config_load_test.cpp's."""

import json
import os
import pty
import re
import subprocess

import pytest
from prefork_config import PREFORK, ROOT


def test_version_is_one_line(folder):
    for flag in ("--version", "-v"):
        outcome = folder.run(flag)
        assert outcome.status == 0
        assert re.fullmatch(r"prefork \d+\.\d+\.\d+\n", outcome.output)


def test_help_is_grouped_plain_and_fits(folder):
    outcome = folder.run("--help")
    assert outcome.status == 0
    assert "\x1b" not in outcome.output
    titles = [line for line in outcome.output.splitlines() if re.match(r"[A-Z][A-Za-z ]+$", line)]
    assert titles[:4] == ["Arguments", "Application and address", "Workers and queue", "HTTP"]
    assert max(map(len, outcome.output.splitlines())) <= 100
    for flag in ("-w, --workers N", "--no-sendfile", "--no-request-buffering", "--proxy-protocol[=MODE]", "--queue-size N"):
        assert re.search(rf"^  {re.escape(flag)}( |$)", outcome.output, re.MULTILINE), flag
    assert "--dirty-app" not in outcome.output


def test_help_on_a_terminal_is_coloured(folder):
    leader, follower = pty.openpty()
    process = subprocess.Popen([PREFORK, "--help"], stdout=follower, stdin=subprocess.DEVNULL, cwd=folder.path)
    os.close(follower)
    seen = b""
    try:
        while chunk := os.read(leader, 65536):
            seen += chunk
    except OSError:
        pass  # the terminal's end
    assert process.wait(60) == 0
    assert b"\x1b[1mWorkers and queue\x1b[0m" in seen


def test_every_flag_of_the_help_is_accepted(folder):
    """A flag with a wrong value may be refused; it must never be unknown."""
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z_-]+", folder.run("--help").output)) - {"--x", "--no-x"}
    assert len(flags) > 90
    for flag in sorted(flags - {"--help", "--version"}):
        # --check-config first: a flag that needs no value would start the server.
        assert "is no option" not in folder.run("--check-config", flag).errors if flag != "--print-settings-reference" else True


def test_the_printed_text_is_a_configuration_file(folder):
    folder.write("gunicorn.conf.py", "raw_env = ['A=it\\'s']\numask = 0o22\nheader = ['X: \"q\"']\nsecure_scheme_headers = {'A': 'b'}\ntimeout = 0.5\n")
    folder.write("shop.py", "def app(environ, start_response): pass\n")
    first = folder.run("--print-config", "-w", "3", "shop:app")
    assert first.status == 0
    (folder.path / "gunicorn.conf.py").unlink()
    folder.write("prefork.conf.py", first.output)
    printed = folder.printed()
    values = {name: value for name, (value, _) in printed["settings"].items()}
    assert values["raw_env"] == ["A=it's"]
    assert values["umask"] == 0o22
    assert values["header"] == ['X: "q"']
    assert values["timeout"] == 0.5
    assert values["workers"] == 3
    assert values["wsgi_app"] == "shop:app"
    assert "umask = 0o22" in first.output
    assert re.search(r"^workers = 3 +# -w$", first.output, re.MULTILINE)
    assert [notice for notice in printed["notices"] if notice["level"] != "debug"] == []


def test_the_settings_reference_is_current(folder):
    outcome = folder.run("--print-settings-reference")
    assert outcome.output == (ROOT / "docs" / "settings.md").read_text(), "write it anew: prefork --print-settings-reference >docs/settings.md"


def test_errors_are_one_line_on_standard_error(folder):
    status, errors = folder.refusal("--wrokers", "3")
    assert (status, errors) == (2, "prefork: --wrokers is no option; did you mean --workers?\n")
    status, errors = folder.refusal("--print-config", env={"GUNICORN_CMD_ARGS": "-w x"})
    assert (status, errors) == (2, "prefork: GUNICORN_CMD_ARGS: -w: 'x' given; allowed: a whole number from 1 to 4096, or auto\n")
    status, errors = folder.refusal("--print-config", env={"PREFORK_WORKERS": "x"})
    assert (status, errors) == (1, "prefork: PREFORK_WORKERS: 'x' given; allowed: a whole number from 1 to 4096, or auto\n")
    status, errors = folder.refusal("--print-config", env={"GUNICORN_CMD_ARGS": "--name 'x"})
    assert (status, errors) == (1, "prefork: GUNICORN_CMD_ARGS: a quote is not closed in '--name 'x'\n")


@pytest.mark.parametrize(("flag", "start"), [("--version", "prefork "), ("-v", "prefork "), ("--help", "Usage: prefork "), ("--print-config=json", "{")])
def test_the_variable_of_arguments_may_ask_for_an_answer(folder, flag, start):
    outcome = folder.run(env={"GUNICORN_CMD_ARGS": flag})
    assert (outcome.status, outcome.errors) == (0, "")
    assert outcome.output.startswith(start)


def test_a_hook_in_a_variable_is_sent_to_the_file(folder):
    status, errors = folder.refusal("--print-config", env={"PREFORK_ON_EXIT": "os.getcwd"})
    assert (status, errors) == (1, "prefork: PREFORK_ON_EXIT: 'os.getcwd' given; allowed: a function, or its name as 'module.function', in the configuration file\n")


@pytest.mark.parametrize("name", ["PREFORK_QUEUE_SIZE", "PREFORK_KEEPALIVE", "PREFORK_LIMIT_CONCURRENCY"])
def test_every_setting_is_a_variable(folder, name):
    setting = name.removeprefix("PREFORK_").lower()
    assert folder.printed(env={name: "7"})["settings"][setting] == (7, name)


def test_the_json_form_is_json_whatever_the_values_hold(folder):
    tricky = 'quote " backslash \\ tab \t bell \x07 umlaut ü'
    assert folder.values("--name", tricky)["proc_name"] == tricky
    json.loads(folder.run("--print-config=json", "-e", 'A="\\').output)
