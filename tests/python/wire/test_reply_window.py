"""--response-buffer is also the window of a reply: whatever its size, replies of every size come whole."""

import pytest


@pytest.mark.parametrize("app", ["process_app:application", "process_asgi:application"])
@pytest.mark.parametrize("window", [4096, 16384, 131072])
def test_replies_that_fill_their_window_come_whole(serve, app, window):
    server = serve(app, "--response-buffer", window)
    for size in (window - 1, window, window + 1, 2 * window, 10 * window + 7):
        body = server.get(f"/len/{size}").body
        assert len(body) == size and body == (b"abcdefghijklmnopqrstuvwxyz" * (size // 26 + 1))[:size]
