"""Applications of the bridge's unit tests, which run in a worker process under a fake master."""


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [b"Hello, World!"]
