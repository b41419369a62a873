"""Loads an application as a worker does and exits: 0, or 1 with what is wrong. --check-config runs it.

    python _check.py DIRECTORY LAUNCH_DIRECTORY PYTHONPATH APP FACTORY
"""

import sys

if __name__ == "__main__":
    sys.path[0] = sys.argv[1]

import os
import traceback

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _main(directory, launched, pythonpath, app, factory):
    sys.path.insert(0, _PACKAGE)
    from prefork import _boot

    del sys.path[0]
    if launched not in ("", directory):
        sys.path.insert(1, launched)
    sys.path[:0] = [os.path.join(directory, folder) for folder in reversed(pythonpath.split(",")) if folder]
    sys.argv = ["prefork", app]
    try:
        _boot.load_application(app, factory == "1")
    except _boot.AppImportError as error:
        print(f"prefork: {error}", file=sys.stderr)
        return 1
    except BaseException:  # also sys.exit() in the application
        traceback.print_exc()
        print(f"prefork: {app} cannot be loaded", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    status = _main(*sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # not waiting for threads that the application may have started
