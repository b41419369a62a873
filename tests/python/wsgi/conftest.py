import itertools
import os
import sys

import pytest
from support.server import APPS

sys.path.insert(0, str(APPS))  # the tables of the applications name the tests' cases


@pytest.fixture(scope="module")
def server(serve_module):
    """One worker with tests/python/apps/wsgi_apps.py, for the tests of a module that leave it as it was."""
    return serve_module("wsgi_apps:app")


@pytest.fixture
def token(counter=itertools.count()):
    """Names the files through which a test and an application talk."""
    return f"{os.getpid()}-{next(counter)}"


@pytest.fixture
def notes(server, token):
    """What the application noted under the token: call it."""
    def read():
        try:
            return (server.folder / f"note-{token}").read_text().splitlines()
        except FileNotFoundError:
            return []

    return read


@pytest.fixture
def go(server, token):
    """Lets an application go on that waits for the token: call it."""
    return (server.folder / f"go-{token}").touch
