"""Files stay short, and nothing is left for later in them."""

import re

import pytest
from tree_source import ROOT, SHIPPED, sources

LONGEST = 500
LATER = re.compile(r"\b(?:TODO|FIXME)\b")
ALL = (*SHIPPED, "tests", "benchmarks", "tools", "python")


def too_long(path, text):
    lines = text.count("\n")
    return [f"{path}: {lines} lines, the most is {LONGEST}"] if lines > LONGEST else []


def left_for_later(path, text):
    return [f"{path}:{n}: {line.strip()}" for n, line in enumerate(text.split("\n"), 1) if LATER.search(line)]


@pytest.mark.parametrize("check, folders", [(too_long, SHIPPED), (left_for_later, ALL)])
def test_files_keep_to_the_rules(check, folders):
    found = [line for path, text in sources(*folders) for line in check(path, text)]
    assert not found, "\n".join(found)


def test_a_long_file_is_caught():
    assert too_long("shm/ring.hpp", "\n" * (LONGEST + 1))
    assert not too_long("shm/ring.hpp", "\n" * LONGEST)


def test_a_note_for_later_is_caught():
    assert left_for_later("shm/ring.cpp", "int a;  // " + "TO" + "DO: b\n")
    assert left_for_later("shm/ring.cpp", "/* " + "FIX" + "ME */\n")
    assert not left_for_later("shm/ring.cpp", "int autodoc;\n")


def test_files_of_python_tests_have_names_of_their_own():
    """pytest imports them by name, without their folder."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert not sorted({name for name in names if names.count(name) > 1})
