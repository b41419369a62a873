"""Started where nobody meant it: descriptors closed, the directory gone, a full disk behind the standard output, bytes that command a terminal."""

import os
import shlex
import socket
import subprocess
import sys

import pytest

from support.server import APPS, BUILD, PATIENCE, ROOT, free_port, until

PREFORK = str(BUILD / "prefork")


def shell(command, folder, env=None):
    environment = {**os.environ, "PYTHONPATH": str(APPS), "HOME": str(folder), **(env or {})}
    return subprocess.run(["bash", "-c", command.replace("prefork", shlex.quote(PREFORK))], cwd=folder, env=environment, capture_output=True, timeout=120, check=False)


def test_output_that_cannot_be_written_is_an_error(tmp_path):
    for arguments in ("--help", "--version", "--print-config", "--print-config=json"):
        done = shell(f"prefork {arguments} >/dev/full", tmp_path)
        assert (done.returncode, done.stderr) == (1, b"prefork: cannot write to the standard output: No space left on device\n")


def test_a_reader_that_goes_is_none(tmp_path):
    assert shell("prefork --help | head -1", tmp_path).stdout == b"Usage: prefork [OPTIONS] [APP]\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors(tmp_path, closed):
    assert shell(f"prefork --check-config dropin_app:app {closed}", tmp_path).returncode == 0
    assert shell(f"prefork --nope {closed}", tmp_path).returncode == 2
    port = free_port()
    process = subprocess.Popen(["bash", "-c", f"exec {shlex.quote(PREFORK)} -b 127.0.0.1:{port} --no-control-socket dropin_app:app {closed}"], cwd=tmp_path,
                               env={**os.environ, "PYTHONPATH": str(APPS)}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def answer():
            assert process.poll() is None
            try:
                with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
                    client.sendall(b"GET /print HTTP/1.0\r\n\r\n")
                    return client.recv(15)
            except OSError:
                return b""

        assert until(answer, "an answer") == b"HTTP/1.1 200 OK"
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_a_directory_that_is_gone(tmp_path):
    gone = tmp_path / "gone"
    enter = f"mkdir {gone}; cd {gone}; rmdir {gone}; "
    assert shell(enter + "prefork --version", tmp_path).returncode == 0
    done = shell(enter + "prefork --check-config dropin_app:app", tmp_path)
    assert (done.returncode, done.stderr) == (1, b"prefork: the current directory is not there any more; --chdir names another by its absolute path\n")
    (tmp_path / "conf.py").write_text("workers = 2\n")
    assert shell(enter + f"prefork --check-config --chdir {tmp_path} -c {tmp_path}/conf.py dropin_app:app", tmp_path).returncode == 0


def test_bytes_that_command_a_terminal_are_shown_by_number(tmp_path):
    for word in ("$'--n\\e[31mope'", "-w $'\\e[31m'", "-k $'\\e[31m'", "$'\\e[31m.py'"):
        done = shell(f"prefork {word}", tmp_path)
        assert done.returncode == 2
        assert b"\x1b" not in done.stderr and b"\\x1b[31m" in done.stderr


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"LC_ALL": "xx_YY.bogus"}, {"LANG": ""}])
def test_any_locale_will_do(tmp_path, variables):
    assert shell("prefork --check-config dropin_app:app", tmp_path, variables).returncode == 0
    assert b"proc_name = '\xc3\xa9'" in shell("prefork --name $'\\xc3\\xa9' --print-config", tmp_path, variables).stdout


def test_an_empty_environment(tmp_path):
    assert shell(f"cd {APPS}; env -i prefork --check-config dropin_app:app", tmp_path).returncode == 0


def test_the_package_starts_the_executable(tmp_path):
    done = subprocess.run([sys.executable, "-m", "prefork", "--work", "3"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT / "python")}, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.startswith("prefork: ambiguous option: --work could match --workers, ")) == (2, True)


def test_the_package_leaves_the_python_path_to_the_workers(tmp_path):
    """opentelemetry-instrument's sitecustomize takes its folder out of PYTHONPATH in the first Python that runs, which is not a worker."""
    (tmp_path / "sitecustomize.py").write_text("import os\nos.environ.pop('PYTHONPATH')\n")
    (tmp_path / "only_there.py").write_text("app = print\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT / "python")])
    done = subprocess.run([sys.executable, "-m", "prefork", "--check-config", "only_there:app"], cwd="/", env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("arguments", "said"), [
    ("-c /tmp", "'/tmp' given for the configuration file"), ("-c file:", "'file:' given for the configuration file"), ("-c python:", "'python:' given for the configuration file"),
    ("../app:app", "did you mean 'app:app' with --chdir ..?"), ("/srv/shop/app.py", "did you mean 'app:application' with --chdir /srv/shop?"),
    ("-p /nonexistent/x", "writing the pid file /nonexistent/x: No such file"), ("--error-logfile /nonexistent/x", "cannot open the log file /nonexistent/x: No such file"),
    ("--access-logfile /nonexistent/x", "cannot open the log file /nonexistent/x: No such file"), ("-b nosuch.invalid:80", "cannot listen at nosuch.invalid:80: "),
    ("-b [fe80::1%nosuch]:80", "cannot listen at [fe80::1%nosuch]:80: "), ("-b unix:/nonexistent/s", "cannot listen at unix:/nonexistent/s: No such file"),
    ("-b unix:/" + "x" * 200, "given; allowed: HOST"), ("-b fd://77", "descriptor 77 "),
])
def test_one_line_says_what_is_wrong(tmp_path, arguments, said):
    application = "" if "app" in arguments else "dropin_app:app"
    done = shell(f"prefork -b 127.0.0.1:0 --no-control-socket {arguments} {application}", tmp_path)
    assert done.returncode in (1, 2)
    line = done.stderr.decode().splitlines()[-1]
    assert line.startswith("prefork: ") and said in line


@pytest.mark.parametrize(("application", "said"), [("dropin_app.app", "did you mean 'dropin_app:app'?"), ("dropin_app.nothing", "'dropin_app' is not a package\n")])
def test_a_dot_for_a_colon_is_noticed(tmp_path, application, said):
    done = shell(f"prefork --check-config {application}", tmp_path)
    assert done.returncode == 1 and said in done.stderr.decode()


def test_a_package_in_src_is_noticed(tmp_path):
    (tmp_path / "src" / "placed").mkdir(parents=True)
    (tmp_path / "src" / "placed" / "__init__.py").write_text("app = print\n")
    done = shell("prefork --check-config placed:app", tmp_path)
    assert done.returncode == 1 and "No module named 'placed'; it lies in src: --pythonpath src finds it there\n" in done.stderr.decode()
    assert shell("prefork --check-config --pythonpath src placed:app", tmp_path).returncode == 0
    assert "did you mean 'src.placed:app'?" in shell("prefork --check-config src/placed/__init__.py:app", tmp_path).stderr.decode()
