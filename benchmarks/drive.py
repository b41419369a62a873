"""The clients: wrk for throughput, prefork-load where every answer must be right, and one plain look before either."""

import http.client
import json
import pathlib
import re
import subprocess
import tempfile

from peers import BUILD

LOAD = BUILD / "prefork-load"

LUA = """
local posted, depth = {posted}, {depth}
if posted > 0 then
  wrk.method = "POST"
  wrk.body = string.rep("x", posted)
end
if depth > 1 then
  local batch
  init = function(args)
    local parts = {{}}
    for i = 1, depth do parts[i] = wrk.format() end
    batch = table.concat(parts)
  end
  request = function() return batch end
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\\nRESULT {{"requests": %d, "seconds": %f, "bytes": %d, "p50_us": %d, "p99_us": %d, "max_us": %d, ' ..
    '"errors": {{"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}}}}\\n', summary.requests,
    summary.duration / 1e6, summary.bytes, latency:percentile(50), latency:percentile(99), latency.max,
    e.connect, e.read, e.write, e.status, e.timeout))
end
"""


def _lua(case):
    path = pathlib.Path(tempfile.gettempdir()) / f"prefork-bench-{case.body_bytes}-{case.pipeline}.lua"
    path.write_text(LUA.format(posted=case.body_bytes, depth=case.pipeline))
    return path


def on_core(cpu, argv):
    return [str(part) for part in (argv if cpu is None else ["taskset", "-c", cpu, *argv])]


def run_wrk(case, port, seconds, cpu=None):
    argv = ["wrk", "-t", 1, "-c", case.connections, "-d", f"{max(1, round(seconds))}s", "--timeout", "10s", "-s", _lua(case)]
    for header in case.headers:
        argv += ["-H", header]
    done = subprocess.run(on_core(cpu, [*argv, f"http://127.0.0.1:{port}{case.path}"]), capture_output=True, text=True)
    found = re.search(r"^RESULT (.*)$", done.stdout, re.M)
    if not found:
        raise RuntimeError(f"wrk gave no result: {done.stdout} {done.stderr}")
    return json.loads(found[1])


def start_load(port, *arguments, cpu=None, path="/"):
    argv = on_core(cpu, [LOAD, "--json", *arguments, f"http://127.0.0.1:{port}{path}"])
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish_load(client):
    output, errors = client.communicate()
    if client.returncode not in (0, 1):
        raise RuntimeError(f"prefork-load: {errors}")
    return json.loads(output)


def run_load(port, *arguments, cpu=None, path="/"):
    return finish_load(start_load(port, *arguments, cpu=cpu, path=path))


def from_load(report):
    """prefork-load's report in the words of run_wrk."""
    return {
        "requests": report["ok"],
        "seconds": report["duration_s"],
        "p50_us": report["latency_us"]["p50"],
        "p99_us": report["latency_us"]["p99"],
        "max_us": report["latency_us"]["max"],
        "errors": report["failures"],
    }


def look(case, port):
    """None when the server answers the case as it should; else what is wrong."""
    if case.interface == "ws":
        report = run_load(port, "--mode", "ws", "-c", 1, "-n", 10, "-t", 5, "-d", 10, path=case.path)
        return None if report["ok"] == 10 and not report["failed"] else f"websocket: {report['failures']}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST" if case.body_bytes else "GET", case.path, body=b"x" * case.body_bytes or None,
                           headers=dict(line.split(": ", 1) for line in case.headers))
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error!r}"
    finally:
        connection.close()
    if answer.status != 200:
        return f"status {answer.status}"
    return None if case.expects(body) else f"another body: {len(body)} bytes, {body[:40]!r}"
