"""Fixtures of all end-to-end tests: servers that are looked at for what they leave behind (support/server.py)."""

import pathlib
import resource
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from support.server import Server  # noqa: E402


def _factory(folder, servers):
    def start(app, *arguments, **options):
        servers.append(Server(app, *arguments, folder=folder, **options))
        return servers[-1]

    return start


def _check_all(servers):
    problems = []
    for server in servers:
        try:
            server.check()
        except AssertionError as problem:
            problems.append(str(problem))
    assert not problems, "\n".join(problems)


@pytest.fixture
def serve(tmp_path):
    """serve(app, *arguments, workers=1, env=…, cwd=…, bind=…): a server of the test's own."""
    servers = []
    yield _factory(tmp_path, servers)
    _check_all(servers)


@pytest.fixture(scope="module")
def serve_module(tmp_path_factory):
    """The same for the tests of a whole module: use it in a module's own fixture."""
    servers = []
    yield _factory(tmp_path_factory.mktemp("server"), servers)
    _check_all(servers)


@pytest.fixture
def many_descriptors():
    """As many as this process may have, for crowds of clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
