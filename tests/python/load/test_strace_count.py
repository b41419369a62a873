"""System calls are counted as often as they are made: prefork-floor makes one read and one write for a request."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess

import pytest
from support.load_generator import program
from support.strace_count import calls_per_request, parse


def test_a_table_is_read_with_and_without_errors():
    table = """    calls    errors syscall
--------- --------- ----------------
     2001           recvfrom
       12         3 epoll_ctl
        1           write
--------- --------- ----------------
     2014         3 total
"""
    assert parse(table) == {"recvfrom": 2001, "epoll_ctl": 12, "write": 1}


@pytest.fixture
def floor():
    path = pathlib.Path(program()).with_name("prefork-floor")
    if not path.exists():
        pytest.skip("built without benchmarks")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([path, str(port)])
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            break
    yield process.pid, f"http://127.0.0.1:{port}/"
    process.kill()
    process.wait()


@pytest.mark.skipif(shutil.which("strace") is None or os.geteuid() != 0, reason="needs strace and the right to attach")
def test_one_read_and_one_write_for_a_request(floor):
    pid, url = floor
    calls = calls_per_request(pid, url, requests=1000)
    # The connection's set-up and its end are in the count: a few calls in a thousand requests.
    assert calls["recvfrom"] == pytest.approx(1, abs=0.01)
    assert calls["sendto"] == pytest.approx(1, abs=0.01)
