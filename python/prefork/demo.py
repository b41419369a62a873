"""The application that is served when none is named: a page that says what this is."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>prefork</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 4rem auto; padding: 0 1rem; color: #222; }}
code, pre {{ background: #f3f3f3; padding: .1rem .3rem; border-radius: .2rem; }}
pre {{ padding: .8rem; }}
</style>
</head>
<body>
<h1>prefork is running</h1>
<p>This is the demonstration page: no application was named on the command line. Worker {pid} of {software} answered,
Python {python}.</p>
<p>To serve an application of yours, name its module and the object in it:</p>
<pre>prefork -w 4 myproject.wsgi:application</pre>
</body>
</html>
"""


def application(environ, start_response):
    import os
    import sys

    if environ["PATH_INFO"] != "/":
        body, status, kind = b"There is only / here.\n", "404 Not Found", "text/plain"
    else:
        page = _PAGE.format(pid=os.getpid(), software=environ["SERVER_SOFTWARE"], python=sys.version.split()[0])
        body, status, kind = page.encode(), "200 OK", "text/html; charset=utf-8"
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
