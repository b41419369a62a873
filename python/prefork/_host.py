"""The worker process for an environment whose Python is not the one that prefork-worker embeds.

prefork-worker becomes this script in the environment's own interpreter: `python _host.py FOLDER ATTACHMENT`. FOLDER has the bridge as
an extension module, one for each version of Python that prefork was built for. Every Python there ever was must be able to read this
file: the ones that are too old are told so.
"""

import os
import re
import sys

NAME = "_prefork_worker"
BOOT_FAILED = 3  # the server ends with it, and starts no further worker


def module_path(folder):
    """The extension module that fits this interpreter, or None."""
    try:
        from importlib.machinery import EXTENSION_SUFFIXES
    except ImportError:
        return None
    for suffix in EXTENSION_SUFFIXES:
        path = os.path.join(folder, NAME + suffix)
        if os.path.exists(path):
            return path
    return None


def available(folder):
    """The versions that there is a module for, such as "3.11, 3.12"."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    matches = [re.match(NAME + r"\.cpython-(\d)(\d+)([a-z]*)-", name) for name in names]
    found = sorted((int(match.group(1)), int(match.group(2)), match.group(3)) for match in matches if match)
    return ", ".join("%d.%d%s" % version for version in found) or "none"


def own_version():
    """This interpreter as it is listed there: 3.13t is 3.13 without a global lock, 3.11d the debug build."""
    flags = getattr(sys, "abiflags", "")
    name = getattr(getattr(sys, "implementation", None), "name", "cpython")
    return "%s %d.%d%s" % ("Python" if name == "cpython" else name, sys.version_info[0], sys.version_info[1], flags)


def load(path):
    import importlib.machinery
    import importlib.util
    import warnings

    loader = importlib.machinery.ExtensionFileLoader(NAME, path)
    with warnings.catch_warnings():
        # A build without a global lock turns its lock on for this module, as it must, and says so.
        warnings.filterwarnings("ignore", message=r".*\bGIL\b", category=RuntimeWarning)
        module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(NAME, path, loader=loader))
        loader.exec_module(module)
    return module


def main():
    folder, attachment = sys.argv[1:3]
    package = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != package]
    path = module_path(folder)
    if path is None:
        sys.stderr.write(
            "prefork: %s is %s, and this installation has workers for: %s. Install prefork into that environment, "
            "or build with PREFORK_HOST_PYTHONS=%s (3.9 or newer).\n" % (sys.executable, own_version(), available(folder), sys.executable)
        )
        return BOOT_FAILED
    try:
        module = load(path)
    except ImportError as error:
        sys.stderr.write("prefork: %s (%s) cannot load its worker: %s\n" % (sys.executable, own_version(), error))
        return BOOT_FAILED
    return module.run(attachment, os.path.dirname(package))


if __name__ == "__main__":
    sys.exit(main())
