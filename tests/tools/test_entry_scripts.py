"""The entry scripts on machines that lack something: copied into an empty tree, with a PATH that holds only what a test puts there."""

import os
import pathlib
import re
import shutil
import stat
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = ("serve", "build", "test", "check", "bench")
# What every Debian has (Priority: required), and so what the scripts may use before they have installed anything.
BASE = "bash sh env cat sed grep awk sort tail dirname basename mkdir rm id nproc cksum touch chmod printf cp".split()


class Machine:
    """A tree with the scripts, a PATH of shims, and a log of what the shims were called with."""

    def __init__(self, folder):
        # A checkout may lie in a folder with a space in its name.
        self.tree, self.bin, self.log = folder / "a tree", folder / "bin", folder / "calls"
        self.installed = folder / "installed"  # one package a line
        shutil.copytree(ROOT / "tools", self.tree / "tools")
        self.bin.mkdir()
        self.log.touch()
        self.installed.touch()
        for name in BASE:
            (self.bin / name).symlink_to(shutil.which(name))

    def command(self, name, script):
        path = self.bin / name
        path.unlink(missing_ok=True)  # a shim over one of BASE replaces the link, never what it points to
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>"{self.log}"\n{script}\n')
        path.chmod(0o755)

    def debian(self, uid, sudo=None):
        self.command("id", f"echo {uid}")
        self.command(
            "dpkg-query",
            f'for name in "${{@:3}}"; do grep -qx -- "$name" "{self.installed}" && printf "installed:%s " "$name"; done; exit 0',
        )
        self.command("apt-get", f'[ "$1" != install ] || printf "%s\\n" "${{@:2}}" >>"{self.installed}"')
        if sudo is not None:
            self.command("sudo", f'[ "$1" = -n ] && shift; {"exit 1" if sudo == "password" else chr(34) + "$@" + chr(34)}')
        return self

    def compilers(self):
        """A cmake that makes a build folder and a ninja that makes executables which print their arguments."""
        folder = self.tree / "build/release"
        self.command("cmake", f'mkdir -p "{folder}" && touch "{folder}/build.ninja"')
        self.command("ninja", f"printf '#!/bin/bash\\necho \"served: $*\"\\n' >\"{folder}/prefork\" && chmod +x \"{folder}/prefork\"")
        return self

    def install_all(self):
        self.installed.write_text("\n".join(package for _, package in listed()) + "\n")
        return self

    def run(self, script, *arguments, by=(), **environment):
        return subprocess.run(
            [*by, str(self.tree / "tools" / script), *arguments],
            env={"PATH": str(self.bin), "HOME": "/nonexistent", **environment},
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )

    def calls(self, name):
        return [line for line in self.log.read_text().splitlines() if line.split()[0] == name]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def listed(*purposes):
    rows = [line.split() for line in (ROOT / "tools/packages/debian.txt").read_text().splitlines()]
    rows = [(row[0], row[1]) for row in rows if row and not row[0].startswith("#")]
    return [row for row in rows if not purposes or row[0] in purposes]


def packages(*purposes):
    return [package for _, package in listed(*purposes)]


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_explains_the_script_and_touches_nothing(machine, script):
    done = machine.debian(uid=1000).run(script, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"tools/{script} ") and len(done.stdout.splitlines()) > 4
    assert not (machine.tree / "build").exists()
    assert not machine.calls("apt-get") and not machine.calls("dpkg-query")


@pytest.mark.parametrize("script", ("build", "test", "check"))
def test_an_unknown_option_is_refused_before_anything_happens(machine, script):
    done = machine.debian(uid=0).run(script, "--no-such-option")
    assert done.returncode == 1 and "--no-such-option" in done.stderr and "--help" in done.stderr
    assert not machine.calls("apt-get")


@pytest.mark.parametrize(
    "script, purposes",
    [("serve", ("build",)), ("build", ("build",)), ("test", ("build", "test")), ("check", ("build", "test", "check", "bench")),
     ("bench", ("build", "test", "bench"))],
)
@pytest.mark.parametrize("sudo", [None, "password"])
def test_without_root_it_stops_with_the_one_command(machine, script, purposes, sudo):
    done = machine.debian(uid=1000, sudo=sudo).run(script)
    assert done.returncode == 1 and done.stdout == ""
    (command,) = re.findall(r"^    (\w.*)$", done.stderr, re.MULTILINE)
    wanted = packages(*purposes)
    assert command.startswith(f"{'sudo sh' if sudo else 'su root'} -c 'apt-get update && ") and command.endswith("'")
    assert command.rstrip("'").split()[-len(wanted) :] == wanted
    assert not machine.calls("apt-get")


@pytest.mark.parametrize("uid, sudo", [(0, None), (1000, "free")])
def test_with_root_or_sudo_it_installs_builds_and_serves(machine, uid, sudo):
    machine.debian(uid, sudo).compilers()
    done = machine.run("serve", "-w", "2", "app:app")
    assert (done.returncode, done.stdout) == (0, "served: -w 2 app:app\n"), done.stderr
    update, install = machine.calls("apt-get")
    assert update == "apt-get update"
    # cmake and ninja are there, so that their packages are not asked for.
    assert install.split()[-1:] == packages("build")[-1:] and "libuv1-dev" in install.split()
    assert "cmake" not in install.split() and "ninja-build" not in install.split()


def test_a_second_start_neither_installs_nor_configures_nor_says_anything(machine):
    machine.debian(uid=0).compilers()
    machine.run("serve")
    machine.log.write_text("")
    done = machine.run("serve", "-w", "1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "served: -w 1\n", "")
    assert not machine.calls("apt-get") and not machine.calls("cmake")
    assert len(machine.calls("dpkg-query")) == 1 and len(machine.calls("ninja")) == 1


def test_a_purpose_that_was_not_configured_for_is_configured_once(machine):
    machine.debian(uid=0).install_all().compilers()
    machine.run("build")
    machine.run("build", "release", "all")
    machine.run("build", "release", "all")
    machine.run("build")
    assert len(machine.calls("cmake")) == 2


def test_a_tree_that_was_moved_is_configured_anew(machine):
    machine.debian(uid=0).install_all().compilers()
    folder = machine.tree / "build/release"
    folder.mkdir(parents=True)
    cmake = machine.bin / "cmake"
    cmake.write_text(cmake.read_text() + f'echo "CMAKE_HOME_DIRECTORY:INTERNAL={machine.tree}" >"{folder}/CMakeCache.txt"\n')
    machine.run("build")
    (folder / "old.o").touch()
    machine.run("build")
    assert (folder / "old.o").exists() and len(machine.calls("cmake")) == 1
    (folder / "CMakeCache.txt").write_text("CMAKE_HOME_DIRECTORY:INTERNAL=/where/it/was\n")
    done = machine.run("build")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert not (folder / "old.o").exists() and len(machine.calls("cmake")) == 2


@pytest.mark.parametrize("script", SCRIPTS)
def test_started_by_another_shell_it_goes_on_in_bash(machine, script):
    by_itself = machine.run(script, "--help")
    done = machine.run(script, "--help", by=["sh"])
    assert (done.returncode, done.stdout, done.stderr) == (0, by_itself.stdout, "")


def test_a_failed_installation_shows_what_apt_said(machine):
    machine.debian(uid=0).command("apt-get", "echo 'E: no such mirror'; exit 100")
    done = machine.run("serve")
    assert done.returncode == 1 and "E: no such mirror" in done.stderr and not machine.calls("cmake")


def test_a_failed_configuration_is_shown_and_tried_again(machine):
    machine.debian(uid=0).install_all().command("cmake", "echo 'CMake Error: no llhttp'; exit 1")
    for _ in range(2):
        done = machine.run("build")
        assert done.returncode == 1 and "CMake Error: no llhttp" in done.stderr
    assert len(machine.calls("cmake")) == 2


def test_a_failed_build_is_shown_and_not_served(machine):
    machine.debian(uid=0).install_all().compilers()
    machine.run("build")
    machine.command("ninja", "echo 'server.cpp:1:1: error: expected declaration'; exit 1")
    done = machine.run("serve")
    assert done.returncode == 1 and "error: expected declaration" in done.stderr and done.stdout == ""


def test_installing_can_be_turned_off(machine):
    done = machine.debian(uid=0).compilers().run("serve", PREFORK_INSTALL="no")
    assert (done.returncode, done.stdout) == (0, "served: \n") and not machine.calls("apt-get")


def test_where_there_is_no_apt_it_names_the_missing_commands(machine):
    done = machine.run("serve")
    assert done.returncode == 1 and "cmake ninja pkg-config" in done.stderr and "README.md" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_real_user_without_rights_is_told_what_to_run(machine, tmp_path):
    machine.debian(uid=0)
    machine.command("id", 'exec /usr/bin/id "$@"')
    for path in [tmp_path, *tmp_path.parents[:-2]]:
        path.chmod(path.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    machine.log.chmod(0o666)
    done = subprocess.run(
        [str(machine.tree / "tools/serve")], env={"PATH": str(machine.bin)}, user=65534, group=65534, extra_groups=[],
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 1 and " -c 'apt-get update && " in done.stderr and not machine.calls("apt-get")


# What CMake looks for -> the package that has it.
FOUND_IN = {
    "Threads": None, "PkgConfig": "pkg-config", "Boost": "libboost-dev", "ZLIB": "zlib1g-dev", "CLI11": "libcli11-dev",
    "Python3": "python3-dev", "GTest": "libgtest-dev", "benchmark": "libbenchmark-dev", "OpenSSL": "libssl-dev",
    "libuv": "libuv1-dev", "libllhttp": None, "libwslay": "libwslay-dev", "libnghttp2": "libnghttp2-dev",
}


def looked_for(text):
    for name in re.findall(r"^\s*find_package\((\w+)", text, re.MULTILINE):
        yield name
    for call in re.findall(r"^\s*pkg_(?:check|search)_modules?\(\w+\s+([^)]*)\)", text, re.MULTILINE):
        for word in call.split():
            if not re.fullmatch(r"[A-Z_]+|\$\{.*", word):
                yield re.split("[<>=]", word)[0]


def test_every_library_that_cmake_looks_for_has_its_package():
    folders = ("tests", "benchmarks", "tools/cmake", "master", "worker", "shm", "python")
    files = [ROOT / "CMakeLists.txt"]
    files += [path for folder in folders for glob in ("CMakeLists.txt", "*.cmake") for path in (ROOT / folder).rglob(glob)]
    names = {name for file in files for name in looked_for(file.read_text())}
    assert {"Boost", "libuv", "Python3", "GTest"} <= names
    absent = {name: FOUND_IN.get(name, "?") for name in names if FOUND_IN.get(name, "?") not in [None, *packages()]}
    assert not absent, f"not in tools/packages/debian.txt: {absent}"


def test_what_cmake_looks_for_is_read_from_its_files():
    text = "find_package(ZLIB REQUIRED)\n  pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv>=1.44 libnghttp2)\n# find_package(No)\n"
    assert list(looked_for(text)) == ["ZLIB", "libuv", "libnghttp2"]
