"""--faults: what the clients of each supervisor notice of a reload and of killed workers.

prefork-load asks at a fixed rate over 64 keep-alive connections, checks every answer and retries nothing. The rate is what
every server is comfortable with: half of what it reaches, 10,000/s at most.
"""

import contextlib
import os
import pathlib
import random
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time

import drive
import peers
import processes
import report

SERVERS = ("prefork", "gunicorn-gthread", "uvicorn", "granian", "uwsgi")
WORKERS = 4
CONNECTIONS = 64
RELOAD_AT, RELOAD_RUN = 1.0, 6.0
KILLS, KILL_RUN = (0.7, 1.7, 2.7), 4.5


def start(server, folder):
    port = processes.free_port()
    app = "wsgi_app:hello" if "wsgi" in server.interfaces else "asgi_app:hello"
    argv = server.command(peers.Start(app, port, WORKERS))
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "VIRTUAL_ENV": sys.prefix, "PYTHONPATH": str(peers.APPS)}
    return processes.Running(argv, port, folder / f"{server.name}.log", None, env, peers.APPS)


def first_answer(server, folder):
    """Milliseconds from exec to the first whole answer."""
    running = start(server, folder)
    try:
        while time.monotonic() - running.started < 30 and running.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", running.port), 10) as client:
                client.settimeout(10)
                client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answer = b""
                while piece := client.recv(65536):
                    answer += piece
                if answer.startswith(b"HTTP/1.1 200 "):
                    return (time.monotonic() - running.started) * 1000
            time.sleep(0.001)
        raise RuntimeError(f"no answer: {running.last_words()}")
    finally:
        running.stop()


def wait_for_workers(running, seconds=30):
    """The workers, once as many run as were asked for and all of them have settled."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = processes.workers(running.pid)
        if len(found) >= WORKERS:
            return found
        time.sleep(0.02)
    raise RuntimeError(f"{len(processes.workers(running.pid))} workers, {running.last_words()}")


def comfortable_rate(running):
    reached = drive.run_load(running.port, "-c", CONNECTIONS, "-d", 0.7)["rate"]
    return int(min(10_000, max(100, reached / 2)))


def under_load(running, rate, seconds, disturb):
    """prefork-load's report of a run that `disturb` works against."""
    client = drive.start_load(running.port, "-c", CONNECTIONS, "-r", rate, "-d", seconds, "-t", 5)
    disturber = threading.Thread(target=disturb)
    disturber.start()
    found = drive.finish_load(client)
    disturber.join()
    return found


def during_reload(running, rate):
    gone_after = []

    def disturb():
        time.sleep(RELOAD_AT)
        old = processes.workers(running.pid)
        os.kill(running.pid, signal.SIGHUP)
        sent = time.monotonic()
        while time.monotonic() - sent < 60:
            if not any(processes.alive(pid) for pid in old):
                gone_after.append(time.monotonic() - sent)
                return
            time.sleep(0.005)

    found = under_load(running, rate, RELOAD_RUN, disturb)
    return figures(found) | {"old_gone_s": gone_after[0] if gone_after else None}


def during_kills(running, rate):
    choose = random.Random(1)

    def disturb():
        begin = time.monotonic()
        for at in KILLS:
            time.sleep(max(0.0, begin + at - time.monotonic()))
            left = processes.workers(running.pid)
            if left:   # a server may have given up after the first
                os.kill(choose.choice(left), signal.SIGKILL)

    return figures(under_load(running, rate, KILL_RUN, disturb))


def figures(found):
    return {"ok": found["ok"], "failed": found["failed"], "kinds": found["failures"], "p99_us": found["latency_us"]["p99"],
            "max_us": found["latency_us"]["max"], "unfinished": found["unfinished"]}


def one_server(server, folder, rounds):
    starts = [first_answer(server, folder) for _ in range(max(3, rounds))]
    running = start(server, folder)
    try:
        if not running.wait_until_it_listens():
            raise RuntimeError(running.last_words())
        wait_for_workers(running)
        drive.run_load(running.port, "-c", CONNECTIONS, "-n", 2000, "-t", 20)
        rate = comfortable_rate(running)
        reloads = [during_reload(running, rate) for _ in range(rounds)]
        wait_for_workers(running)
        kills = [during_kills(running, rate) for _ in range(rounds)]
        return {"first_answer_ms": statistics.median(starts), "rate": rate, "reload": together(reloads), "kills": together(kills)}
    finally:
        running.stop()


def together(rounds):
    kinds = {}
    for one in rounds:
        for kind, count in one["kinds"].items():
            kinds[kind] = kinds.get(kind, 0) + count
    gone = [one.get("old_gone_s") for one in rounds]
    return {"ok": sum(one["ok"] for one in rounds), "failed": sum(one["failed"] for one in rounds), "kinds": kinds,
            "p99_us": statistics.median(one["p99_us"] for one in rounds), "max_us": max(one["max_us"] for one in rounds),
            "old_gone_s": max(gone) if None not in gone else None}


def table(results):
    lines = ["| server | first answer | load | HUP: failed / ok | p99 | old workers gone | three kill -9: failed / ok | p99 | what failed |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"]
    for name, found in results.items():
        if "left_out" in found:
            lines.append(f"| {name} | left out: {found['left_out']} | | | | | | | |")
            continue
        hup, kills = found["reload"], found["kills"]
        kinds = {k: hup["kinds"].get(k, 0) + kills["kinds"].get(k, 0) for k in {**hup["kinds"], **kills["kinds"]}}
        gone = f"{hup['old_gone_s']:.2f} s" if hup["old_gone_s"] is not None else "never"
        lines.append(
            f"| {name} | {found['first_answer_ms']:.0f} ms | {found['rate']:,}/s | {hup['failed']:,} / {hup['ok']:,} | {report.microseconds(hup['p99_us'])} "
            f"| {gone} | {kills['failed']:,} / {kills['ok']:,} | {report.microseconds(kills['p99_us'])} "
            f"| {', '.join(f'{k} {n:,}' for k, n in kinds.items()) or '-'} |")
    return "\n".join(lines) + "\n"


def main(options, wanted):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="prefork-faults-"))
    servers = peers.install([peers.BY_NAME[name] for name in wanted])
    about = report.machine() | {"versions": peers.versions(servers), "command": " ".join(["compare.py", *sys.argv[1:]])}
    results = {}
    for server in servers:
        try:
            results[server.name] = one_server(server, folder, options.rounds)
        except (RuntimeError, OSError) as error:
            print(f"{server.name}: left out: {error}", file=sys.stderr)
            results[server.name] = {"left_out": str(error)[:200]}
        else:
            print(table({server.name: results[server.name]}).splitlines()[2], file=sys.stderr, flush=True)
    return results, about
