"""For the tests of logs, proxies, hooks and settings: shows what it was called with."""

import json
import os
import sys


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/print":
        print("a line on stderr", file=sys.stderr, flush=True)
        print("a line on stdout", flush=True)
    elif path == "/log":
        import logging

        logging.getLogger("gunicorn.error").warning("from the gunicorn logger")
        logging.getLogger("mine").debug("from my logger")
    elif path == "/fail":
        raise ValueError("told to fail")
    shown = {name: value for name, value in environ.items() if isinstance(value, (str, bool))}
    shown["_env"] = os.environ.get("DROPIN_TEST", "")
    shown["_path"] = sys.path[:3]
    shown["_cwd"] = os.getcwd()
    body = json.dumps(shown).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("X-Shown", "yes")])
    return [body]
