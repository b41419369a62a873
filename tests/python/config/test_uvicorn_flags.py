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
