"""Python's loggers in a worker: those of gunicorn and uvicorn, which applications borrow, and --log-config.

The server's own lines do not come this way: the master writes the access log, and both write the error log in the same form.
What only a --log-config needs is imported for it: the modules cost every other worker a megabyte.
"""

import logging
import sys

_FORMAT = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
_TIME = "[%Y-%m-%d %H:%M:%S %z]"
_BORROWED = ("gunicorn.error", "gunicorn.access", "uvicorn", "uvicorn.access")  # uvicorn.error is below uvicorn

# What a logconfig_dict or a JSON file may leave out.
_DEFAULTS = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": True, "qualname": "gunicorn.error"},
        "gunicorn.access": {"level": "INFO", "handlers": ["console"], "propagate": True, "qualname": "gunicorn.access"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stdout"},
        "error_console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"},
    },
    "formatters": {"generic": {"format": _FORMAT, "datefmt": _TIME, "class": "logging.Formatter"}},
}


class Logger:
    """What configuration files know as server.log and worker.log."""

    def __init__(self):
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")

    def critical(self, message, *args, **options):
        self.error_log.critical(message, *args, **options)

    def error(self, message, *args, **options):
        self.error_log.error(message, *args, **options)

    def warning(self, message, *args, **options):
        self.error_log.warning(message, *args, **options)

    def info(self, message, *args, **options):
        self.error_log.info(message, *args, **options)

    def debug(self, message, *args, **options):
        self.error_log.debug(message, *args, **options)

    def exception(self, message, *args, **options):
        self.error_log.exception(message, *args, **options)

    def log(self, level, message, *args, **options):
        if isinstance(level, str):
            level = getattr(logging, level.upper(), logging.INFO)
        self.error_log.log(level, message, *args, **options)

    def reopen_files(self):
        """The master reopens its files itself."""

    def close_on_exec(self):
        """Nothing: the master owns the files."""


def prepare(level, ini="", dictionary="", json_file="", config=None):
    """Makes the loggers; then the operator's configuration, the first of dict, JSON file and ini file that is there."""
    _make_default(level)
    if dictionary:
        _apply(config()["logconfig_dict"] if dictionary == "@file" else _json(dictionary), "logconfig_dict")
    elif json_file:
        _apply_file(json_file)
    elif ini.endswith(".json"):
        _apply_file(ini)
    elif ini:
        _apply_ini(ini)


def _make_default(level):
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(_FORMAT, _TIME))
    for name in _BORROWED:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(getattr(logging, level.upper(), logging.INFO))


def _json(text):
    import json

    return json.loads(text)


def _apply_ini(path):
    import logging.config
    import os

    defaults = {"__file__": path, "here": os.path.dirname(os.path.abspath(path))}
    try:
        logging.config.fileConfig(path, defaults=defaults, disable_existing_loggers=False)
    except (AttributeError, ImportError, ValueError, TypeError, KeyError) as error:
        raise RuntimeError(f"--log-config {path}: {error}") from error


def _apply_file(path):
    with open(path, encoding="utf-8") as file:
        _apply(_json(file.read()), path)


def _apply(given, what):
    import logging.config

    merged = {**_DEFAULTS, **given}
    for part in ("loggers", "handlers", "formatters"):  # one that is named by another part is there, whoever defined that
        merged[part] = {**_DEFAULTS[part], **given.get(part, {})}
    try:
        logging.config.dictConfig(merged)
    except (AttributeError, ImportError, ValueError, TypeError) as error:
        raise RuntimeError(f"{what}: {error}") from error
