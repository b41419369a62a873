"""The same command line run by gunicorn and by prefork; what can be seen from outside is compared."""

import os
import re
import signal
import socket

import pytest

from differences import DIFFERENCES
from support.datagrams import Datagrams
from support.server import free_port, until

FORMAT = "|".join(f"%({atom})s" for atom in ("h", "l", "u", "r", "s", "m", "U", "q", "H", "b", "B", "f", "a", "{x-mine}i", "{X-Shown}o", "{server_protocol}e", "{nothing}e", "t", "T", "D", "L", "M", "p"))

REQUESTS = [
    "GET /a/b?c=d&e HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl/8\r\nReferer: http://from/\r\nX-Mine: here\r\nConnection: close\r\n\r\n",
    "GET /no-query HTTP/1.0\r\nHost: shop.example\r\n\r\n",
    "HEAD /head HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
    "POST /post HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
    "PUT /put? HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    'GET /quote HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: say "hi"\r\nConnection: close\r\n\r\n',
    "GET /%7Euser/%20blank HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
    "GET http://shop.example/absolute HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
    "GET /auth HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Basic YWRhOnNlY3JldA==\r\nConnection: close\r\n\r\n",
    "GET /auth HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Basic !!!\r\nConnection: close\r\n\r\n",
    "GET /auth HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer x\r\nConnection: close\r\n\r\n",
    "DELETE /x HTTP/1.1\r\nHost: shop.example\r\nX-Mine: a\r\nX-Mine: b\r\nConnection: close\r\n\r\n",
]


def normal(line):
    """Times, durations and process ids by their form; the length of a body that shows its server's own variables is not compared."""
    fields = line.split("|")
    assert re.fullmatch(r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]", fields[17]), line
    assert fields[18].isdigit() and fields[19].isdigit() and re.fullmatch(r"\d+\.\d{6}", fields[20]) and fields[21].isdigit(), line
    assert re.fullmatch(r"<\d+>", fields[22]), line
    return [*fields[:9], fields[9].isdigit(), fields[10].isdigit(), *fields[11:17]]


def test_access_logs_have_the_same_lines(both):
    seen = []
    for peer in both("--access-logfile", "access.log", "--access-logformat", FORMAT):
        for request in REQUESTS:
            peer.raw(request)
        lines = until(lambda peer=peer: len(found := [line for line in peer.text("access.log").splitlines() if "/ready" not in line]) >= len(REQUESTS) and found, f"the lines of {peer.name}")
        seen.append([normal(line) for line in lines])
    assert seen[0] == seen[1]


def test_default_access_log_and_standard_output(both):
    forms = []
    for peer in both("--access-logfile", "-"):
        peer.logged(r'"GET /ready HTTP/1.0" 200')
        line = next(line for line in peer.text("output").splitlines() if "/ready" in line)
        forms.append(re.sub(r"\d+", "0", line))
    assert forms[0] == forms[1]


def test_addresses_of_each_kind_are_served_and_left(both, tmp_path):
    for peer in both("-b", "127.0.0.1:PORT", "-b", "[::1]:PORT", "-b", "unix:web.sock", "-m", "0117"):
        assert peer.get()[0] == 200
        assert peer.get(address=("::1", peer.port))[0] == 200
        path = str(peer.folder / "web.sock")
        status, environ = peer.get(address=path)
        assert status == 200
        assert environ["REMOTE_ADDR"] == ""
        assert os.stat(path).st_mode & 0o777 == 0o660
        assert peer.stop() == 0
        assert not os.path.exists(path)


def test_ipv6_takes_ipv4_too_unless_that_has_an_address_of_its_own(both, one):
    seen = []
    for peer in [*both("-b", "[::]:PORT"), *both("-b", ":PORT"), one("prefork", "-b", "[::]:PORT", "-b", "0.0.0.0:PORT")]:
        status, environ = peer.get()
        assert status == 200 and (peer.name == "gunicorn" or peer.get(address=("::1", peer.port))[0] == 200)
        seen.append(environ["REMOTE_ADDR"])
    assert seen == ["::ffff:127.0.0.1"] + ["127.0.0.1"] * 4


def test_a_descriptor_is_served(one):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = listener.getsockname()
        for name in ("gunicorn", "prefork"):
            peer = one(name, "-b", f"fd://{listener.fileno()}", ready=False, pass_fds=[listener.fileno()])
            peer.port = address[1]
            until(lambda peer=peer: "Listening at" in peer.text("output"), "the start")
            assert peer.get()[0] == 200
            assert peer.stop() == 0


SPOKEN = "raw_env = ['DROPIN_TEST=file']\nproc_name = 'file'\naccesslog = 'file.log'\n"


@pytest.mark.parametrize(("arguments", "env", "expected"), [
    ([], {}, "file"),
    ([], {"GUNICORN_CMD_ARGS": "-b 127.0.0.1:PORT -e DROPIN_TEST=variable"}, "variable"),
    (["-e", "DROPIN_TEST=typed"], {"GUNICORN_CMD_ARGS": "-b 127.0.0.1:PORT -e DROPIN_TEST=variable"}, "typed"),
    (["-c", "other.py"], {}, "other"),
    (["-c", "file:other.py"], {"GUNICORN_CMD_ARGS": "-b 127.0.0.1:PORT -c gunicorn.conf.py"}, "other"),
    ([], {"GUNICORN_CMD_ARGS": "-b 127.0.0.1:PORT -c python:other"}, "other"),
])
def test_later_sources_win(both, arguments, env, expected):
    for peer in both(*arguments, env=env, files={"gunicorn.conf.py": SPOKEN, "other.py": SPOKEN.replace("file'", "other'")}):
        assert peer.get()[1]["_env"] == expected, peer.name


def test_platform_variables(both):
    for peer in both(env={"PORT": "PORT", "WEB_CONCURRENCY": "2"}, ready=False):
        peer.logged(rf"Listening at: http://0\.0\.0\.0:{peer.port} ")
        peer.wait_ready()
        until(lambda peer=peer: len(peer.workers()) == 2, "two workers")


def test_directories_and_files_are_where_they_were_named(both):
    seen = []
    for peer in both("--chdir", "/tmp", "--pythonpath", "/first,/second", "-e", "DROPIN_TEST=set", "-p", "PORT.pid"):
        environ = peer.get()[1]
        seen.append((environ["_cwd"], environ["_path"], environ["_env"]))
        assert open(f"/tmp/{peer.port}.pid").read() == f"{peer.pid}\n"
        assert peer.stop() == 0
        assert not os.path.exists(f"/tmp/{peer.port}.pid")
    assert seen[0] == seen[1]


LONG = "x" * 5000
WIRE = {
    "plain": "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "long line": f"GET /{LONG} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "many fields": "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + "".join(f"X-{n}: 1\r\n" for n in range(120)) + "\r\n",
    "large field": f"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: {LONG * 2}\r\n\r\n",
    "no request": "nonsense\r\n\r\n",
    "version": "GET / HTTP/3.7\r\nHost: a\r\n\r\n",
    "blank in a name": "GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
    "two lengths": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunks": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: nonsense\r\n\r\n",
    "negative length": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "folding": "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
    "under_score": "GET / HTTP/1.1\r\nHost: a\r\nX_Y: 1\r\nConnection: close\r\n\r\n",
}


def test_the_same_requests_are_refused(both):
    theirs, ours = [{what: peer.status(text) for what, text in WIRE.items()} for peer in both()]
    assert DIFFERENCES["protocol"]
    assert (theirs.pop("version"), theirs.pop("coding")) == (400, 501)
    assert (ours.pop("version"), ours.pop("coding")) == (505, 400)
    assert theirs == ours


def test_raised_limits_let_large_requests_through(both):
    arguments = ("--limit-request-line", "8000", "--limit-request-fields", "200", "--limit-request-field_size", "20000")
    statuses = [[peer.status(WIRE[what]) for what in ("long line", "many fields", "large field")] for peer in both(*arguments)]
    assert statuses[0] == statuses[1] == [200, 200, 200]


FORWARDED = [
    [("X-Forwarded-Proto", "https")], [("X-Forwarded-Proto", "http")], [("X-Forwarded-Proto", "HTTPS")], [("X-Forwarded-Proto", "https, http")],
    [("X-Forwarded-Ssl", "on")], [("X-Forwarded-Ssl", "off")], [("X-Forwarded-Protocol", "ssl")], [("X-Forwarded-Proto", "https"), ("X-Forwarded-Ssl", "on")],
    [("X-Forwarded-Proto", "https"), ("X-Forwarded-Ssl", "off")], [("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")],
    [("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "https")], [("X-Own-Scheme", "tls")], [("X-Forwarded-For", "192.0.2.1, 10.0.0.1")],
    [("Forwarded", "for=192.0.2.1;proto=https")], [("SCRIPT_NAME", "/base")], [("PATH_INFO", "/other")], [("REMOTE_USER", "ada")],
]


@pytest.mark.parametrize("arguments", [[], ["--forwarded-allow-ips", "192.0.2.7"], ["--forwarded-allow-ips", "*"], ["-c", "scheme.py"], ["--forwarder-headers", "REMOTE_USER"],
                                       ["--forwarder-headers", "*"], ["--header-map", "refuse"], ["--header-map", "dangerous"]], ids=lambda words: " ".join(words) or "default")
def test_what_proxies_say(both, arguments):
    seen = []
    for peer in both(*arguments, files={"scheme.py": "secure_scheme_headers = {'X-OWN-SCHEME': 'tls'}\n"}):
        answers = []
        for headers in FORWARDED:
            status, environ = peer.get("/base/x", headers)
            shown = [environ.get(name) for name in ("wsgi.url_scheme", "REMOTE_ADDR", "SCRIPT_NAME", "PATH_INFO", "HTTP_REMOTE_USER", "HTTP_SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT")]
            answers.append((headers, status, shown[:-1] if status == 200 else None))  # the port is each one's own
        seen.append(answers)
    assert [pair for pair in zip(*seen) if pair[0] != pair[1]] == []


@pytest.mark.parametrize("way", ["variable", "argument"])
def test_script_name_is_in_front_of_the_path(both, way):
    arguments, env = (["-e", "SCRIPT_NAME=/base"], {}) if way == "argument" else ([], {"SCRIPT_NAME": "/base"})
    seen = []
    for peer in both(*arguments, env=env):
        seen.append([(environ.get("SCRIPT_NAME"), environ.get("PATH_INFO"), status) for status, environ in map(peer.get, ("/base/x", "/base", "/base/"))])
    assert seen[0] == seen[1]


HOOKS = """
import os
def note(*words):
    with open(os.environ["PREFORK_TEST"] + "/hooks", "a") as file:
        print(*words, file=file)
def on_starting(server): note("on_starting", server.cfg.workers, server.address[0][0], server.pid > 0, server.proc_name)
def on_reload(server): note("on_reload", server.num_workers)
def when_ready(server): note("when_ready", server.num_workers, len(server.WORKERS) <= 1)
def pre_fork(server, worker): note("pre_fork", worker.age)
def post_fork(server, worker): note("post_fork", worker.age, worker.pid == os.getpid(), server.pid == os.getppid(), worker.ppid == server.pid)
def post_worker_init(worker): note("post_worker_init", worker.alive, worker.nr, worker.cfg.proc_name)
def worker_int(worker): note("worker_int", worker.alive)
def worker_abort(worker): note("worker_abort")
def pre_request(worker, req): note("pre_request", worker.booted, req.method, req.path, req.query, req.uri, req.version, sorted(req.headers))
def post_request(worker, req, environ, resp): note("post_request", resp.status, resp.sent > 0, req.method, environ["PATH_INFO"], resp.status_code)
def child_exit(server, worker): note("child_exit", worker.age)
def worker_exit(server, worker): note("worker_exit", worker.age)
def nworkers_changed(server, new, old): note("nworkers_changed", new, old)
def on_exit(server): note("on_exit")
"""


def test_hooks_run_in_the_same_order_with_the_same_facts(both):
    """Those of one process in the same order; those of the master beside a worker's may come a little earlier or later."""
    seen = []
    for peer in both("-c", "conf.py", "-n", "shop", files={"conf.py": HOOKS}):
        peer.logged(r"when_ready", "hooks")
        peer.raw("GET /seen?x=1 HTTP/1.1\r\nHost: shop.example\r\nX-B: 2\r\nConnection: close\r\n\r\n")
        peer.logged("post_request .* GET /seen", "hooks")
        peer.signal(signal.SIGTTIN)
        peer.logged("nworkers_changed 2 1", "hooks")
        until(lambda peer=peer: peer.text("hooks").count("post_worker_init") == 2, "the second worker")
        peer.signal(signal.SIGTTOU)
        peer.logged("nworkers_changed 1 2", "hooks")
        until(lambda peer=peer: peer.text("hooks").count("child_exit") == 1, "the end of one")
        peer.signal(signal.SIGHUP)
        peer.logged("on_reload", "hooks")
        until(lambda peer=peer: peer.text("hooks").count("child_exit") == 2, "the end of the old one")
        until(lambda peer=peer: peer.text("hooks").count("post_worker_init") == 3, "the third worker")
        assert peer.stop() == 0
        peer.logged("on_exit", "hooks")
        assert DIFFERENCES["hooks"]
        lines = [line for line in peer.text("hooks").splitlines() if "/ready" not in line and line != "nworkers_changed 1 1"]
        seen.append({kind: [line for line in lines if line.split()[0] in kinds] for kind, kinds in {
            "ends": ("on_starting", "on_exit"), "sizes": ("nworkers_changed",), "reload": ("on_reload",), "ready": ("when_ready",),
            "requests": ("pre_request", "post_request"), "starts": ("post_fork", "post_worker_init"), "forks": ("pre_fork",),
            "exits": ("worker_exit",), "reaped": ("child_exit",)}.items()})
        # Ours lets one go that is not yet ready, if there is one: the second may be at its last step.
        for kind in ("exits", "reaped"):
            seen[-1][kind].sort()
        assert [line.split()[0] for line in lines[:2]] == ["nworkers_changed", "on_starting"] and lines[-1] == "on_exit"
    assert seen[0] == seen[1]


def test_statsd_gets_the_same_lines(one):
    kinds = []
    with Datagrams() as port:
        for name in ("gunicorn", "prefork"):
            arguments = ("--statsd-host", port.address, "--statsd-prefix", "shop", "--dogstatsd-tags", "env:test")
            peer = one(name, *arguments)
            text = port.take(r"gunicorn\.requests:", r"request\.duration:", r"status\.200:", r"gunicorn\.workers:1\|g")
            kinds.append({re.sub(r":[\d.]+\|", ":N|", line) for line in text.splitlines() if "request" in line or "workers" in line})
            peer.stop()
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("kind", ["udp", "tcp", "dgram", "stream"])
def test_a_syslog_gets_lines_of_the_same_form(one, tmp_path, kind):
    """gunicorn writes the access log there too when syslog is on; the error log's lines are compared by their form."""
    assert "syslog" in DIFFERENCES
    kinds = []
    with Datagrams(kind, tmp_path if kind in ("dgram", "stream") else None) as place:
        for name in ("gunicorn", "prefork"):
            peer = one(name, "--log-syslog", "--log-syslog-to", place.url, "--log-syslog-prefix", "shop", "--log-syslog-facility", "local1")
            lines = re.split(r"[\0\n]+", place.take("Listening at", "GET /ready"))
            kinds.append([re.sub(r"\d+", "0", next(line for line in lines if what in line)) for what in ("Listening at", "GET /ready")])
            peer.stop()
    assert kinds[0] == kinds[1]


def test_usr1_opens_the_logs_anew(both):
    for peer in both("--access-logfile", "access.log", "--error-logfile", "error.log"):
        peer.lines("access.log", 1)
        os.rename(peer.folder / "access.log", peer.folder / "access.1")
        os.rename(peer.folder / "error.log", peer.folder / "error.1")
        peer.signal(signal.SIGUSR1)
        until(lambda peer=peer: (peer.folder / "access.log").exists() and (peer.folder / "error.log").exists(), "new files")
        until(lambda peer=peer: peer.get("/after") and "/after" in peer.text("access.log"), "the line in the new file")


def test_daemon_with_pidfile(both):
    mask = os.umask(0o077)
    try:
        peers = both("-D", "-p", "x.pid", "--error-logfile", "error.log", ready=False)
    finally:
        os.umask(mask)
    for peer in peers:
        assert peer.process.wait(60) == 0
        pid = int(until(lambda peer=peer: peer.text("x.pid").strip(), "the pid file"))
        peer.logged(r"Listening at", "error.log")
        until(lambda peer=peer: peer.get()[0] == 200 if "Booting worker" in peer.text("error.log") else False, "an answer")
        assert [(peer.folder / name).stat().st_mode & 0o777 for name in ("x.pid", "error.log")] == [0o644, 0o644], peer.name
        os.kill(pid, signal.SIGTERM)
        until(lambda peer=peer: not (peer.folder / "x.pid").exists(), "the end")
        peer.logged(r"Shutting down: Master", "error.log")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_exit_status_of_signals(both, number):
    for peer in both():
        assert peer.stop(number) == 0, peer.name


BROKEN = {"fails_app.py": "raise ValueError('cannot load')\n", "exits_app.py": "import sys\nsys.exit(5)\n"}


@pytest.mark.parametrize("app", ["no_such_module:app", "dropin_app:nothing", "fails_app:app", "dropin_app:app(", "dropin_app:os"])
def test_exit_status_of_applications_that_cannot_start(both, app):
    statuses = []
    for peer in both(app=app, ready=False, files=BROKEN):
        statuses.append(peer.process.wait(120))
    assert statuses[0] == statuses[1]


def test_a_port_in_use_is_said_and_ends_both(both):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        peers = both("-b", f"127.0.0.1:{port}", ready=False)
        for peer in peers:
            peer.logged(rf"Connection in use: \('127\.0\.0\.1', {port}\)|Connection in use: 127\.0\.0\.1:{port}")
            assert peer.process.wait(120) == 1


def test_lines_that_people_look_for(both):
    for peer in both("-n", "shop", "-k", "sync"):
        peer.signal(signal.SIGHUP)
        peer.logged("Handling signal: hup")
        peer.logged(r"Worker exiting \(pid: \d+\)")
        assert peer.stop() == 0
        for pattern in (r"\[INFO\] Starting \w+ \d+\.\d+", rf"\[INFO\] Listening at: http://127\.0\.0\.1:{peer.port} \({peer.pid}\)", r"\[INFO\] Using worker: sync",
                        r"\[INFO\] Booting worker with pid: \d+", r"\[INFO\] Handling signal: term", r"\[INFO\] Shutting down: Master"):
            assert re.search(pattern, peer.text("output")), (peer.name, pattern)


def test_reload_follows_a_file(both):
    source = "def app(environ, start_response):\n    start_response('200 OK', [('Content-Length', '1')])\n    return [b'%s']\n"
    for peer in both("--reload", "--reload-engine", "poll", app="changing:app", files={"changing.py": source % "1"}):
        (peer.folder / "changing.py").write_text(source % "2" + "# longer\n")
        until(lambda peer=peer: peer.raw(WIRE["plain"]).endswith(b"2"), f"the new code in {peer.name}")


def test_preload_imports_once(both):
    source = "import os\nLOADED = os.getpid()\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    return [f'{LOADED} {os.getpid()}'.encode()]\n"
    for peer in both("--preload", "-w", "2", app="loading:app", files={"loading.py": source}):
        loaded, served = peer.raw("GET / HTTP/1.0\r\n\r\n").rpartition(b"\r\n\r\n")[2].split()
        assert loaded != served


def test_two_servers_on_a_port(both):
    port = free_port()
    for peer in both("-b", f"127.0.0.1:{port}", "--reuse-port", ready=False):
        peer.port = port
        peer.wait_ready()
        assert peer.get()[0] == 200


def test_paste_is_explained(both):
    ours = both("--paste", "app.ini", app=None, ready=False)[1]
    assert ours.process.wait(60) == 2
    assert "loadapp" in ours.text("output")
