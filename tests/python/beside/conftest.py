import importlib.util
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from peers import Peer  # noqa: E402


def pytest_collection_modifyitems(items):
    if importlib.util.find_spec("gunicorn") is None:
        for item in items:
            if pathlib.Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="gunicorn is not installed"))


@pytest.fixture
def one(tmp_path):
    """one(name, *arguments, files={name: text}, env=…): gunicorn or prefork with this command line."""
    peers = []

    def start(name, *arguments, **options):
        folder = tmp_path / f"{name}-{len(peers)}"
        folder.mkdir()
        peers.append(Peer(name, folder, arguments, **options))
        return peers[-1]

    yield start
    for peer in peers:
        peer.end()


@pytest.fixture
def both(one):
    """both(*arguments, …): the same command line started with gunicorn and with prefork; a pair."""
    return lambda *arguments, **options: [one(name, *arguments, **options) for name in ("gunicorn", "prefork")]
