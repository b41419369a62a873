"""As projects with Flask have it: everything from the environment, the logging as a dict."""

import os

for name, value in os.environ.items():
    if name.startswith("GUNICORN_"):
        key = name.split("_", 1)[1].lower()
        locals()[key] = value

wsgi_app = "flask_site:create_app()"
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"format": '{"level": "%(levelname)s", "logger": "%(name)s", "text": "%(message)s"}'}},
    "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}},
    "root": {"level": "INFO", "handlers": ["out"]},
    "loggers": {"gunicorn.error": {"level": "INFO", "handlers": ["out"], "propagate": False, "qualname": "gunicorn.error"}},
}


def on_starting(server):
    server.log.info("starting with %s workers on %s", server.cfg.workers, server.cfg.bind)
