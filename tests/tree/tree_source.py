"""The C++ sources of the tree, and their text with comments or literals blanked out, for the checks beside this file."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHIPPED = ("shm", "master", "worker", "python/bridge")
SUFFIXES = (".cpp", ".hpp", ".h", ".c")

# A raw string is matched before a string, so that its quotes do not start one.
_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^()\s]*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'',
    re.DOTALL,
)


def sources(*folders, root=ROOT):
    """(path relative to the root, text) of every C++ file under these folders."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def _blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def without_comments(text):
    """The same text, lines and columns kept, with every comment made of spaces."""
    return _TOKEN.sub(lambda m: _blank(m) if m.group(0).startswith(("//", "/*")) else m.group(0), text)


def code_only(text):
    """Without comments and without the contents of strings."""
    return _TOKEN.sub(_blank, text)
