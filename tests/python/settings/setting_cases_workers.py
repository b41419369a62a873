"""Workers, queue and hooks: an effect for each setting."""

import pathlib
import re
import signal
import threading

from setting_cases import case, seen, statuses
from support.server import until


def workers_of(server):
    return server.log().count("Booting worker")


@case("workers")
def workers(walk):
    assert len(walk.wsgi("-w", "3").workers()) == 3


@case("worker_class")
def worker_class(walk):
    server = walk.asgi("-k", "uvicorn.workers.UvicornWorker")
    assert "_loop" in seen(server)
    assert "Using worker: uvicorn.workers.UvicornWorker" in server.log()


@case("threads")
def threads(walk):
    server = walk.wsgi("--threads", "3")
    assert seen(server)["wsgi.multithread"] is True
    assert len(list(pathlib.Path(f"/proc/{server.workers()[0]}/task").iterdir())) >= 3


@case("worker_connections")
def worker_connections(walk):
    server = walk.asgi("--worker-connections", "1")
    assert statuses(server, "/sleep/0.2", "/sleep/0.2", "/sleep/0.2") == [200] * 3
    assert seen(server)["_most"] == 1


@case("max_requests", "max_requests_jitter")
def max_requests(walk):
    server = walk.wsgi("--max-requests", "3", "--max-requests-jitter", "2")
    for _ in range(12):
        assert server.get("/").status == 200
    served = [int(count) for count in re.findall(r"it has served (\d+) requests", server.logged("it has served").string)]
    assert all(3 <= count <= 6 for count in served)


@case("max_lifetime")
def max_lifetime(walk):
    walk.wsgi("--max-lifetime", "300ms").logged("has reached --max-lifetime")


@case("max_worker_rss")
def max_worker_rss(walk):
    server = walk.wsgi("--max-worker-rss", "100M")
    server.get("/grow/150000000")
    server.logged("has passed --max-worker-rss")


@case("timeout")
def timeout(walk):
    server = walk.wsgi("--timeout", "1")
    expect_timeout(server)
    assert server.get("/sleep/60").status == 504


def expect_timeout(server):
    server.expect("WORKER TIMEOUT")
    server.expect("--timeout")
    server.expect("Fatal Python error: Aborted|no sign of life")


def later(server, path):
    """A request on a thread of its own, once the server has it."""
    result = []

    def ask():
        try:
            result.append(server.get(path).status)
        except OSError as error:
            result.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, result


@case("graceful_timeout")
def graceful_timeout(walk):
    server = walk.wsgi("--graceful-timeout", "500ms", "--metrics-path", "/metrics", "--threads", "2")
    server.expect("broken off|--graceful-timeout")
    server.expect("Error handling request GET /sleep|signal|killed")
    thread, _ = later(server, "/sleep/50")
    until(lambda: b"prefork_requests_in_flight 1" in server.get("/metrics").body, "the request's start")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    thread.join()


@case("boot_timeout")
def boot_timeout(walk):
    (walk.path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    server = walk.serve("slow:app", "--chdir", walk.path, "--boot-timeout", "300ms", ready=None)
    server.expect("not ready within --boot-timeout")
    server.logged("not ready within --boot-timeout")


@case("reload_mode")
def reload_mode(walk):
    server = walk.wsgi("--reload-mode", "surge", workers=3)
    start = len(server.log())
    server.signal(signal.SIGHUP)
    server.logged("Reloaded: generation 2")
    until(lambda: server.log().count("Worker exiting") == 3, "the old workers' end")
    assert re.findall("Booting|exiting", server.log()[start:])[:3] == ["Booting"] * 3


@case("drain_delay")
def drain_delay(walk):
    server = walk.wsgi("--drain-delay", "20", "--health-path", "/livez,/readyz")
    assert server.get("/readyz").status == 200
    server.signal(signal.SIGTERM)
    until(lambda: server.get("/readyz").status == 503, "readiness to fail")
    assert server.get("/").status == 200
    server.signal(signal.SIGQUIT)
    assert server.wait() == 0


@case("retry_crashed")
def retry_crashed(walk):
    server = walk.wsgi("--retry-crashed", workers=2)
    server.expect("signal 9|SIGKILL")
    server.expect("ended two workers")
    server.expect("two workers died")
    assert server.get("/die").status == 502
    assert server.log().count("GET /die") >= 2


@case("queue_size")
def queue_size(walk):
    server = walk.wsgi("--queue-size", "1")
    server.expect("503|limit")
    assert 503 in statuses(server, *["/sleep/0.5"] * 8)


@case("queue_timeout")
def queue_timeout(walk):
    server = walk.wsgi("--queue-timeout", "200ms")
    server.expect("waited longer than --queue-timeout")
    assert statuses(server, "/sleep/3", "/sleep/3") == [200, 503]


@case("request_timeout")
def request_timeout(walk):
    server = walk.wsgi("--request-timeout", "300ms", "--threads", "2")
    server.expect("request-timeout|took longer|504")
    assert server.get("/sleep/2").status == 504


@case("hold_timeout")
def hold_timeout(walk):
    (walk.path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    server = walk.serve("slow:app", "--chdir", walk.path, "--hold-timeout", "100ms", ready=None)
    server.expect("no worker became ready in time")
    server.logged("Listening at")
    assert server.get("/").status == 503
    server.expect("broken off|.")
    server.signal(signal.SIGQUIT)
    server.wait()


@case("limit_concurrency")
def limit_concurrency(walk):
    server = walk.wsgi("--limit-concurrency", "1")
    server.expect("--limit-concurrency")
    assert statuses(server, "/sleep/0.5", "/sleep/0.5") == [200, 503]


def region_bytes(server):
    maps = pathlib.Path(f"/proc/{server.pid}/maps").read_text()
    return sum(int(end, 16) - int(start, 16) for start, end in re.findall(r"^(\w+)-(\w+) .*memfd:prefork", maps, re.MULTILINE))


@case("request_ring", "reply_ring")
def rings(walk):
    small = region_bytes(walk.wsgi("--request-ring", "256K", "--reply-ring", "1M"))
    large = region_bytes(walk.wsgi("--request-ring", "4M", "--reply-ring", "8M"))
    assert large - small == (4 << 20) - (256 << 10) + (8 << 20) - (1 << 20)


@case("spin")
def spin(walk):
    server = walk.wsgi("--spin", "200000")
    pid = server.workers()[0]

    def ticks():
        return sum(map(int, pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))

    def busy():
        server.get("/")
        return ticks() > before + 10

    before = ticks()
    until(busy, "CPU time of a worker that does not sleep at once")


# The hooks: that each is called. Their order, processes and objects are tests/python/hooks'.
ALL = """
import os
def note(name):
    with open(os.environ["PREFORK_TEST"] + "/hooks", "a") as file:
        print(name, file=file)
def on_starting(server): note("on_starting")
def on_reload(server): note("on_reload")
def when_ready(server): note("when_ready")
def pre_fork(server, worker): note("pre_fork")
def post_fork(server, worker): note("post_fork")
def post_worker_init(worker): note("post_worker_init")
def worker_int(worker): note("worker_int")
def worker_abort(worker): note("worker_abort")
def pre_exec(server): note("pre_exec")
def pre_request(worker, req): note("pre_request")
def post_request(worker, req, environ, resp): note("post_request")
def child_exit(server, worker): note("child_exit")
def worker_exit(server, worker): note("worker_exit")
def nworkers_changed(server, new, old): note("nworkers_changed")
def on_exit(server): note("on_exit")
"""


def heard(walk, name, provoke=lambda server: server.get("/"), text=ALL, **options):
    server = walk.configured(text, **options)
    provoke(server)
    until(lambda: (walk.path / "hooks").exists() and name in (walk.path / "hooks").read_text().splitlines(), name)
    return server


@case("on_starting", "when_ready", "pre_fork", "post_fork", "post_worker_init", "pre_request", "post_request", "nworkers_changed")
def hooks_of_a_start_and_a_request(walk):
    for name in ("on_starting", "when_ready", "pre_fork", "post_fork", "post_worker_init", "pre_request", "post_request", "nworkers_changed"):
        if name == "on_starting":
            heard(walk, name)
        else:
            until(lambda name=name: name in (walk.path / "hooks").read_text().splitlines(), name)


@case("on_reload", "child_exit", "worker_exit")
def hooks_of_a_reload(walk):
    heard(walk, "on_reload", lambda server: server.signal(signal.SIGHUP))
    for name in ("child_exit", "worker_exit"):
        until(lambda name=name: name in (walk.path / "hooks").read_text().splitlines(), name)


@case("worker_int")
def worker_int(walk):
    heard(walk, "worker_int", lambda server: server.signal(signal.SIGQUIT)).wait()


@case("worker_abort")
def worker_abort(walk):
    def hang(server):
        expect_timeout(server)
        assert server.get("/sleep/60").status == 504

    heard(walk, "worker_abort", hang, "timeout = 1\n" + ALL)


@case("on_exit")
def on_exit(walk):
    heard(walk, "on_exit", lambda server: server.stop())


@case("pre_exec")
def pre_exec(walk):
    def upgrade(server):
        server.expect("The new master ended")
        server.signal(signal.SIGUSR2)
        until(lambda: server.log().count("Serving with 1 worker") == 2, "the successor")
        successor, = [pid for pid in server.tree()[1:] if "master" in pathlib.Path(f"/proc/{pid}/cmdline").read_text()]
        server.signal(signal.SIGTERM, successor)
        until(lambda: successor not in server.tree(), "the successor's end")

    heard(walk, "pre_exec", upgrade)


@case("sticky")
def sticky(walk):
    server = walk.serve("shared_apps:app", "--sticky", "ip", workers=3)
    server.logged("Serving with 3 workers")
    assert len({server.get("/pid").body for _ in range(12)}) == 1


@case("shared_memory")
def shared_memory(walk):
    server = walk.serve("shared_apps:app", "--shared-memory", "64k")
    assert server.get("/add/1").body == b"1"
    mapped = pathlib.Path(f"/proc/{server.workers()[0]}/maps").read_text()
    start, end = re.search(r"^(\w+)-(\w+) .*memfd:prefork-shared", mapped, re.MULTILINE).groups()
    assert int(end, 16) - int(start, 16) == 64 << 10
