"""What an application can do wrong, and that the server lives on and says what happened."""

import concurrent.futures
import http.client

import pytest

TRACE = r"\[ERROR\] Error handling request GET /%s.*%s"


@pytest.mark.parametrize("what", ["RuntimeError", "BaseException", "StopIteration", "GeneratorExit", "MemoryError", "RecursionError", "OSError", "TimeoutError",
                                  "SystemExit", "KeyboardInterrupt", "BrokenText"])
@pytest.mark.parametrize("when", ["before", "started", "first"])
def test_an_exception_before_the_first_byte_is_a_plain_500(failing, what, when):
    pid = failing.get("/pid").body
    reply = failing.get(f"/raise/{when}/{what}")
    assert reply.status == 500 and b"deliberate" not in reply.body
    assert failing.get("/pid").body == pid


@pytest.fixture(scope="module")
def failing(serve_module):
    server = serve_module("wsgi_apps:app")
    server.expect(r"\[ERROR\] Error handling request GET /raise/.*Traceback")
    return server


@pytest.mark.parametrize("what", ["RuntimeError", "SystemExit", "KeyboardInterrupt"])
def test_an_exception_later_cuts_the_connection(serve, what):
    server = serve("wsgi_apps:app")
    server.expect(TRACE % ("raise/later", what))
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        server.get(f"/raise/later/{what}")
    assert server.get("/pid").status == 200


def test_the_log_has_the_traceback_with_the_request(serve):
    server = serve("wsgi_apps:app")
    server.expect(TRACE % (r"raise/before\?q=1", "RuntimeError: deliberate"))
    server.get("/raise/before?q=1")


def test_endless_recursion_is_an_error_of_the_request(serve):
    server = serve("wsgi_apps:app")
    server.expect(TRACE % ("recursion", "RecursionError"))
    assert server.get("/recursion").status == 500
    assert server.get("/pid").status == 200


def test_an_application_may_fork(server):
    pid = server.get("/pid").body
    assert server.get("/fork").body == b"forked"
    assert server.get("/pid").body == pid


def test_wsgi_errors_reaches_the_log_by_lines(server):
    assert server.get("/errors").body == b"logged"
    server.logged("(?m)^printed words\none line\nanother \u2603$")


def test_lines_of_threads_are_not_mixed(serve):
    tokens = ("abc", "def", "ghi", "jkl")
    server = serve("wsgi_apps:app", "--threads", "4", workers=2)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda token: server.get(f"/error_lines/{token}"), tokens))
    lines = [line for line in server.log().splitlines() if line[:3] in tokens]
    assert len(lines) == 800 and all(line.split()[0] == line[:3] * 40 for line in lines)
