"""Every option of the installed uvicorn is understood or answered, and stands in the documentation."""

import importlib

import pytest
from prefork_config import ROOT

SAMPLES = {"boolean": None, "integer": "1", "float": "1", "path": ".", "text": "auto"}
SPECIAL = {"--host": "127.0.0.1", "--uds": "/tmp/s", "--forwarded-allow-ips": "*", "--root-path": "/a", "--header": "A:b", "--env-file": "/dev/null", "--log-config": "/dev/null",
           "--interface": "asgi3", "--log-level": "info", "--lifespan": "on", "--h11-max-incomplete-event-size": "65536"}
REFUSED = {"--http2", "--ssl-keyfile", "--ssl-keyfile-password", "--ssl-certfile", "--ssl-ca-certs", "--ssl-cert-reqs"}


def options():
    try:
        command = importlib.import_module("uvicorn.main").main
    except ImportError:
        return []
    return [param for param in command.params if param.opts[0].startswith("--") and param.opts[0] not in ("--version", "--help")]


@pytest.mark.skipif(not options(), reason="uvicorn is not installed")
@pytest.mark.parametrize("option", options(), ids=lambda option: option.opts[0])
def test_every_option_is_taken_or_explained(folder, option):
    for flag in (*option.opts, *option.secondary_opts):
        value = SPECIAL.get(flag, SAMPLES.get(option.type.name))
        outcome = folder.run(flag, *([value] if value else []), "--print-config=json", "shop:app")
        if flag in REFUSED:
            assert outcome.status == 2 and "proxy in front" in outcome.errors
        else:
            assert outcome.status == 0, outcome.errors
    assert f"`{option.opts[0]}`" in (ROOT / "docs" / "migrating-from-uvicorn.md").read_text()


@pytest.mark.parametrize(("word", "value"), [("True", True), ("False", False), ("true", True), ("false", False)])
def test_a_switch_may_be_followed_by_pythons_words(folder, word, value):
    values = folder.values("--ws-per-message-deflate", word, "shop:app")
    assert (values["ws_per_message_deflate"], values["wsgi_app"]) == (value, "shop:app")


@pytest.mark.parametrize("host", ["1.2.3.4:80", "[::1]:80", "unix:/tmp/x", "shop:app", "::1/64", "a b"])
def test_a_host_is_no_address_with_a_port(folder, host):
    assert folder.refusal("--host", host, "--print-config") == (2, f"prefork: --host: '{host}' given; allowed: a host's name or address, without the port\n")


@pytest.mark.parametrize(("host", "bind"), [("", ":8000"), ("localhost", "localhost:8000"), ("::", "[::]:8000"), ("[::1]", "[::1]:8000"), ("fe80::1%lo", "[fe80::1%lo]:8000")])
def test_a_host_is_a_name_or_an_address(folder, host, bind):
    assert folder.values("--host", host)["bind"] == [bind]


def test_variables_of_other_servers_are_pointed_out(folder):
    notices = folder.printed(env={"UVICORN_PORT": "80", "GRANIAN_BACKPRESSURE": "7", "UVICORN_THEME": "dark"})["notices"]
    assert sorted(notice["text"] for notice in notices if notice["level"] == "warning") == [
        "GRANIAN_BACKPRESSURE is not read; give --backpressure on the command line or in GUNICORN_CMD_ARGS",
        "UVICORN_PORT is not read; give --port on the command line or in GUNICORN_CMD_ARGS",
    ]


def test_a_directory_to_watch_must_be_there(folder):
    folder.write("file.txt", "")
    for name in ("nosuch", "file.txt"):
        said = f"prefork: --reload-dir: '{name}' given; allowed: a directory that exists (reload_extra_files names files)\n"
        assert folder.refusal("--reload-dir", name, "--print-config") == (2, said)
    assert folder.values("--reload-dir", ".")["reload_dirs"] == ["."]
