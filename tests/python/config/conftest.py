import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from prefork_config import Folder  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)
