"""Every command of the documentation does what the text says: a line of a sh block that starts a server must serve, any other must succeed."""

import os
import re
import shlex
import signal
import subprocess
import urllib.request

import pytest

from support.server import APPS, BUILD, PATIENCE, ROOT, free_port, until

DOCS = ["migrating-from-gunicorn.md", "migrating-from-uvicorn.md", "operations.md", "observability.md", "native.md"]
BLOCKS = [
    pytest.param(document, block, id=f"{document}-{number}")
    for document in DOCS
    for number, block in enumerate(re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / document).read_text(), re.DOTALL))
]


def serves(command):
    words = shlex.split(command)
    return words[0] == "prefork" and words[1] not in ("status", "reload", "stop") and not {"--check-config", "--print-config", "--version", "--help"} & {word.split("=")[0] for word in words}


def answers(process, port):
    assert process.poll() is None, "the server ended: " + process.args[-1]
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE).read() == b"shop\n"
    except OSError:
        return False


@pytest.mark.parametrize(("document", "block"), BLOCKS)
def test_the_commands_of_each_block_work(document, block, tmp_path):
    port, metrics, health = free_port(), free_port(), free_port()
    for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", (ROOT / "docs" / document).read_text(), re.DOTALL):
        (tmp_path / name).write_text(code)
    (tmp_path / "gunicorn.conf.py").write_text("workers = 2\ndef post_fork(server, worker):\n    server.log.info('worker %s', worker.pid)\n")
    environment = {**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}", "PYTHONPATH": str(APPS), "PYTHONDONTWRITEBYTECODE": "1",
                   "PREFORK_BIND": f"127.0.0.1:{port}", "XDG_RUNTIME_DIR": str(tmp_path)}
    servers = []
    try:
        for command in block.replace("\\\n", " ").splitlines():
            command = command.replace("8000", str(port)).replace("9091", str(metrics)).replace("9092", str(health))
            if serves(command):
                process = subprocess.Popen(["sh", "-c", "exec " + command], cwd=tmp_path, env=environment, start_new_session=True)
                servers.append(process)
                until(lambda process=process: answers(process, port), f"an answer of {command!r}")
            else:
                done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)
                assert done.returncode == 0, (command, done.stdout, done.stderr)
    finally:
        for process in servers:
            if process.poll() is None and "prefork stop" not in block:
                process.send_signal(signal.SIGTERM)
            try:
                status = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
            assert status == 0


def test_every_document_has_commands():
    assert {param.values[0] for param in BLOCKS} == set(DOCS)


README = (ROOT / "README.md").read_text()


def test_the_readme_names_what_is_there():
    for path in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / path).exists(), path
    for name in set(re.findall(r"\btools/(\w+)", README)):
        assert os.access(ROOT / "tools" / name, os.X_OK), name
    steps = re.findall(r"^step_(\w+)\(\)", (ROOT / "tools" / "check").read_text(), re.MULTILINE)
    assert set(re.findall(r"tools/check -k (\w+)", README)) <= set(steps)


def test_the_commands_of_the_readme_are_understood(tmp_path):
    (tmp_path / "example.py").write_text("def app(environ, start_response): pass\n")
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    commands = re.findall(r"^(?:tools/serve|.*&& prefork)\b(.*)$", lines, re.MULTILINE)
    assert len(commands) >= 3
    for words in commands:
        done = subprocess.run([BUILD / "prefork", "--check-config", *shlex.split(words, comments=True)], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stderr) == (0, ""), words
