"""Application, address, process and development: an effect for each setting."""

import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import sys
import time

from setting_cases import case, seen
from support.server import BUILD, free_port, until

OWN = 'def app(environ, start):\n    start("200 OK", [("Content-Type", "text/plain")])\n    return [NAME.encode()]\n'


def write_app(walk, name, text):
    """At once, as editors do: a server that watches must not see half a file."""
    (walk.path / f"{name}.new").write_text(f"NAME = {text!r}\n{OWN}")
    os.replace(walk.path / f"{name}.new", walk.path / f"{name}.py")


@case("wsgi_app")
def wsgi_app(walk):
    assert seen(walk.configured("wsgi_app = 'settings_app:wsgi'\n", app=""))["_name"] == "settings_app"


@case("builtin_app")
def builtin_app(walk):
    server = walk.serve("", "--app", "echo")
    assert server.get("/").body == b"Hello, World!"


@case("config")
def config(walk):
    assert walk.configured("header = ['X-From: the file']\n").get("/").headers["X-From"] == "the file"


@case("interface")
def interface(walk):
    assert "_loop" in seen(walk.serve("settings_app:undecorated", "--interface", "asgi"))


@case("factory")
def factory(walk):
    assert walk.serve("settings_app:factory", "--factory").get("/").headers["X-Shown"] == "yes"


@case("python")
def python(walk):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "env"], cwd=walk.path, check=True)
    packages = next(walk.path.glob("env/lib/python*/site-packages"))
    (packages / "of_the_environment.py").write_text("NAME = 'environment'\n" + OWN)
    assert walk.serve("of_the_environment:app", "--python", "env/bin/python").get("/").body == b"environment"


@case("chdir")
def chdir(walk):
    (walk.path / "there").mkdir()
    shown = seen(walk.wsgi("--chdir", "there"))
    assert shown["_cwd"] == shown["_path"][0] == str(walk.path / "there")


@case("pythonpath")
def pythonpath(walk):
    assert seen(walk.wsgi("--pythonpath", "/one,/two"))["_path"][:2] == ["/two", "/one"]


@case("raw_env")
def raw_env(walk):
    environment = seen(walk.wsgi("-e", "WALK_A=1", "--env", "WALK_B=2=3"))["_env"]
    assert (environment["WALK_A"], environment["WALK_B"]) == ("1", "2=3")


@case("env_file")
def env_file(walk):
    (walk.path / ".env").write_text("# comment\nexport WALK_A='two words'\n")
    assert seen(walk.wsgi("--env-file", ".env"))["_env"]["WALK_A"] == "two words"


@case("root_path")
def root_path(walk):
    shown = seen(walk.wsgi("--root-path", "/base", ready="/base/"), "/base/x")
    assert (shown["SCRIPT_NAME"], shown["PATH_INFO"]) == ("/base", "/x")


@case("preload_app")
def preload_app(walk):
    (walk.path / "counted.py").write_text("import os\nwith open('imports', 'a') as file:\n    print(os.getpid(), file=file)\nNAME = 'x'\n" + OWN)
    server = walk.serve("counted:app", "--chdir", walk.path, "--preload", workers=3)
    if "shares nothing yet" in server.log():
        server.expect("shares nothing yet")
    else:
        until(lambda: server.log().count("Booting worker") == 3, "three workers")
        assert len((walk.path / "imports").read_text().splitlines()) == 1


@case("bind")
def bind(walk):
    port = free_port()
    server = walk.wsgi("-b", f"127.0.0.1:{port}", "-b", f"unix:{walk.path}/s")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{walk.path}/s")
    server.port = port
    assert server.get("/").status == 200


@case("backlog")
def backlog(walk):
    walk.wsgi("--backlog", "1", bind=f"unix:{walk.path}/s")
    backlogs = subprocess.run(["ss", "-xlH"], capture_output=True, text=True, check=False) if os.access("/usr/bin/ss", os.X_OK) else None
    assert backlogs is None or any(str(walk.path) in line and line.split()[3] == "1" for line in backlogs.stdout.splitlines())


@case("reuse_port")
def reuse_port(walk):
    first = walk.wsgi("--reuse-port")
    second = walk.wsgi("--reuse-port", bind=first.bind, ready=None)
    second.logged("Serving with 1 worker")


@case("daemon")
def daemon(walk):
    port, pidfile = free_port(), walk.path / "pid"
    done = walk.run("-D", "-p", pidfile, "-b", f"127.0.0.1:{port}", "--error-logfile", walk.path / "error.log", walk.WSGI)
    assert done.returncode == 0
    pid = int(until(lambda: pidfile.exists() and pidfile.read_text().strip(), "the pid file"))
    try:
        assert os.getsid(pid) == pid or os.getsid(pid) != os.getsid(0)
        until(lambda: "Serving with 1 worker" in (walk.path / "error.log").read_text(), "the start")
    finally:
        os.kill(pid, signal.SIGTERM)
    until(lambda: not os.path.exists(f"/proc/{pid}"), "the end")
    assert not pidfile.exists()


@case("enable_stdio_inheritance")
def enable_stdio_inheritance(walk):
    port, pidfile = free_port(), walk.path / "pid"
    with open(walk.path / "inherited", "wb") as output:
        command = [BUILD / "prefork", "--no-control-socket", "-D", "-R", "-p", pidfile, "-b", f"127.0.0.1:{port}", walk.WSGI]
        subprocess.run(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=walk.path, check=True, timeout=60,
                       env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[1] / "apps")})
    pid = int(until(lambda: pidfile.exists() and pidfile.read_text().strip(), "the pid file"))
    try:
        until(lambda: "Serving with 1 worker" in (walk.path / "inherited").read_text(), "the log on the inherited output")
    finally:
        os.kill(pid, signal.SIGTERM)
    until(lambda: not os.path.exists(f"/proc/{pid}"), "the end")


@case("pidfile")
def pidfile(walk):
    server = walk.wsgi("-p", "pid")
    assert int((walk.path / "pid").read_text()) == server.pid


def needs_root():
    if os.getuid() != 0:
        import pytest

        pytest.skip("only root can become somebody else")


@case("user")
def user(walk):
    """A worker in C++: nobody need not be able to read this Python."""
    needs_root()
    server = walk.serve("", "--app", "echo", "-u", "nobody")
    assert re.search(r"^Uid:\t65534\t65534", pathlib.Path(f"/proc/{server.workers()[0]}/status").read_text(), re.MULTILINE)


@case("group", "initgroups")
def group(walk):
    needs_root()
    shown = seen(walk.wsgi("-u", "root", "-g", "daemon", "--initgroups"))
    assert shown["_gid"] == 1 and 1 in shown["_groups"]


@case("umask")
def umask(walk):
    path = walk.path / "s"
    walk.wsgi("-b", f"unix:{path}", "-m", "0117")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


@case("proc_name")
def proc_name(walk):
    server = walk.wsgi("-n", "shop")
    titles = [pathlib.Path(f"/proc/{pid}/cmdline").read_text() for pid in server.tree()]
    assert "master [shop]" in titles[0] and "worker [shop]" in titles[1]


@case("default_proc_name")
def default_proc_name(walk):
    server = walk.configured("default_proc_name = 'shop'\n")
    assert "worker [shop]" in pathlib.Path(f"/proc/{server.workers()[0]}/cmdline").read_text()


@case("control_socket", "control_socket_mode")
def control_socket(walk):
    path = walk.path / "ctl"
    server = walk.wsgi("--control-socket", path, "--control-socket-mode", "0640")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    status = subprocess.run([BUILD / "prefork", "status", path], capture_output=True, text=True, check=True).stdout
    assert str(server.pid) in status


@case("control_socket_disable")
def control_socket_disable(walk):
    server = walk.wsgi("--control-socket", walk.path / "ctl", "--no-control-socket")
    assert server.get("/").status == 200
    assert not (walk.path / "ctl").exists()


@case("check_config")
def check_config(walk):
    assert walk.run("--check-config", walk.WSGI).returncode == 0
    assert walk.run("--check-config", "settings_app:absent").returncode == 1


@case("print_config")
def print_config(walk):
    done = walk.run("--print-config", "-w", "7", walk.WSGI)
    assert done.returncode == 0 and "workers = 7" in done.stdout
    done = walk.run("--print-config", "-w", "7", "settings_app:absent")
    assert done.returncode == 1 and "workers = 7" in done.stdout and "absent" in done.stderr
    assert walk.run("--print-config=json", "settings_app:absent").returncode == 0


def changed(walk, *arguments, name="watched.py", folder=None):
    """Whether a server that watches serves anew after a file was written."""
    write_app(walk, "watched", "before")
    server = walk.serve("watched:app", "--chdir", walk.path, "--reload", *arguments)
    target = (folder or walk.path) / name
    target.parent.mkdir(exist_ok=True)
    before = server.log().count("Booting worker")

    def again():
        if target.name == "watched.py":
            write_app(walk, "watched", "after")
        else:
            target.write_text(str(time.monotonic_ns()))
        return server.log().count("Booting worker") > before

    until(again, f"a new worker after a change of {target}")
    until(lambda: "serves" in server.log(), "the end of the reload")
    return server


@case("reload", "reload_engine")
def reload(walk):
    server = changed(walk, "--reload-engine", "poll")
    until(lambda: server.get("/").body == b"after", "the changed application")


@case("reload_extra_files")
def reload_extra_files(walk):
    changed(walk, "--reload-extra-file", str(walk.path / "pages" / "*.html"), name="page.html", folder=walk.path / "pages")


@case("reload_dirs")
def reload_dirs(walk):
    (walk.path / "elsewhere").mkdir()
    changed(walk, "--reload-dir", walk.path / "elsewhere", name="other.py", folder=walk.path / "elsewhere")


@case("reload_includes")
def reload_includes(walk):
    changed(walk, "--reload-include", "*.toml", name="settings.toml")


@case("reload_excludes")
def reload_excludes(walk):
    write_app(walk, "watched", "before")
    server = walk.serve("watched:app", "--chdir", walk.path, "--reload", "--reload-exclude", "ignored*.py")
    (walk.path / "ignored_one.py").write_text("x = 1\n")
    assert "ignored_one.py" not in server.log()

    def again():
        write_app(walk, "watched", "after")
        return server.get("/").body == b"after"

    until(again, "the changed application")
    assert "ignored_one.py" not in server.log()
