"""Evaluates a configuration file: Python code whose variables are settings.

Run as a program it is the master's short-lived helper: the file's plain data goes to the master, which knows the settings
and checks the values. Imported by a worker or by the mold it gives them the hook functions, which stay in Python.
The file runs as the module `__config__`, in the directory that the server was started in, which comes first in sys.path.
"""

import sys

if __name__ == "__main__":
    # The folder of this file must not hide modules of the application's.
    sys.path[0] = ""

import ast
import contextlib
import importlib
import importlib.machinery
import importlib.util
import inspect
import json
import os
import traceback
import types

MODULE = "__config__"

_TEXTS = (str, bytes, os.PathLike)
_HOOK = "a function, or its name as 'module.function'"


def evaluate(kind, path, directory=""):
    """The namespace of the configuration file (kind "file") or module (kind "module"), evaluated in that directory."""
    with _working_in(directory):
        return _evaluate(kind, path)


@contextlib.contextmanager
def _working_in(directory):
    """A worker has gone on to the directory of --chdir; the file finds what lies beside it where the server was started."""
    before = os.getcwd() if directory else ""
    if directory == before:
        yield
        return
    with contextlib.suppress(OSError):  # it was removed since, or is not for this user
        os.chdir(directory)
    sys.path.insert(0, directory)
    try:
        yield
    finally:
        sys.path.remove(directory)
        os.chdir(before)


def _evaluate(kind, path):
    if kind == "module":
        return vars(importlib.import_module(path))
    loader = importlib.machinery.SourceFileLoader(MODULE, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(MODULE, path, loader=loader))
    sys.modules[MODULE] = module
    source = loader.get_data(path)
    exec(compile(source, path, "exec"), vars(module))  # leaves no __pycache__ beside the file
    return vars(module)


def load_hooks(kind, path, names, directory=""):
    """The hook functions of these names, by name. A hook may be written as "package.module.function"."""
    namespace = evaluate(kind, path, directory)
    return {name: _imported(namespace[name]) for name in names}


def _imported(hook):
    if not isinstance(hook, str):
        return hook
    module, dot, attribute = hook.rpartition(".")
    if not dot:
        raise ImportError("no module is named")
    function = getattr(importlib.import_module(module), attribute)
    if not callable(function):
        raise TypeError(f"it is an object of type {type(function).__qualname__}")
    return function


def lines_of(source):
    """The line of the last statement that binds each name of the module."""
    lines = {}

    def bind(node, line):
        if isinstance(node, ast.Name):
            lines[node.id] = line
        for child in ast.iter_child_nodes(node):
            bind(child, line)

    def walk(statements):
        for statement in statements:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                lines[statement.name] = statement.lineno
            elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
                for target in getattr(statement, "targets", None) or [statement.target]:
                    bind(target, statement.lineno)
            elif isinstance(statement, (ast.Import, ast.ImportFrom)):
                for alias in statement.names:
                    lines[(alias.asname or alias.name).split(".")[0]] = statement.lineno
            else:
                for part in ("body", "orelse", "finalbody"):
                    walk(getattr(statement, part, []))
                for handler in getattr(statement, "handlers", []):
                    walk(handler.body)

    walk(ast.parse(source).body)
    return lines


def plain(value):
    """(type, text, items) of a value, in the words of master/config_value.hpp."""
    if value is None:
        return "none", "", []
    if isinstance(value, bool):
        return "bool", str(value).lower(), []
    if isinstance(value, int):
        return "int", str(int(value)), []
    if isinstance(value, float):
        return "float", repr(value), []
    if isinstance(value, _TEXTS):
        return "text", os.fsdecode(value), []
    if isinstance(value, dict):
        return "map", _json(value), [text(part) for pair in value.items() for part in pair]
    if isinstance(value, (list, tuple, set, frozenset)):
        if not all(isinstance(item, _TEXTS) for item in value):
            return "mixed", repr(value), []
        return "list", "", [text(item) for item in value]
    if callable(value):
        return "callable", _name_of(value), list(map(str, argument_counts(value)))
    return "other", type(value).__qualname__, []


def _name_of(value):
    """Of a class with its module, as a setting would name it."""
    if isinstance(value, type) and value.__module__ != MODULE:
        return f"{value.__module__}.{value.__qualname__}"
    return getattr(value, "__qualname__", type(value).__qualname__)


def argument_counts(function):
    """With how many arguments, four at most, it can be called; all when nobody can tell."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return list(range(5))
    return [count for count in range(5) if _binds(signature, count)]


def _binds(signature, count):
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def text(value):
    return os.fsdecode(value) if isinstance(value, _TEXTS) else str(value)


def _json(value):
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return "@file"  # holds classes or functions: whoever needs it takes it from the file


def _source_path(kind, path):
    if kind == "file":
        return path
    return getattr(sys.modules.get(path), "__file__", None) or ""


def _lines(kind, path):
    try:
        with open(_source_path(kind, path), "rb") as file:
            return lines_of(file.read())
    except (OSError, SyntaxError, ValueError):
        return {}


def _records(kind, path, namespace, hooks):
    lines = _lines(kind, path)
    for name, value in list(namespace.items()):
        if name.startswith("_") or isinstance(value, types.ModuleType):
            continue
        line = str(lines.get(name, 0))
        if name in hooks and isinstance(value, str):
            try:
                value = _imported(value)
            except Exception as error:
                yield ["<error>", line, f"{name}: {value!r} given, which names no function ({type(error).__name__}: {error}); allowed: {_HOOK}", ""]
                return
        type_name, content, items = plain(value)
        yield [name, line, type_name, content, str(len(items)), *items]
    yield ["<end>"]


def _failure(kind, path, error):
    """What went wrong, with the traceback from the file's own frame on."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    details = "".join(traceback.format_exception(type(error), error, frames))
    source = _source_path(kind, path)
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    for frame, number in traceback.walk_tb(frames):
        if frame.f_code.co_filename == source:
            line = number
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] == "gunicorn":
        reason = (
            f"the file imports {error.name}, which is not installed for {sys.executable}; "
            "prefork does not contain gunicorn: remove the import, or install gunicorn beside it"
        )
    elif isinstance(error, ModuleNotFoundError):
        reason += f" (in the environment of {sys.executable}; --python chooses another)"
    return ["<error>", str(line or 0), reason, details]


def _encoded(text):
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair is no text that a setting could have
        return text.encode("utf-8", "backslashreplace")


def _main(kind, path, directory, hooks):
    # What the file prints must not get among the data.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _lifeline.hold(output.fileno(), lambda: True)  # nobody reads what it has to say
    if directory:  # "" when it was removed since
        os.chdir(directory)
    sys.path[0] = directory
    sys.dont_write_bytecode = True
    sys.argv = ["prefork"]
    records = []
    try:
        records.extend(_records(kind, path, evaluate(kind, path), hooks.split(",")))
    except BaseException as error:  # also sys.exit() in the file
        records.append(_failure(kind, path, error))
    for record in records:
        for field in record:
            output.write(_encoded(field.replace("\0", "")) + b"\0")
    output.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # not waiting for threads that the file may have started


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import _lifeline

    del sys.path[0]
    _main(*sys.argv[1:])
