"""Which applications are taken for native ones, and what a native application may be."""

import pytest


@pytest.mark.parametrize("app", ["native_apps:app", "native_apps:async_app"])
def test_marked_applications_are_found(serve, app):
    assert serve(app).get("/text").body == "grün".encode()


def test_the_interface_can_be_named(serve):
    assert serve("native_apps:unmarked", "--interface", "native").get().body == b"unmarked"


def test_an_asynchronous_generator_is_an_application(serve):
    reply = serve("native_apps:generator_app").get("/x")
    assert reply.body == b"/x0;/x1;/x2;" and reply.headers["content-type"] == "text/plain"


def test_request_hooks_run_around_native_applications(serve, tmp_path):
    config = tmp_path / "hooks.conf.py"
    config.write_text(
        "def pre_request(worker, req):\n    worker.log.info('pre %s %s', req.method, req.path)\n"
        "def post_request(worker, req, environ, resp):\n    worker.log.info('post %s', resp.status_code)\n"
    )
    for app in ("native_apps:app", "native_apps:async_app"):
        server = serve(app, "-c", config)
        assert server.get("/status").status == 418
        server.logged("pre GET /status")
        server.logged("post 418")


def test_a_handshake_is_an_ordinary_request(serve):
    server = serve("native_apps:async_app")
    reply = server.get("/text", {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                                 "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert reply.status == 200 and reply.body == "grün".encode()
