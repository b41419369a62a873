"""CMake on machines that have a part of what the tests need: the server is configured all the same."""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PREFORK_BUILD", ROOT / "build/release"))
GTEST = "add_library(GTest::gtest INTERFACE IMPORTED)\nadd_library(GTest::gtest_main INTERFACE IMPORTED)\n"


def configure(folder, *options):
    """CMake over this tree; no network is needed for llhttp."""
    unpacked = [header.parents[1] for header in BUILD.glob("llhttp/*/vendor/llhttp/include/llhttp.h")]
    llhttp = [f"-DPREFORK_LLHTTP_SOURCE={unpacked[0]}"] if unpacked else []  # else a system library, found as for the build
    return subprocess.run(
        [shutil.which("cmake"), "-S", ROOT, "-B", folder / "build", "-G", "Ninja", *options, *llhttp],
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("option", ["-DCMAKE_DISABLE_FIND_PACKAGE_GTest=ON", "-DGTest_DIR={}"], ids=["no GoogleTest", "GoogleTest without GoogleMock"])
def test_the_server_is_configured_without_what_only_its_tests_need(tmp_path, option):
    (tmp_path / "GTestConfig.cmake").write_text(GTEST)
    done = configure(tmp_path, option.format(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "GoogleMock not found: no tests" in done.stdout
    assert (tmp_path / "build/build.ninja").exists()
