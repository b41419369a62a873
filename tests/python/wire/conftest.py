import pytest
from support.wire import REFUSALS


@pytest.fixture(scope="module", params=["echo", "wsgi"])
def server(request, serve_module):
    """The built-in echo application, and the same paths as WSGI."""
    started = serve_module(None, "--app", "echo") if request.param == "echo" else serve_module("wire_app:app")
    started.expect(REFUSALS)
    return started
