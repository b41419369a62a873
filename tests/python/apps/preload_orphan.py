"""Leaves a process that has no parent: it ends at once, and somebody must reap it."""

import subprocess


def application(environ, start_response):
    # The shell ends before its child, which writes its process id and ends too.
    body = subprocess.run(["sh", "-c", "sh -c 'echo $$; exec sleep 0.2' &"], stdout=subprocess.PIPE, check=True).stdout
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
