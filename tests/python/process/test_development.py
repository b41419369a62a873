"""--reload: a changed file is a reload for which requests wait; a broken one is shown to who asks."""

import contextlib
import os
import re
import select
import signal

import pytest
from support.server import until
from support.websocket import handshake

BODY = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "3")])
    return [b"{}"]
"""


def _write(path, text):
    """At once, as editors do."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    # Two writes within the clock's grain are one to whoever looks at times.
    stamp = fresh.stat().st_mtime_ns + 10_000_000
    os.utime(fresh, ns=(stamp, stamp))
    fresh.replace(path)


BROKEN = "raise RuntimeError('half <written> & left')\n"


def _expect_failure(server, *more):
    for line in (r"\[ERROR\] Exception in worker process", r"Traceback \(most recent call last\)", r"\[ERROR\] Worker \(pid:\d+\) exited with code 3[^\n]*", *more):
        server.expect(line)


def _is_page_of_the_failure(reply):
    return (
        reply.status == 500
        and reply.headers["Content-Type"] == "text/html; charset=utf-8"
        and b"Traceback (most recent call last)" in reply.body
        and b"RuntimeError: half &lt;written&gt; &amp; left" in reply.body
        and b"<written>" not in reply.body
    )


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
def test_a_changed_module_is_served_without_a_signal_and_a_broken_one_shown(serve, tmp_path, preload):
    module = tmp_path / "changing.py"
    module.write_text(BODY.format("one"))
    server = serve("changing:application", "--reload", *preload, cwd=tmp_path)
    server.logged("Watching ")
    assert server.get("/").body == b"one"
    _write(module, BODY.format("two"))
    until(lambda: server.get("/").body == b"two", "the new code")
    if preload:
        for line in (r"\[ERROR\] Exception in worker process", r"\[ERROR\] Reload failed[^\n]*"):
            server.expect(line)
    else:
        _expect_failure(server, r"\[ERROR\] Reload failed[^\n]*")
    _write(module, BROKEN)
    until(lambda: _is_page_of_the_failure(server.get("/<script>")), "the page of the failure")
    assert b"<script>" not in server.get("/<script>").body
    head = server.request("HEAD")
    assert (head.status, head.body) == (500, b"")
    assert server.post("/", b"x" * 100_000).status == 500
    _write(module, BODY.format("tri"))
    until(lambda: server.get("/").body == b"tri", "the repaired code")


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_first_import_that_fails_is_shown_until_it_is_mended(serve, tmp_path, workers, preload):
    module = tmp_path / "changing.py"
    module.write_text(BROKEN)
    server = serve("changing:application", "--reload", *preload, cwd=tmp_path, workers=workers)
    server.logged("Watching ")
    for line in (r"\[ERROR\] Exception in worker process", r"\[ERROR\] [^\n]*exited with code 3[^\n]*", r"\[ERROR\] Requests get an error page"):
        server.expect(line)
    assert _is_page_of_the_failure(server.get("/"))
    _write(module, "import no_such_module_here\n")
    server.expect(r"\[ERROR\] Reload failed[^\n]*")
    until(lambda: b"no_such_module_here" in server.get("/").body, "the other failure")
    _write(module, BODY.format("one"))
    until(lambda: server.get("/").body == b"one", "the mended code")
    server.sockets_at_start = None  # counted when there was no worker


def test_without_reload_no_client_sees_a_traceback(serve, tmp_path):
    module = tmp_path / "changing.py"
    module.write_text(BODY.format("one"))
    server = serve("changing:application", cwd=tmp_path)
    _expect_failure(server, r"\[ERROR\] Reload failed[^\n]*")
    _write(module, BROKEN)
    server.signal(signal.SIGHUP)
    server.logged("Reload failed")
    assert server.get("/").body == b"one"


def test_an_edit_of_the_same_size_in_the_same_second_is_not_taken_for_what_it_replaces(serve, tmp_path):
    module = tmp_path / "changing.py"
    module.write_text(BODY.format("one"))
    os.utime(module, ns=(10**18, 10**18))
    server = serve("changing:application", "--reload", cwd=tmp_path, env={"PYTHONDONTWRITEBYTECODE": ""})
    server.logged("Watching ")
    assert list((tmp_path / "__pycache__").glob("changing.*.pyc"))
    module.with_name("fresh").write_text(BODY.format("two"))
    os.utime(module.with_name("fresh"), ns=(10**18, 10**18 + 1000))
    module.with_name("fresh").replace(module)
    until(lambda: server.get("/").body == b"two", "the new code")


@pytest.mark.parametrize("engine", ["auto", "poll", "inotify"])
def test_each_engine_sees_what_changes_also_in_new_folders_and_extra_files(serve, tmp_path, engine):
    (tmp_path / "changing.py").write_text(BODY.format("one"))
    server = serve("changing:application", "--reload", "--reload-engine", engine, "--reload-extra-file", tmp_path / "pages" / "*.html", cwd=tmp_path)
    server.logged(f"Watching 1 file for changes [^\\n]*{'poll' if engine == 'poll' else 'inotify'}")
    for count, name in enumerate(("changing.py", "package/__init__.py", "package/deep/module.py", "package/deep/module.py", "pages/a.html", "pages/a.html"), 1):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        _write(tmp_path / name, BODY.format("two") if name.endswith(".py") else "a page")
        until(lambda count=count: server.log().count(" Reloaded: ") == count, f"the reload after a change of {name}")
        server.logged(f"Reloading: [^\\n]*{re.escape(name)} has changed")


def test_requests_that_come_while_new_code_starts_are_answered_by_it(serve, tmp_path):
    gate = tmp_path / "gate"
    module = tmp_path / "changing.py"
    module.write_text(BODY.format("one"))
    server = serve("changing:application", "--reload", "--health-path", "/livez,/readyz", cwd=tmp_path, workers=2)
    server.logged("Watching ")
    server.logged("Serving with 2 workers")
    _write(module, f"import os, time\nopen({str(tmp_path / 'started')!r}, 'w').close()\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.01)\n" + BODY.format("two"))
    until((tmp_path / "started").exists, "the start of the new code")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(server.client())) for _ in range(8)]
        for client in clients:
            client.request("GET", "/")
        # Answered by the server itself, on a connection that comes after theirs: theirs have been read.
        assert server.get("/livez").status == 200
        assert select.select([client.sock for client in clients], [], [], 0)[0] == []
        gate.touch()
        assert [client.getresponse().read() for client in clients] == [b"two"] * 8


STREAMS = """
async def application(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
    elif scope["type"] == "http" and scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await receive()
        while (await receive())["type"] != "http.disconnect":
            pass
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"VERSION"})
"""


def test_open_streams_and_websockets_of_the_old_code_end_with_a_reload(serve, tmp_path):
    module = tmp_path / "changing.py"
    module.write_text(STREAMS)
    server = serve("changing:application", "--reload", "--interface", "asgi", "--lifespan", "off", "--graceful-timeout", "600", cwd=tmp_path)
    server.logged("Watching ")
    with server.connect() as stream, server.connect() as websocket:
        stream.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        websocket.sendall(handshake("/ws"))
        begun = _read_until(stream, b"begun")
        opened = _read_until(websocket, b"\r\n\r\n")
        _write(module, STREAMS.replace("VERSION", "after"))
        begun += _read_until(stream, None)
        assert not begun.endswith(b"0\r\n\r\n"), "a part is not the whole"
        assert opened.startswith(b"HTTP/1.1 101 ")
        assert _read_until(websocket, (1012).to_bytes(2, "big")).startswith(b"\x88")
    until(lambda: server.get("/").body == b"after", "the new code")
    server.expect(r"\[WARNING\] Error handling request GET /(stream|ws) [^\n]*the worker was replaced")
    # A worker that had to be killed is an error in the log, which the fixture would find.
    server.logged("Worker exiting")


def _read_until(client, end):
    got = b""
    while end is None or end not in got:
        try:
            piece = client.recv(4096)
        except ConnectionResetError:
            piece = b""
        if not piece:
            assert end is None, got
            break
        got += piece
    return got
