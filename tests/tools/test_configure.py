"""CMake on machines that have a part of what the tests need: the server is configured all the same."""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PREFORK_BUILD", ROOT / "build/release"))
GTEST = "add_library(GTest::gtest INTERFACE IMPORTED)\nadd_library(GTest::gtest_main INTERFACE IMPORTED)\n"


def configure(folder, config):
    """CMake over this tree, with a GoogleTest that has what `config` says; no network is needed for llhttp."""
    (folder / "gtest").mkdir()
    (folder / "gtest/GTestConfig.cmake").write_text(config)
    unpacked = [header.parents[1] for header in BUILD.glob("llhttp/*/vendor/llhttp/include/llhttp.h")]
    llhttp = [f"-DPREFORK_LLHTTP_SOURCE={unpacked[0]}"] if unpacked else []  # else a system library, found as for the build
    return subprocess.run(
        [shutil.which("cmake"), "-S", ROOT, "-B", folder / "build", "-G", "Ninja", f"-DGTest_DIR={folder / 'gtest'}", *llhttp],
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("config", ["set(GTest_FOUND FALSE)\n", GTEST], ids=["no GoogleTest", "GoogleTest without GoogleMock"])
def test_the_server_is_configured_without_what_only_its_tests_need(tmp_path, config):
    done = configure(tmp_path, config)
    assert done.returncode == 0, done.stderr
    assert "GoogleMock not found: no tests" in done.stdout
    assert (tmp_path / "build/build.ninja").exists()
