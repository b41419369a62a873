"""The native interface's share of the applications that are measured."""

from prefork import native

HELLO = b"Hello, world!"


@native.application
def hello(request, reply):
    reply.header("Content-Type", "text/plain")
    reply.header("Content-Length", "13")
    return HELLO


@native.application
async def hello_async(request, reply):
    reply.header("Content-Type", "text/plain")
    reply.header("Content-Length", "13")
    return HELLO
