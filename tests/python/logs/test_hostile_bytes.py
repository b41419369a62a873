"""What clients put into paths, fields and request lines stays one line, one JSON object and one metric, whatever the bytes are."""

import json

from prometheus_client.parser import text_string_to_metric_families

from support.server import until

APP = "dropin_app:app"

HOSTILE = [
    b"GET /a%0d%0aFAKE%20LINE%1b[31m HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /%ff%fe%c3%28?q=%0a\xc3\xa9 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b'GET /q"uote\\ HTTP/1.1\r\nHost: a\r\nUser-Agent: "\\\xff\xfe\xc3\x28\t\r\nReferer: \xe2\x80\xa8{"a": 1}\r\nConnection: close\r\n\r\n',
    b"GET /esc HTTP/1.1\r\nHost: a\r\nUser-Agent: \x1b[31mred\r\nConnection: close\r\n\r\n",
    b"GET /nul HTTP/1.1\r\nHost: a\r\nUser-Agent: a\x00b\r\nConnection: close\r\n\r\n",
    b"GET /bare HTTP/1.1\r\nHost: a\r\nUser-Agent: a\rFAKE: line\r\nConnection: close\r\n\r\n",
    b"GET /\x1b[31m\x07 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x1b[2J\x00\xff\r\n\r\n",
    b"G\x1bT / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \x1b[31m\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic CgobWzMxbTp4\r\nConnection: close\r\n\r\n",  # "\n\n\x1b[31m:x"
    b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-ID: x\x1b[31m\r\nX-Forwarded-For: \xff\"\\, ,\r\nConnection: close\r\n\r\n",
    b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
]


def ask(server):
    """Each is answered, and the server lives."""
    for request in HOSTILE:
        assert server.raw(request).startswith(b"HTTP/1.1 "), request


def finished(path):
    return until(lambda: path.exists() and (text := path.read_bytes()) and b"/last" in text and text.endswith(b"\n") and text, "the last line")


def controls(line):
    return [byte for byte in line if byte < 0x20 and byte != 0x09 or byte == 0x7F]


def test_lines_of_text_keep_their_form(serve, tmp_path):
    log = tmp_path / "access.log"
    server = serve(APP, "--access-logfile", log, "--access-logformat", '%(h)s|%(u)s|%(r)s|%(U)s|%(q)s|%(f)s|%(a)s|%({host}i)s|%({request-id}x)s|%({client}x)s|end', ready=None)
    server.logged("Serving with")
    ask(server)
    for line in finished(log).rstrip(b"\n").split(b"\n"):
        assert line.startswith(b"127.0.0.1|") and line.endswith(b"|end"), line
        assert not controls(line) and line.decode(), line
    assert not [line for line in server.log().encode("utf-8", "surrogateescape").split(b"\n") if controls(line)]


def test_json_lines_stay_json(serve, tmp_path):
    log = tmp_path / "access.log"
    server = serve(APP, "--access-logfile", log, "--access-log-json", "--error-log-json")
    ask(server)
    entries = [json.loads(line) for line in finished(log).decode().rstrip("\n").split("\n")]
    assert "/last" in {entry.get("url.path") for entry in entries}
    quoted = next(entry for entry in entries if entry.get("url.path", "").startswith("/q"))
    assert quoted["user_agent.original"].startswith('"\\')
    for line in server.log().split("\n"):
        if line.startswith("{"):
            json.loads(line)


def test_numbers_are_prometheus_text(serve):
    server = serve(APP, "--metrics-path", "/metrics", "--access-logfile", "/dev/null", workers=2)
    ask(server)
    text = server.get("/metrics").body.decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["prefork_requests"].type == "counter"
    seen = set()
    for family in families.values():
        assert family.documentation and family.type in ("counter", "gauge", "histogram"), family.name
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in seen and sample.value >= 0, key
            seen.add(key)
        if family.type == "histogram":
            check_histogram(family)
    again = {(sample.name, *sorted(sample.labels.items())): sample.value for family in text_string_to_metric_families(server.get("/metrics").body.decode()) for sample in family.samples}
    for family in families.values():
        if family.type == "counter":
            for sample in family.samples:
                assert again[(sample.name, *sorted(sample.labels.items()))] >= sample.value


def check_histogram(family):
    series = {}
    for sample in family.samples:
        rest = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        series.setdefault(rest, []).append(sample)
    for samples in series.values():
        buckets = [sample.value for sample in samples if sample.name.endswith("_bucket")]
        bounds = [float(sample.labels["le"]) for sample in samples if sample.name.endswith("_bucket")]
        count = next(sample.value for sample in samples if sample.name.endswith("_count"))
        assert buckets == sorted(buckets) and bounds == sorted(bounds) and bounds[-1] == float("inf") and buckets[-1] == count
