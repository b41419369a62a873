"""Runs many command lines through gunicorn's --check-config: imported once, a fork for each line.

    python gunicorn_checks.py <LINES >RESULTS     JSON: [[word, …], …] and [[exit status, standard error], …]; works in the current directory
"""

import json
import os
import sys
import tempfile

from gunicorn.app import wsgiapp


def status_of(words):
    sys.argv = ["gunicorn", *words]
    try:
        wsgiapp.run(prog="gunicorn")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def check(words):
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            status = status_of(words)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        return status, said.read().decode(errors="replace")


if __name__ == "__main__":
    print(json.dumps([check(words) for words in json.load(sys.stdin)]))
