"""Names in Python files are known, and what is imported or assigned is used: otherwise a lost import shows only where its line runs."""

import ast
import re

import pytest
from pyflakes.checker import Checker
from tree_source import ROOT

FOLDERS = ("benchmarks", "python", "tests", "tools")
MEANT = re.compile(r"# noqa: .*\bF\d")


def python_files():
    """(path relative to the root, text) of every module and every script."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if not path.is_file() or path.suffix not in ("", ".py"):
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
            if path.suffix == ".py" or re.match(r"#!.*\bpython3?\n", text):
                yield path.relative_to(ROOT).as_posix(), text


def complaints(path, text):
    lines = text.split("\n")
    for found in sorted(Checker(ast.parse(text, path), path).messages, key=lambda message: message.lineno):
        if not MEANT.search(lines[found.lineno - 1]):
            yield f"{path}:{found.lineno}: {found.message % found.message_args}"


def test_every_name_is_known_and_used():
    found = [line for path, text in python_files() for line in complaints(path, text)]
    assert not found, "\n".join(found)


def test_modules_and_scripts_are_read():
    read = [path for path, _ in python_files()]
    assert {"tests/tree/test_python.py", "python/prefork/_boot.py", "tools/pythons"} <= set(read)
    assert "tools/build" not in read


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    return os.getpid()\n",
        "import os\n",
        "def f():\n    g()\n    a = 1\n",
        "def f():\n    pass\n\n\ndef f():\n    pass\n",
        "def f():\n    a += 1\n    return a\n",
        "import os  # noqa: E402\n",
    ],
)
def test_a_name_that_is_unknown_or_unused_is_caught(text):
    assert list(complaints("tools/pythons", text))


def test_an_import_for_its_effect_passes_when_it_says_so():
    assert not list(complaints("tests/a.py", "import os  # noqa: E402, F401\n"))
