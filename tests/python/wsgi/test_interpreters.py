"""One environment of each interpreter of the machine: what works under the embedded one works under all that the build has a worker for,
and the others are told so at once. PREFORK_EVERY_PYTHON=yes: a build without a worker for one of them fails."""

import contextlib
import json
import os
import signal

import pytest
from support.interpreters import about, has_worker, interpreters, make_environment
from support.server import SANITIZED, until
from support.websocket import handshake

PYTHONS = interpreters()


def name_of(python):
    return about(python)["version"] + ("-debug" if "d-" in about(python)["suffixes"][0] else "")


@pytest.fixture(scope="module", params=PYTHONS, ids=name_of)
def python(request, tmp_path_factory):
    if not has_worker(request.param):
        assert not os.environ.get("PREFORK_EVERY_PYTHON"), f"no worker for {request.param}"
        pytest.skip(f"this build has no worker for {request.param}")
    return make_environment(request.param, tmp_path_factory.mktemp("environment") / "own")


@pytest.fixture(scope="module")
def wsgi(python, serve_module):
    server = serve_module("wsgi_apps:app", "--python", python, "--threads", "2")
    server.expect(r"\[ERROR\] Error handling request GET /raise/.*Traceback|()")
    server.python = python
    return server


@pytest.mark.parametrize("python", [python for python in PYTHONS if not SANITIZED and not has_worker(python)], ids=name_of)
def test_a_version_without_a_worker_is_told_which_have_one(serve, python, tmp_path):
    server = serve("wsgi_apps:app", "--python", make_environment(python, tmp_path / "own"), ready=None)
    server.expect("is Python")
    server.expect("exited with code 3")
    server.expect("failed to boot|()")
    assert server.wait() == 3
    version = about(python)["version"]
    assert f"is Python {version}" in server.log() and "this installation has workers for: 3." in server.log()


def test_the_worker_is_the_environment_s_own_python(wsgi):
    shown = json.loads(wsgi.get("/python").body)
    assert [shown[name] for name in ("executable", "prefix", "base_prefix", "version", "site")] == about(wsgi.python)["told"]
    assert shown["path"][0] == str(wsgi.folder)


@pytest.mark.parametrize("path, body", [
    ("/hello", b"Hello, World!"), ("/body/good/generator", b"abc"), ("/body/good/list", b"abc"), ("/body/good/getitem", b"abc"), ("/write", b"one two three"), ("/late", b"late"),
    ("/twice", b"AssertionError"), ("/file/1000/990", b"000000099\n"), ("/gzip", b"unpacked"), ("/replaced/before", b"replaced"), ("/fork", b"forked"),
])
def test_applications_answer_as_under_any_interpreter(wsgi, path, body):
    with contextlib.closing(wsgi.client()) as client:
        for _ in range(3):
            client.request("GET", path)
            assert client.getresponse().read() == body


def test_the_environ_has_what_came(wsgi):
    seen = {key: value for key, (_, value) in json.loads(wsgi.request("POST", "/environ/%C3%A9?q", b"abc", {"X-A": "1", "Cookie": "a=b"}).body).items()}
    assert (seen["PATH_INFO"], seen["QUERY_STRING"], seen["CONTENT_LENGTH"], seen["HTTP_X_A"], seen["HTTP_COOKIE"]) == ("/environ/\xc3\xa9", "q", "3", "1", "a=b")


@pytest.mark.parametrize("size", [0, 10, 100_000, 3_000_000])
def test_bodies_arrive_whole(wsgi, size):
    body = os.urandom(size)
    assert wsgi.post("/echo", body).body == body
    assert b"".join(piece.encode("latin-1") for piece in json.loads(wsgi.post("/read/lines", body[:1000]).body)) == body[:1000]


def test_an_error_is_a_500_and_the_worker_goes_on(wsgi):
    for what in ("RuntimeError", "SystemExit", "RecursionError"):
        assert wsgi.get(f"/raise/before/{what}").status == 500
    assert wsgi.get("/hello").status == 200


def test_an_application_starts_processes_of_its_own_interpreter(wsgi):
    """subprocess, multiprocessing of every kind, and an environment made within the application's."""
    assert json.loads(wsgi.get("/subprocess").body) == about(wsgi.python)["told"][:3]
    for method in ("fork", "spawn", "forkserver"):
        assert wsgi.get(f"/multiprocessing/{method}").body == b"[1, 2, 3]", method
    inner, prefix = json.loads(wsgi.get("/make_environment").body)
    assert os.path.samefile(inner, prefix)


@pytest.mark.parametrize("loop", ["auto", "asyncio"])
def test_asgi_and_websockets_are_served_on_each_loop(serve, python, loop):
    server = serve("asgi_apps:app", "--python", python, "--asgi-loop", loop)
    body = os.urandom(200_000)
    with contextlib.closing(server.client()) as client:
        for _ in range(5):
            client.request("POST", "/echo", body)
            assert client.getresponse().read() == body
            client.request("GET", "/sleep/0.01")
            assert client.getresponse().read() is not None
    with server.connect() as client:
        client.sendall(handshake("/echo"))
        seen = b""
        while b"\r\n\r\n" not in seen:
            seen += client.recv(1000)
        assert seen.startswith(b"HTTP/1.1 101 ")
        client.sendall(b"\x81\x85\0\0\0\0hello")
        while b"\x81\x05hello" not in seen:
            piece = client.recv(1000)
            assert piece
            seen += piece


@pytest.mark.parametrize("app", ["native_apps:app", "native_apps:async_app"])
def test_native_applications_are_served(serve, python, app):
    server = serve(app, "--python", python)
    assert json.loads(server.get("/facts?a=1").body)["query"] == "a=1"
    assert server.get("/generated").body == server.get("/generated").body != b""


@pytest.mark.parametrize("options", [(), ("--preload",)])
def test_reloads_and_replaces(serve, python, options):
    server = serve("process_app:application", "--python", python, *options, workers=2)
    server.expect(r"\[ERROR\] Worker \(pid:\d+\) was killed by SIGKILL")
    old = set(server.workers())
    server.signal(signal.SIGHUP)
    until(lambda: len(now := set(server.workers())) == 2 and not now & old, "new workers")
    victim = server.workers()[0]
    server.signal(signal.SIGKILL, victim)
    until(lambda: victim not in (now := server.workers()) and len(now) == 2, "a replacement")
    assert server.get("/").body == b"hello"
