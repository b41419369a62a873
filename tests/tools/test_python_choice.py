"""Which interpreter the build embeds: the one asked for, the first on PATH, or the system's when that one cannot be embedded."""

import pathlib
import shutil
import subprocess
import sys
import sysconfig

import pytest

CMAKE = pathlib.Path(__file__).resolve().parents[2] / "tools/cmake"
ANSWER = ["/opt/py/bin/python3", "3.12", "/opt/py/include/python3.12", "/opt/py/lib/libpython3.12.so"]


def python(path, *answer, why=""):
    """A program that answers like embeddable.py run by some interpreter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"echo '{line}'\n" for line in answer)
    path.write_text(f"#!/bin/sh\n{lines}" + (f"echo '{why}' >&2\nexit 1\n" if why else ""))
    path.chmod(0o755)
    return path


def choose(tmp_path, first, system, asked=None):
    script = tmp_path / "choose.cmake"
    script.write_text(
        f"include({CMAKE}/ChoosePython.cmake)\nset(PREFORK_SYSTEM_PYTHON {system})\n"
        + (f"set(PREFORK_PYTHON {asked})\n" if asked else "")
        + 'prefork_choose_python(found)\nmessage(NOTICE "found ${found}")\n'
    )
    return subprocess.run(
        [shutil.which("cmake"), "-P", script], env={"PATH": f"{first.parent}:/usr/bin:/bin"}, capture_output=True, text=True, timeout=60
    )


def test_the_first_on_path_is_embedded(tmp_path):
    first, system = python(tmp_path / "a/python3", *ANSWER), python(tmp_path / "b/python3", why="not asked")
    done = choose(tmp_path, first, system)
    assert done.returncode == 0 and done.stderr == f"found {';'.join(ANSWER)}\n"


def test_the_system_one_stands_in_for_one_without_libpython_and_it_is_said(tmp_path):
    first, system = python(tmp_path / "a/python3", why="no libpython"), python(tmp_path / "b/python3", *ANSWER)
    done = choose(tmp_path, first, system)
    assert done.returncode == 0 and f"found {ANSWER[0]};" in done.stderr
    assert f"{first}: no libpython; embedding {system}" in done.stderr


def test_one_that_is_too_old_is_passed_over(tmp_path):
    first, system = python(tmp_path / "a/python3", ANSWER[0], "3.8", *ANSWER[2:]), python(tmp_path / "b/python3", *ANSWER)
    done = choose(tmp_path, first, system)
    assert done.returncode == 0 and "it is 3.8, and prefork needs 3.9" in done.stderr and f"found {ANSWER[0]};3.12;" in done.stderr


def test_nothing_stands_in_for_the_one_that_was_asked_for(tmp_path):
    asked, system = python(tmp_path / "c/python3", why="no libpython"), python(tmp_path / "b/python3", *ANSWER)
    done = choose(tmp_path, python(tmp_path / "a/python3", *ANSWER), system, asked)
    assert done.returncode != 0 and f"{asked}: no libpython" in " ".join(done.stderr.split())


def test_with_none_it_says_what_to_install(tmp_path):
    first, system = python(tmp_path / "a/python3", why="no libpython"), python(tmp_path / "b/python3", why="no Python.h in /x")
    done = choose(tmp_path, first, system)
    assert done.returncode != 0
    assert all(text in " ".join(done.stderr.split()) for text in ("no libpython", "no Python.h", "python3-dev", "PREFORK_PYTHON"))


def test_what_is_said_of_this_interpreter_exists():
    done = subprocess.run([sys.executable, CMAKE / "embeddable.py"], capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.skip(done.stderr)
    program, version, include, library = done.stdout.splitlines()
    assert version == sysconfig.get_python_version()
    assert pathlib.Path(include, "Python.h").exists() and pathlib.Path(library).exists()
    same = subprocess.run([program, "-c", "import sys; print(sys.prefix == sys.base_prefix)"], capture_output=True, text=True)
    assert same.stdout == "True\n"
