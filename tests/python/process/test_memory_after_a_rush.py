"""What a rush leaves behind in the master's memory: nothing, once it is over."""

import contextlib

from support.server import until

APP = "wsgi_apps:megabytes"
READERS = 20


def test_memory_that_slow_readers_held_goes_back_to_the_system(serve):
    server = serve(APP, "--response-buffer", "4m")
    before = server.pss(server.pid)
    with contextlib.ExitStack() as stack:
        for _ in range(READERS):
            client = stack.enter_context(server.connect())
            client.sendall(b"GET /16 HTTP/1.1\r\nHost: test\r\n\r\n")
        until(lambda: server.pss(server.pid) > before + READERS * 1024, "the replies in the master's memory")
    until(lambda: server.pss(server.pid) < before + 8 * 1024, "the memory given back")
