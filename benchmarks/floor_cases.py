"""--floor: the C++ EchoApp, through the whole of prefork, beside prefork-floor, which does nothing but read and write."""

import os

import peers
from cases import BROWSER, Case

FLOOR = peers.Server("floor", ("echo",), lambda start: [str(peers.BUILD / "prefork-floor"), str(start.port), *start.app.split()])


def echo_app(start):
    flags = os.environ.get("BENCH_PREFORK_FLAGS", "").split()
    return [str(peers.BUILD / "prefork"), "--app", "echo", "-w", str(start.workers), "-b", f"127.0.0.1:{start.port}", *flags]


ECHO_APP = peers.Server("prefork-echo", ("echo",), echo_app)


def _case(name, title, app, length, goal=None, **more):
    return Case(f"floor-{name}", title, "echo", app, lambda body: len(body) == length, **more), goal


# A case, and how many times the floor's CPU it may cost.
CASES = [
    *(_case(f"hello-{c}", f"EchoApp hello, 8 headers, c={c}", "hello 13", 13, goal, headers=BROWSER, connections=c)
      for c, goal in ((8, 2.0), (64, 1.6), (256, 1.8), (512, None))),
    _case("idle-10k", "EchoApp hello, 8 headers, c=64, beside 10,000 idle connections", "hello 13", 13, 1.6, headers=BROWSER, kind="idle"),
    _case("pipelined", "EchoApp hello pipelined x16, c=64", "hello 13", 13, headers=BROWSER, pipeline=16),
    _case("echo-64k", "EchoApp 64 KB echo, c=16", "echo 65536", 65536, path="/echo", body_bytes=65536, connections=16),
    _case("reply-1m", "EchoApp 1 MB reply, c=8", "hello 1048576", 1 << 20, path="/len/1048576", connections=8),
    _case("stream", "EchoApp 16 KB x 100 streamed, c=8", "stream 100 16384", 1638400, path="/chunks/100/16384", connections=8),
]


def ratios(results):
    lines = ["### EchoApp in units of the floor's CPU", "", "| case | floor us | EchoApp us | ratio | goal |", "| --- | ---: | ---: | ---: | ---: |"]
    for case, goal in CASES:
        found = results.get(case.name, {})
        floor, echo = (found.get(name, {}).get("cpu_us") for name in ("floor", "prefork-echo"))
        if floor and echo:
            lines.append(f"| {case.title} | {floor:.2f} | {echo:.2f} | {echo / floor:.2f} | {goal or '-'} |")
    return "\n".join(["", *lines, ""])


