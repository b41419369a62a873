"""Every setting that the executable and its reference know, and every one of gunicorn's, has an observed effect or its message."""

import re
import subprocess
import sys

import pytest

from support.server import BUILD, ROOT

sys.path.insert(0, str(ROOT / "tests" / "python" / "config"))

import setting_cases_asgi  # noqa: E402, F401
import setting_cases_http  # noqa: E402, F401
import setting_cases_logs  # noqa: E402, F401
import setting_cases_messages  # noqa: E402, F401
import setting_cases_process  # noqa: E402, F401
import setting_cases_workers  # noqa: E402, F401
from gunicorn_settings import SETTINGS  # noqa: E402
from setting_cases import CASES, Walk  # noqa: E402


def reference():
    text = subprocess.run([BUILD / "prefork", "--print-settings-reference"], capture_output=True, text=True, check=True).stdout
    return {re.match(r"\| `(\w+)`", line).group(1) for line in text.splitlines() if line.startswith("| `")}


def test_every_setting_has_a_case():
    known = reference() | {name for name, *_ in SETTINGS}
    assert known - CASES.keys() == set()
    assert CASES.keys() - known == set()


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_setting_has_its_effect_or_its_message(name, serve, tmp_path):
    CASES[name](Walk(serve, tmp_path))
