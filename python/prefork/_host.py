"""The worker process for an environment whose Python is not the one that prefork-worker embeds.

prefork-worker becomes this script in the environment's own interpreter: `python _host.py FOLDER ATTACHMENT`. FOLDER has the bridge as
an extension module, one for each version of Python that prefork was built for.
"""

import importlib.machinery
import importlib.util
import os
import re
import sys

NAME = "_prefork_worker"


def module_path(folder):
    """The extension module that fits this interpreter, or None."""
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = os.path.join(folder, NAME + suffix)
        if os.path.exists(path):
            return path
    return None


def available(folder):
    """The versions that there is a module for, such as "3.11, 3.12"."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = {match.groups() for name in names if (match := re.match(NAME + r"\.cpython-(\d)(\d+t?)-", name))}
    return ", ".join(sorted((".".join(version) for version in found), key=lambda text: (len(text), text))) or "none"


def main():
    folder, attachment = sys.argv[1:3]
    package = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != package]
    path = module_path(folder)
    if path is None:
        sys.stderr.write(
            "prefork: %s is Python %d.%d, and this installation has workers for: %s. Install prefork into that environment, "
            "or build with PREFORK_HOST_PYTHONS=%s.\n" % (sys.executable, *sys.version_info[:2], available(folder), sys.executable)
        )
        return 3
    loader = importlib.machinery.ExtensionFileLoader(NAME, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(NAME, path, loader=loader))
    loader.exec_module(module)
    return module.run(attachment, os.path.dirname(package))


if __name__ == "__main__":
    sys.exit(main())
