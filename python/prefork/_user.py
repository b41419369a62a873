"""What a worker loads before it becomes another user, when that user cannot read this Python's own files.

Often the case where an interpreter lies in root's home. Under gunicorn small applications run nevertheless, because the process has
imported a large part of the standard library as root. What else the application imports must be readable: the log says so.
"""

import os
import stat
import sys

MODULES = (
    "argparse asyncio base64 bisect calendar codecs collections.abc concurrent.futures.thread configparser contextvars copy csv ctypes dataclasses "
    "datetime decimal difflib email.message email.utils encodings.idna encodings.latin_1 encodings.utf_8 enum fnmatch functools gc getpass glob gzip "
    "hashlib heapq hmac html http.client http.cookies http.server importlib.metadata importlib.util inspect io ipaddress itertools json locale "
    "logging.config logging.handlers math mimetypes multiprocessing numbers operator pathlib pickle pkgutil platform pprint queue random re resource "
    "secrets select selectors shlex shutil signal socket sqlite3 ssl statistics string struct subprocess tempfile textwrap threading time traceback "
    "types typing unicodedata urllib.parse urllib.request uuid warnings weakref xml.etree.ElementTree zipfile zlib zoneinfo"
).split()


def prepare(uid, gid):
    """True when the user can read the standard library; else as much of it is imported as applications commonly need."""
    if _readable(os.path.dirname(os.__file__), uid, gid):
        return True
    for name in MODULES:
        try:
            __import__(name)
        except Exception:  # noqa: S112 - a Python that was built without it
            continue
    sys.modules["traceback"].format_exc()  # what it imports when it is used
    return False


def _readable(folder, uid, gid):
    while True:
        status = os.stat(folder)
        shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
        if not status.st_mode >> shift & stat.S_IXOTH:
            return False
        if folder == os.path.dirname(folder):
            return True
        folder = os.path.dirname(folder)
