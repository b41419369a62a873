import pytest

# What a server may log about clients that ask for what it does not do; its first lines match too, as a test may ask for nothing such.
REFUSALS = r"Listening at|\[ERROR\] Error handling request: |more requests that failed"


@pytest.fixture(scope="module", params=["echo", "wsgi"])
def server(request, serve_module):
    """The built-in echo application, and the same paths as WSGI."""
    started = serve_module(None, "--app", "echo") if request.param == "echo" else serve_module("wire_app:app")
    started.expect(REFUSALS)
    return started
