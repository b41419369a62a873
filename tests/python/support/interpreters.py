"""The interpreters of this machine (tools/pythons), environments of them, and which of them the build under test has a worker for."""

import json
import os
import pathlib
import subprocess
import sys

from support.server import BUILD, ROOT, SANITIZED

ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
ABOUT = (
    "import importlib.machinery as m, json, sys; print(json.dumps({'suffixes': m.EXTENSION_SUFFIXES, 'version': '%d.%d' % sys.version_info[:2],"
    "'told': [sys.executable, sys.prefix, sys.base_prefix, sys.version, [p for p in sys.path if p.endswith('-packages')]]}))"
)


def interpreters():
    ran = subprocess.run([sys.executable, str(ROOT / "tools" / "pythons")], capture_output=True, text=True, check=True)
    return ran.stdout.split()


def about(python):
    """What an interpreter says of itself: its version, what its extension modules are called, and what `told` lists."""
    return json.loads(subprocess.run([python, "-c", ABOUT], capture_output=True, text=True, check=True, env=ENVIRONMENT).stdout)


def has_worker(python):
    """Whether the build has one: embedded, or as an extension module that this interpreter loads."""
    if os.path.realpath(python) == os.path.realpath(pathlib.Path(BUILD, "python3.txt").read_text().strip()):
        return True
    # A sanitizer's runtime comes first in its process, which another interpreter's executable does not have.
    return not SANITIZED and any(_host(suffix).exists() for suffix in about(python)["suffixes"])


def has_worker_of_its_own(python):
    """As has_worker(), but built for just this interpreter: Debian's debug build also loads modules of the ordinary one, which do not
    count references."""
    return _host(about(python)["suffixes"][0]).exists()


def _host(suffix):
    return pathlib.Path(BUILD, "hosts", "_prefork_worker" + suffix)


def make_environment(python, folder, *options):
    """The python of a new virtual environment."""
    subprocess.run([python, "-m", "venv", "--without-pip", *options, str(folder)], check=True, env=ENVIRONMENT)
    return str(folder / "bin" / "python")
