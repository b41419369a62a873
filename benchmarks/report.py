"""Rounds become one figure each (the median), figures become a table in Markdown, a JSON file and plots."""

import json
import os
import pathlib
import platform
import statistics
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def summarise(rounds):
    """rounds: [{requests, seconds, cpu_ns, p50_us, p99_us, errors, pss}] of one server in one case."""
    def per_round(compute):
        return [compute(r) for r in rounds if r["requests"] > 0]

    errors = {}
    for one in rounds:
        for kind, count in one["errors"].items():
            if count:
                errors[kind] = errors.get(kind, 0) + count
    last = rounds[-1]["pss"]
    return {
        "cpu_us": median(per_round(lambda r: r["cpu_ns"] / 1000 / r["requests"])),
        "rps": median(per_round(lambda r: r["requests"] / r["seconds"])),
        "p50_us": median(per_round(lambda r: r["p50_us"])),
        "p99_us": median(per_round(lambda r: r["p99_us"])),
        "pss_kib": last["master"] + sum(last["workers"]),
        "pss_master_kib": last["master"],
        "errors": errors,
        "rounds": len(rounds),
    }


def _output(*argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True, cwd=ROOT).stdout.strip()
    except OSError:
        return ""


def machine():
    model = [line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    dirty = "+" if _output("git", "status", "--porcelain", "--untracked-files=no") else ""
    return {
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": _output("git", "rev-parse", "--short=12", "HEAD") + dirty,
        "cpu": model[0] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "wrk": (_output("wrk", "-v").split("\n")[0].split("[")[0]).strip(),
        "load_average": os.getloadavg()[0],
    }


def microseconds(value):
    if not value:   # wrk measures no latency in a pipeline
        return "-"
    return f"{value / 1000:.1f} ms" if value >= 10_000 else f"{value / 1000:.2f} ms" if value >= 1000 else f"{value:.0f} us"


def heading(about):
    head = f"{about['when']}, commit {about['commit']}, {about['cpu']} x {about['cores']}, Linux {about['kernel']}, Python {about['python']}"
    versions = ", ".join(f"{name} {version}" for name, version in sorted(about["versions"].items()))
    return "\n".join([head, "", f"Versions: {versions}.", "", f"Medians of the rounds. Command: `{about['command']}`", "", ""])


def markdown(results, cases):
    lines = []
    for case in cases:
        servers = results.get(case.name)
        if not servers:
            continue
        place = "one core for the server" if case.pinned else f"{case.workers} workers, all cores"
        lines += [f"### {case.title} ({case.name}; {place})", ""]
        lines += ["| server | CPU us/request | requests/s | p50 | p99 | PSS MiB | errors |", "| --- | ---: | ---: | ---: | ---: | ---: | --- |"]
        key = sort_key(case)
        measured = sorted(((n, s) for n, s in servers.items() if s.get("cpu_us") is not None), key=lambda item: item[1][key])
        for name, s in measured:
            errors = ", ".join(f"{kind} {count}" for kind, count in s["errors"].items()) or "0"
            lines.append(
                f"| {name} | {s['cpu_us']:.2f} | {s['rps']:,.0f} | {microseconds(s['p50_us'])} | {microseconds(s['p99_us'])} "
                f"| {s['pss_kib'] / 1024:.1f} | {errors} |"
            )
        lines += [f"| {name} | left out: {s['left_out']} | | | | | |" for name, s in servers.items() if "left_out" in s]
        lines.append("")
    return "\n".join(lines)


def sort_key(case):
    """What a case is about: waiting, or else the cost."""
    return "p99_us" if case.kind == "head-of-line" else "cpu_us"


def overview(results, cases):
    """One line a case: the two best and prefork, for the terminal."""
    lines = []
    for case in cases:
        measured = {n: s for n, s in results.get(case.name, {}).items() if s.get("cpu_us") is not None}
        others = sorted((n for n in measured if n != "prefork"), key=lambda n: measured[n][sort_key(case)])[:3]
        shown = (["prefork"] if "prefork" in measured else []) + others
        cells = [f"{n} {measured[n]['cpu_us']:.2f} us (p99 {microseconds(measured[n]['p99_us'])})" for n in shown]
        lines.append(f"{case.name:22} " + "  ".join(cells))
    return "\n".join(lines)


PLOTS = [("cpu_us", "CPU us per request (less is better)"), ("rps", "requests/s"), ("p50_us", "p50, us"), ("p99_us", "p99, us"),
         ("pss_kib", "memory, PSS KiB")]


def plot(results, cases, about, folder, stem):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    chosen = [case for case in cases if results.get(case.name)]
    for key, label in PLOTS:
        columns = min(3, len(chosen))
        rows = -(-len(chosen) // columns)
        figure, axes = plt.subplots(rows, columns, figsize=(6 * columns, 3.2 * rows), squeeze=False)
        for axis in axes.flat[len(chosen):]:
            axis.axis("off")
        for axis, case in zip(axes.flat, chosen):
            measured = {n: s[key] for n, s in results[case.name].items() if s.get(key) is not None}
            names = sorted(measured, key=lambda n: measured[n], reverse=key != "rps")
            colours = ["#c0392b" if n.startswith("prefork") else "#7f8c8d" for n in names]
            bars = axis.barh(names, [measured[n] for n in names], color=colours)
            axis.bar_label(bars, [f"{measured[n]:,.3g}" if measured[n] < 1000 else f"{measured[n]:,.0f}" for n in names], fontsize=7, padding=2)
            axis.set_title(case.title, fontsize=9)
            axis.tick_params(labelsize=7)
            axis.margins(x=0.18)
        figure.suptitle(f"{label}   {about['when']}, {about['cpu']}, commit {about['commit']}", fontsize=10)
        figure.tight_layout(rect=(0, 0, 1, 0.98))
        for suffix in ("png", "svg"):
            figure.savefig(folder / f"{stem}-{key.replace('_us', '').replace('_kib', '')}.{suffix}", dpi=110)
        plt.close(figure)


def save(results, about, text, folder, stem):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.json").write_text(json.dumps({"about": about, "results": results}, indent=1) + "\n")
    (folder / f"{stem}.md").write_text(text)
