#!/usr/bin/env python3
"""prefork against its peers: CPU per request, requests/s, latency and memory, measured in the same run.

Servers of a case run at the same time and are asked in turn, round by round, so that what else happens on the machine hits
all alike. Every server's answer is checked first. Tables, plots and JSON go to benchmarks/results/local (--keep NAME: to
benchmarks/results/NAME, for a release).
"""

import argparse
import contextlib
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

IDLE = 10_000
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent


def in_own_environment():
    """Runs this program again inside build/venv-bench, which tools/bench makes; made here when it was started by hand."""
    venv = ROOT / "build" / "venv-bench"
    if pathlib.Path(sys.prefix) == venv:
        return
    if not (venv / "bin" / "pip").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin" / "pip", "install", "-q", "-r", HERE / "requirements.txt"], check=True)
    os.execv(venv / "bin" / "python", [venv / "bin" / "python", *sys.argv])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="", help="comma list of cases, or of beginnings with * (headers-*); --list shows them")
    parser.add_argument("--servers", default="", help="comma list of servers; --list shows them")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of one server in one round")
    parser.add_argument("--quick", action="store_true", help="the cases and servers that say most, one short round: about 3 minutes")
    parser.add_argument("--faults", action="store_true", help="what fails during reloads and kills, beside other supervisors")
    parser.add_argument("--floor", action="store_true", help="the C++ EchoApp beside a raw epoll responder")
    parser.add_argument("--only-table", metavar="JSON", help="print the table and redo the plots of a run that was saved")
    parser.add_argument("--keep", metavar="NAME", help="save as benchmarks/results/NAME.*")
    parser.add_argument("--no-plots", action="store_true")
    parser.add_argument("--list", action="store_true", help="the cases and servers")
    return parser.parse_args()


def pick(wanted, known):
    """The names that a comma list with * stands for, in the order of `known`; an unknown one ends the program."""
    if not wanted:
        return list(known)
    names = set()
    for item in wanted.split(","):
        found = [n for n in known if n == item or (item.endswith("*") and n.startswith(item[:-1]))]
        if not found:
            sys.exit(f"compare.py: {item}: no such name; there are {', '.join(known)}")
        names.update(found)
    return [n for n in known if n in names]


def cores():
    """A core for the server and one for the client, or none when there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return (available[0], available[1]) if len(available) > 1 else (None, None)


def environment(file_path):
    env = {**os.environ, "BENCH_FILE": str(file_path), "PYTHONDONTWRITEBYTECODE": "1", "VIRTUAL_ENV": sys.prefix}
    env["PATH"] = f"{sys.prefix}/bin{os.pathsep}{env['PATH']}"
    env["PYTHONPATH"] = str(HERE / "apps")
    return env


@contextlib.contextmanager
def idle_connections(process, count):
    """So many keep-alive connections to the server, of which one asks something now and then."""
    import drive

    client = drive.start_load(process.port, "-c", count, "-r", 1, "-d", 600)
    try:
        deadline = time.monotonic() + 20
        while process.descriptors() < count and time.monotonic() < deadline:
            time.sleep(0.05)
        if process.descriptors() < count:
            raise RuntimeError(f"{process.descriptors()} of {count} idle connections")
        yield
    finally:
        client.terminate()
        drive.finish_load(client)


class Bench:
    def __init__(self, options, servers):
        self.options = options
        self.servers = servers
        self.results = {}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="prefork-bench-"))
        import wsgi_app

        (self.folder / "megabyte").write_bytes(wsgi_app.MEGABYTE)
        self.env = environment(self.folder / "megabyte")

    def start(self, server, case):
        import peers
        import processes

        port = processes.free_port()
        log = str(self.folder / f"{server.name}.access") if case.logged else ""
        argv = server.command(peers.Start(case.app, port, case.workers, case.threads, log))
        core = cores()[0] if case.pinned else None
        return processes.Running(argv, port, self.folder / f"{server.name}.log", core, self.env, HERE / "apps")

    def suits(self, server, case):
        return case.interface in server.interfaces and (server.access_log or not case.logged)

    def run_group(self, cases):
        """Cases with one setup: the servers are started once."""
        import drive

        running = {}
        try:
            for server in self.servers:
                if self.suits(server, cases[0]):
                    running[server.name] = self.start(server, cases[0])
            for case in cases:
                self.results[case.name] = {}
                ready = {}
                for name, process in running.items():
                    wrong = None if process.wait_until_it_listens() else f"does not start: {process.last_words()}"
                    wrong = wrong or drive.look(case, process.port)
                    if wrong:
                        print(f"{case.name}: {name} is left out: {wrong}", file=sys.stderr)
                        self.results[case.name][name] = {"left_out": wrong[:200]}
                    else:
                        ready[name] = process
                self.run_case(case, ready)
        finally:
            for process in running.values():
                process.stop()

    def run_case(self, case, ready):
        import drive
        import report

        client = cores()[1] if case.pinned else None
        for process in ready.values():   # caches, pools and lazily made things
            if case.kind == "wrk" and case.pipeline == 1 and not case.body_bytes:
                drive.run_load(process.port, "-d", 0.2, "-c", 8, "-t", 5, "--any-body", path=case.path, cpu=client)
        rounds = {name: [] for name in ready}
        for _ in range(self.options.rounds):
            for name, process in ready.items():
                try:
                    rounds[name].append(self.measure(case, process, client))
                except RuntimeError as error:
                    print(f"{case.name}: {name}: {error}", file=sys.stderr)
        for name, found in rounds.items():
            self.results[case.name][name] = report.summarise(found) if found else {"left_out": "no round was finished"}
        self.say(case)

    def measure(self, case, process, client):
        import drive
        import processes

        seconds = self.options.seconds
        before = processes.cpu_ns(process.pids())
        if case.kind == "ws":
            found = drive.from_load(drive.run_load(process.port, "--mode", "ws", "-c", case.connections, "-d", seconds, cpu=client))
        elif case.kind == "head-of-line":
            found = self.head_of_line(case, process, seconds)
        elif case.kind == "idle":
            with idle_connections(process, IDLE):
                before = processes.cpu_ns(process.pids())
                found = drive.run_wrk(case, process.port, seconds, client)
                found |= {"cpu_ns": processes.cpu_ns(process.pids()) - before, "pss": process.memory()}
        else:
            found = drive.run_wrk(case, process.port, seconds, client)
        found.setdefault("cpu_ns", processes.cpu_ns(process.pids()) - before)
        found.setdefault("pss", process.memory())
        return found

    def head_of_line(self, case, process, seconds):
        """Two clients keep two workers in requests of 100 ms; the figures are those of everybody else.

        The others are connected first, as a proxy's connections are: a server whose workers accept for themselves has then
        dealt them out. At a fixed rate: as fast as possible, the few requests that wait for a blocked worker would drown
        among a hundred thousand that do not.
        """
        import drive

        fast = drive.start_load(process.port, "-c", case.connections, "-d", seconds + 0.2, "-r", 2000)
        time.sleep(0.2)
        slow = drive.start_load(process.port, "-c", 2, "-d", seconds, path="/sleep/0.1")
        found = drive.finish_load(fast)
        drive.finish_load(slow)
        return drive.from_load(found)

    def say(self, case):
        import report

        print(report.overview(self.results, [case]), flush=True)


QUICK_SERVERS = "prefork,fastwsgi,bjoern,granian,gunicorn-gthread,uvicorn,granian-asgi,fastpysgi-uvloop"


def run(options, servers, chosen):
    """The results of these cases and servers, and what is to be known about the run."""
    import peers
    import report

    bench = Bench(options, servers)
    groups = {}
    for case in chosen:
        groups.setdefault(case.setup(), []).append(case)
    about = report.machine() | {"versions": peers.versions(servers), "command": " ".join(["compare.py", *sys.argv[1:]]),
                                "rounds": options.rounds, "seconds": options.seconds}
    for group in groups.values():
        bench.run_group(group)
    return bench.results, about


def compare(options):
    import cases
    import peers

    names = pick(options.cases, list(cases.BY_NAME))
    if options.quick:
        options.rounds, options.seconds = 1, 1
        names = [n for n in names if cases.BY_NAME[n].quick]
    wanted = options.servers or (QUICK_SERVERS if options.quick else "")
    servers = peers.install([peers.BY_NAME[n] for n in pick(wanted, list(peers.BY_NAME))])
    chosen = [cases.BY_NAME[n] for n in names]
    results, about = run(options, servers, chosen)
    finish(options, about, results, chosen, report_of(results, chosen, about))


def compare_floor(options):
    import floor_cases
    import peers

    known = {case.name: case for case, _ in floor_cases.CASES}
    chosen = [known[name] for name in pick(options.cases, list(known))]
    servers = [floor_cases.ECHO_APP, floor_cases.FLOOR]
    missing = [s.name for s in servers if not pathlib.Path(s.command(peers.Start("", 0))[0]).exists()]
    if missing:
        sys.exit(f"compare.py: not built: {', '.join(missing)}")
    results, about = run(options, servers, chosen)
    finish(options, about, results, chosen, report_of(results, chosen, about) + floor_cases.ratios(results))


def compare_faults(options):
    import faults
    import peers
    import report

    results, about = faults.main(options, pick(options.servers, list(faults.SERVERS if not options.servers else peers.BY_NAME)))
    finish(options, about, results, [], report.heading(about) + faults.table(results), "-faults")


def report_of(results, chosen, about):
    import report

    return report.heading(about) + report.markdown(results, chosen)


def finish(options, about, results, chosen, text, suffix=""):
    import report

    folder = report.RESULTS if options.keep else report.RESULTS / "local"
    stem = (options.keep or about["when"].replace(" UTC", "").replace(" ", "-").replace(":", "")) + suffix
    print(text)
    report.save(results, about, text, folder, stem)
    if chosen and not options.no_plots:
        report.plot(results, chosen, about, folder, stem)
    print(f"saved as {(folder / stem).relative_to(ROOT)}.*", file=sys.stderr)


def only_table(options):
    import cases
    import floor_cases
    import json

    saved = json.loads(pathlib.Path(options.only_table).read_text())
    known = [*cases.CASES, *(case for case, _ in floor_cases.CASES)]
    chosen = [case for case in known if case.name in saved["results"]]
    finish(options, saved["about"], saved["results"], chosen, report_of(saved["results"], chosen, saved["about"]))


def main():
    options = arguments()
    in_own_environment()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))   # for the servers and clients too
    import cases
    import peers

    if options.list:
        print("\n".join(["servers:", *(f"  {s.name:20} {'/'.join(s.interfaces)}" for s in peers.SERVERS),
                         "cases:", *(f"  {c.name:20} {c.title}" for c in cases.CASES)]))
    elif options.only_table:
        only_table(options)
    elif options.faults:
        compare_faults(options)
    elif options.floor:
        compare_floor(options)
    else:
        compare(options)


if __name__ == "__main__":
    main()
