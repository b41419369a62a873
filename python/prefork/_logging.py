"""Python's loggers in a worker: gunicorn.error and gunicorn.access, which applications borrow, and --log-config.

The server's own lines do not come this way: the master writes the access log, and both write the error log in the same form.
"""

import json
import logging
import logging.config
import os
import sys

_FORMAT = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
_TIME = "[%Y-%m-%d %H:%M:%S %z]"

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
        given = config()["logconfig_dict"] if dictionary == "@file" else json.loads(dictionary)
        _apply(given, "logconfig_dict")
    elif json_file:
        _apply_file(json_file)
    elif ini.endswith(".json"):
        _apply_file(ini)
    elif ini:
        defaults = {"__file__": ini, "here": os.path.dirname(os.path.abspath(ini))}
        try:
            logging.config.fileConfig(ini, defaults=defaults, disable_existing_loggers=False)
        except (AttributeError, ImportError, ValueError, TypeError, KeyError) as error:
            raise RuntimeError(f"--log-config {ini}: {error}") from error


def _make_default(level):
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(_FORMAT, _TIME))
    for name in ("gunicorn.error", "gunicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(getattr(logging, level.upper(), logging.INFO))


def _apply_file(path):
    with open(path, encoding="utf-8") as file:
        _apply(json.load(file), path)


def _apply(given, what):
    merged = {**_DEFAULTS, **given}
    for part in ("loggers", "handlers", "formatters"):  # one that is named by another part is there, whoever defined that
        merged[part] = {**_DEFAULTS[part], **given.get(part, {})}
    try:
        logging.config.dictConfig(merged)
    except (AttributeError, ImportError, ValueError, TypeError) as error:
        raise RuntimeError(f"{what}: {error}") from error
