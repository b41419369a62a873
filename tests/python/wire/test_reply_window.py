"""--response-buffer is also the window of a reply: whatever its size, replies of every size come whole."""

import pytest
from support import load_generator


@pytest.mark.parametrize("app", ["process_app:application", "process_asgi:application"])
@pytest.mark.parametrize("window", [4096, 16384, 131072])
def test_replies_that_fill_their_window_come_whole(serve, app, window):
    server = serve(app, "--response-buffer", window)
    for size in (window - 1, window, window + 1, 2 * window, 10 * window + 7):
        body = server.get(f"/len/{size}").body
        assert len(body) == size and body == (b"abcdefghijklmnopqrstuvwxyz" * (size // 26 + 1))[:size]


@pytest.mark.parametrize("app", ["process_app:application", "process_asgi:application"])
def test_uploads_go_on_when_credit_has_emptied_what_waited_for_the_ring(serve, app):
    server = serve(app, "--response-buffer", 16384, workers=2)
    report = load_generator.load("-c", "16", "-n", "500", "-t", "50", "--mix", "/:50,POST /echo#200000:50", f"http://127.0.0.1:{server.port}/", deadline=240)
    assert report["exit_status"] == 0, report["log"]
