"""A layer includes only what it may: one target a layer, and these lists say who sees what."""

import re

import pytest
from tree_source import ROOT, SHIPPED, sources, without_comments

INCLUDE = re.compile(r'^[ \t]*#[ \t]*(?:include|include_next|import)[ \t]*(?:<([^>]+)>|"([^"]+)")', re.MULTILINE)
HAS_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include\b", re.MULTILINE)
SYSTEM = re.compile(
    r"(?:sys|linux|netinet|arpa|asm|net)/\w+\.h|"
    r"(?:unistd|fcntl|fnmatch|glob|poll|errno|signal|time|sched|dirent|netdb|pthread|pwd|grp|dlfcn|spawn|termios|getopt|execinfo|limits|elf|"
    r"stdint|stddef|stdlib|stdio|string|strings|math|malloc|inttypes|ucontext|utime|link|libgen|syslog|mach-o/dyld)\.h"
)
STANDARD = re.compile(r"[a-z_0-9]+")  # <vector>: no dot, no slash

# layer -> folders of ours it may include, and foreign headers with the files that may include them.
LAYERS = {
    "shm/wire": (("shm/wire",), {}),
    "shm": (("shm",), {r"boost/.*": r"shm/region\.cpp", r"tests/model/atomic\.hpp": r"shm/atomic\.hpp"}),
    "worker": (("worker", "shm"), {}),
    "master": (
        ("master", "shm", "version.hpp"),
        {
            r"uv\.h|llhttp\.h|zlib\.h": r".*",
            r"CLI/.*": r"master/config\w*\.cpp",
        },
    ),
    "python/bridge": (("python/bridge", "worker", "shm", "version.hpp"), {r"Python\.h|structmember\.h": r".*"}),
}


def layer_of(path):
    return next(layer for layer in LAYERS if path.startswith(layer + "/"))


def resolve(path, name):
    """The file of ours that a quoted include means, relative to the root; it lies beside the includer or is named from the root."""
    beside = (ROOT / path).parent / name
    if beside.exists():
        return beside.resolve().relative_to(ROOT).as_posix()
    return name


def violations(path, text):
    layer = layer_of(path)
    ours, foreign = LAYERS[layer]
    code = without_comments(text)
    found = INCLUDE.findall(code)
    if len(found) != len(HAS_INCLUDE.findall(code)):
        yield f"{path}: an include that names no file in <> or quotes"
    for angled, quoted in found:
        name = angled or resolve(path, quoted)
        if STANDARD.fullmatch(name) or SYSTEM.fullmatch(name):
            continue
        if any(name == folder or name.startswith(folder + "/") for folder in ours):
            if not (layer == "shm" and name.startswith("shm/wire/")):
                continue
        if any(re.fullmatch(header, name) and re.fullmatch(files, path) for header, files in foreign.items()):
            continue
        yield f"{path}: {layer} may not include {name}"


def test_every_layer_includes_only_what_it_may():
    found = [line for path, text in sources(*SHIPPED) for line in violations(path, text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "path, include",
    [
        ("shm/ring.hpp", "<uv.h>"),
        ("shm/ring.hpp", "<Python.h>"),
        ("shm/ring.hpp", "<boost/interprocess/mapped_region.hpp>"),
        ("shm/ring.hpp", '"shm/wire/frame.hpp"'),
        ("shm/region.cpp", '"master/server.hpp"'),
        ("shm/wire/frame.hpp", '"shm/ring.hpp"'),
        ("shm/wire/frame.hpp", "<boost/endian.hpp>"),
        ("worker/inbox.hpp", "<uv.h>"),
        ("worker/inbox.cpp", "<Python.h>"),
        ("worker/inbox.cpp", '"master/config.hpp"'),
        ("worker/inbox.cpp", '"python/bridge/ref.hpp"'),
        ("master/server.cpp", "<Python.h>"),
        ("master/server.cpp", "<CLI/CLI.hpp>"),
        ("master/main.cpp", '"worker/application.hpp"'),
        ("master/http/connection.cpp", '"../../worker/application.hpp"'),
        ("python/bridge/main.cpp", "<uv.h>"),
        ("python/bridge/main.cpp", '"master/config.hpp"'),
        ("shm/ring.hpp", "PREFORK_HEADER"),
    ],
)
def test_a_forbidden_include_is_caught(path, include):
    text = f"#pragma once\n#include <vector>\n  #  include {include}  // why\n"
    assert len(list(violations(path, text))) == 1


@pytest.mark.parametrize(
    "path, include",
    [
        ("shm/region.cpp", "<boost/interprocess/mapped_region.hpp>"),
        ("shm/doorbell.cpp", "<sys/eventfd.h>"),
        ("shm/wire/frame.hpp", "<span>"),
        ("worker/inbox.hpp", '"shm/wire/frame.hpp"'),
        ("master/config.cpp", "<CLI/CLI.hpp>"),
        ("master/net/loop.hpp", "<uv.h>"),
        ("python/bridge/ref.hpp", "<Python.h>"),
    ],
)
def test_an_allowed_include_passes(path, include):
    assert not list(violations(path, f"#include {include}\n"))


def test_an_include_in_a_comment_does_not_count():
    assert not list(violations("shm/ring.hpp", "// #include <uv.h>\n/*\n#include <uv.h>\n*/\n"))
