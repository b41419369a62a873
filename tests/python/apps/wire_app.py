"""The paths of the built-in echo application that the wire tests use, as WSGI, and a journal of every request that was passed on."""

import os


def app(environ, start_response):
    path = environ["PATH_INFO"]
    with open(os.path.join(os.environ["PREFORK_TEST"], "journal"), "a") as journal:
        journal.write(f"{environ['REQUEST_METHOD']} {path}\n")
    status, body = "200 OK", b"Hello, World!"
    if path == "/echo":
        body = environ["wsgi.input"].read()
    elif path == "/count":
        body = str(len(environ["wsgi.input"].read())).encode()
    elif path.startswith("/status/"):
        status, body = f"{path[8:]} Of the test", b"status"
        if path[8:] in ("204", "304"):
            start_response(status, [])
            return []
    elif path.startswith("/path/"):
        body = path.encode("latin-1")
    elif path.startswith("/chunks/"):
        start_response(status, [])
        return iter([b"abc", b"def"])
    elif path == "/late":
        return late(environ, start_response)
    elif path != "/":
        status, body = "404 Not Found", b"not here"
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def late(environ, start_response):
    """Says all that it has to say, and only then reads the request's body."""
    start_response("200 OK", [("Content-Length", "4")])
    yield b"late"
    try:
        while environ["wsgi.input"].read(10_000):
            pass
    except OSError:
        with open(os.path.join(os.environ["PREFORK_TEST"], "journal"), "a") as journal:
            journal.write("broken off\n")
