"""The access log of a running server: gunicorn's format, our atoms, JSON, files and their rotation."""

import json
import re

import pytest

from support.server import until

APP = "dropin_app:app"


def lines(path, count):
    """The log's lines, once there are so many."""
    return until(lambda: path.exists() and (found := path.read_text().splitlines()) and len(found) >= count and found, f"{count} lines in {path}")


def test_default_format_is_gunicorns(serve, tmp_path):
    log = tmp_path / "access.log"
    server = serve(APP, "--access-logfile", log, ready=None)
    until(lambda: server.logged("Listening at"))
    body = server.get("/a?b=c", {"User-Agent": 'say "hi"', "Referer": "http://from/"}).body
    pattern = rf'127\.0\.0\.1 - - \[\d\d/\w{{3}}/\d{{4}}:\d\d:\d\d:\d\d [+-]\d{{4}}\] "GET /a\?b=c HTTP/1\.1" 200 {len(body)} "http://from/" "say \\"hi\\""'
    assert re.fullmatch(pattern, lines(log, 1)[0])


def test_atoms_of_requests_replies_and_workers(serve, tmp_path):
    log = tmp_path / "access.log"
    form = "%(m)s %(U)s %(q)s %(H)s %(s)s %({x-shown}o)s %({x-mine}i)s %(p)s %({worker}x)s %({queue}x)s %({service}x)s %({client}x)s %({request-id}x)s"
    server = serve(APP, "--access-logfile", log, "--access-logformat", form)
    server.get("/p?q=1", {"X-Mine": "here", "X-Forwarded-For": "192.0.2.7", "X-Request-ID": "from-the-proxy"})
    method, path, query, protocol, status, shown, mine, pid, worker, queue, service, client, name = lines(log, 2)[-1].split()
    assert (method, path, query, protocol, status, shown, mine) == ("GET", "/p", "q=1", "HTTP/1.1", "200", "yes", "here")
    assert re.fullmatch(r"<\d+>|\d+", pid)
    assert int(pid.strip("<>")) in server.workers()
    assert worker == "1" and int(queue) >= 0 and int(service) > 0
    assert client == "192.0.2.7" and name == "from-the-proxy"


def test_the_method_of_a_refused_line_is_its_own_and_nobody_elses(serve, tmp_path):
    log = tmp_path / "access.log"
    server = serve(APP, "--access-logfile", log, "--access-logformat", "%(m)s %(s)s")
    refused = {b"BAD\r\n\r\n": "BAD 400", b"\r\nG\x01T / HTTP/1.1\r\n\r\n": "G 400", b"Y" * 80 + b" / HTTP/1.1\r\n\r\n": "Y" * 65 + " 501", b"none / HTTP/1.1\r\n\r\n": "none 501"}
    for line in refused:
        server.get("/" + "what-an-earlier-request-left-in-memory" * 3)
        server.raw(line)
    assert [line for line in lines(log, 1 + 2 * len(refused)) if not line.startswith("GET ")] == list(refused.values())


def test_json_lines_survive_a_quote(serve, tmp_path):
    log = tmp_path / "access.log"
    server = serve(APP, "--access-logfile", log, "--access-log-json")
    server.get("/j", {"User-Agent": 'a "quoted" \\ agent'})
    entry = json.loads(lines(log, 2)[-1])
    assert entry["url.path"] == "/j"
    assert entry["user_agent.original"] == 'a "quoted" \\ agent'
    assert entry["http.response.status_code"] == 200
    assert entry["prefork.request_id"]


def test_usr1_opens_files_anew(serve, tmp_path):
    access, error = tmp_path / "access.log", tmp_path / "error.log"
    server = serve(APP, "--access-logfile", access, "--error-logfile", error)
    server.get("/before")
    lines(access, 2)
    access.rename(tmp_path / "access.1")
    error.rename(tmp_path / "error.1")
    import signal

    server.signal(signal.SIGUSR1)
    until(lambda: access.exists() and error.exists(), "new files")
    server.get("/after")
    assert "/after" in lines(access, 1)[-1]
    assert "/before" in (tmp_path / "access.1").read_text()


def test_request_id_goes_back_when_asked(serve):
    server = serve(APP, "--request-id-response")
    reply = server.get("/")
    assert json.loads(reply.body)["prefork.request_id"] == reply.headers["X-Request-ID"]
    assert server.get("/", {"X-Request-ID": "abc-1"}).headers["X-Request-ID"] == "abc-1"
    assert server.get("/", {"X-Request-ID": "has a space"}).headers["X-Request-ID"] != "has a space"


ENVIRON_APPS = '''
def wsgi(environ, start_response):
    environ["shop.User"] = "ada \\u00e9\\n"
    environ["REMOTE_USER"] = "grace"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]

async def asgi(scope, receive, send):
    if scope["type"] == "http":
        scope["shop.User"] = "ada"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
        await send({"type": "http.response.body", "body": b"ok"})
'''


@pytest.mark.parametrize(("name", "line"), [("wsgi", "ada \u00e9\\x0a|grace|-|/x"), ("asgi", "ada|-|-|/x")])
def test_variables_that_only_the_application_sets(serve, tmp_path, name, line):
    (tmp_path / "environ_apps.py").write_text(ENVIRON_APPS)
    log = tmp_path / "access.log"
    server = serve(f"environ_apps:{name}", "--chdir", tmp_path, "--access-logfile", log, "--access-logformat", "%({shop.user}e)s|%({remote_user}e)s|%({Shop.None}e)s|%(U)s")
    reply = server.get("/x")
    assert not [field for field in reply.headers if "prefork" in field.lower()]
    until(lambda: line in log.read_text().splitlines(), "the line")
