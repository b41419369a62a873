"""`python -m prefork …` and the `prefork` script: become the native executable."""

import os
import pathlib
import sys

PACKAGE = pathlib.Path(__file__).resolve().parent


def executable():
    """The installed executable, or the one that was built in the source tree that this file lies in."""
    candidates = [PACKAGE / "bin" / "prefork", PACKAGE.parent.parent / "build" / "release" / "prefork"]
    if "PREFORK_EXECUTABLE" in os.environ:
        candidates.insert(0, pathlib.Path(os.environ["PREFORK_EXECUTABLE"]))
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return str(candidate)
    sys.exit("prefork: no executable in " + ", ".join(map(str, candidates)) + "; build it with tools/build")


def restore_python_path():
    """What runs a program under its own sitecustomize (opentelemetry-instrument) takes that out of PYTHONPATH once it is imported, for the
    program's children; here it was imported for nothing, and the program is still to come."""
    try:
        variables = pathlib.Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return
    for variable in variables:
        if variable.startswith(b"PYTHONPATH="):
            os.environb[b"PYTHONPATH"] = variable[len(b"PYTHONPATH=") :]


def main():
    path = executable()
    restore_python_path()
    if sys.prefix != sys.base_prefix:
        # The workers use the environment whose script was called, whether or not it is the one that the shell has activated.
        os.environ["VIRTUAL_ENV"] = sys.prefix
    os.execv(path, [path, *sys.argv[1:]])


if __name__ == "__main__":
    main()
