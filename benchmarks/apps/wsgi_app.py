"""The WSGI applications that every server is measured with. Each is named after its case."""

import html
import os
import time
import wsgiref.util

TEXT = ("Content-Type", "text/plain")


def hello(environ, start_response):
    start_response("200 OK", [TEXT, ("Content-Length", "13")])
    return [b"Hello, world!"]


FORTUNES = [
    (1, "fortune: No such file or directory"),
    (2, "A computer scientist is someone who fixes things that aren't broken."),
    (3, "After enough decimal places, nobody gives a damn."),
    (4, "A bad random number generator: 1, 1, 1, 1, 1, 4.33e+67, 1, 1, 1"),
    (5, "A computer program does what you tell it to do, not what you want it to do."),
    (6, "Emacs is a nice operating system, but I prefer UNIX. - Tom Christaensen"),
    (7, "Any program that runs right is obsolete."),
    (8, "A list is only as strong as its weakest link. - Donald Knuth"),
    (9, "Feature: A bug with seniority."),
    (10, "Computers make very fast, very accurate mistakes."),
    (11, '<script>alert("This should not be displayed in a browser alert box.");</script>'),
    (12, "フレームワークのベンチマーク"),
    (13, "It works on my machine, and the machine is in a container that nobody else may enter."),
    (14, "There are two hard things: naming, cache invalidation, and counting from zero."),
    (15, "Weeks of programming can save you hours of planning."),
    (16, "The best thing about a boolean is that even if you are wrong, you are only off by a bit."),
    (17, "To understand recursion, one must first understand recursion, or know someone who does."),
    (18, "99 little bugs in the code; take one down, patch it around: 127 little bugs in the code."),
]


def fortunes_page():
    """About 2 KB: rows sorted and escaped for each request, as a template engine would."""
    rows = [*FORTUNES, (0, "Additional fortune added at request time.")]
    rows.sort(key=lambda row: row[1])
    cells = "".join(f"<tr><td>{number}</td><td>{html.escape(text)}</td></tr>" for number, text in rows)
    page = (
        "<!DOCTYPE html><html><head><title>Fortunes</title></head><body><table><tr><th>id</th><th>message</th></tr>"
        f"{cells}</table><p>Sorted by message, escaped for HTML, encoded as UTF-8: as much work as a small template does."
        "</p></body></html>"
    )
    return page.encode()


def fortunes(environ, start_response):
    page = fortunes_page()
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(page)))])
    return [page]


def echo(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))])
    return [body]


MEGABYTE = bytes(range(256)) * 4096


def big(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(MEGABYTE)))])
    return [MEGABYTE]


PIECE = b"x" * 16384


def stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return (PIECE for _ in range(100))


def file(environ, start_response):
    path = os.environ["BENCH_FILE"]
    wrapper = environ.get("wsgi.file_wrapper", wsgiref.util.FileWrapper)
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(os.path.getsize(path)))])
    return wrapper(open(path, "rb"), 65536)


def sleepy(environ, start_response):
    """/sleep/SECONDS blocks; everything else is hello."""
    path = environ["PATH_INFO"]
    if path.startswith("/sleep/"):
        time.sleep(float(path[7:]))
    return hello(environ, start_response)
