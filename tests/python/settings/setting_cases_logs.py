"""Logs, numbers and probes: an effect for each setting."""

import json
import re

from setting_cases import case, lines_of
from support.datagrams import Datagrams
from support.server import free_port


@case("accesslog")
def accesslog(walk):
    walk.wsgi("--access-logfile", "access.log").get("/seen")
    lines_of(walk.path / "access.log", '"GET /seen HTTP/1.1" 200')


@case("access_log_format")
def access_log_format(walk):
    walk.wsgi("--access-logfile", "access.log", "--access-logformat", "%(m)s:%(U)s:%(s)s:%({x-shown}o)s:%({x-mine}i)s").get("/seen", {"X-Mine": "m"})
    lines_of(walk.path / "access.log", "^GET:/seen:200:yes:m$")


@case("access_log_json")
def access_log_json(walk):
    walk.wsgi("--access-logfile", "access.log", "--access-log-json").get("/seen")
    assert json.loads(lines_of(walk.path / "access.log", "/seen")[0])["http.response.status_code"] == 200


@case("syslog", "syslog_addr", "syslog_prefix", "syslog_facility")
def syslog(walk):
    with Datagrams() as place:
        server = walk.wsgi("--log-syslog", "--log-syslog-to", "udp://" + place.address, "--log-syslog-prefix", "shop", "--log-syslog-facility", "local1")
        server.sockets_at_start = None  # those to the syslog are made when there is something to say
        server.get("/seen")
        place.wait(r"<142>.*gunicorn\.shop\.error.*Listening at|<142>.*shop.*Listening at")
        place.wait("GET /seen")


@case("disable_redirect_access_to_syslog")
def disable_redirect_access_to_syslog(walk):
    with Datagrams() as place:
        server = walk.wsgi("--log-syslog", "--log-syslog-to", "udp://" + place.address, "--disable-redirect-access-to-syslog")
        server.get("/seen")
        server.stop()
        place.wait("Shutting down: Master")
        assert "/seen" not in place.text


@case("errorlog")
def errorlog(walk):
    walk.wsgi("--error-logfile", "error.log")
    lines_of(walk.path / "error.log", r"\[INFO\] Listening at")


@case("loglevel")
def loglevel(walk):
    assert "Listening at" not in walk.wsgi("--log-level", "warning").log()


@case("error_log_json")
def error_log_json(walk):
    walk.wsgi("--error-logfile", "error.log", "--error-log-json")
    assert json.loads(lines_of(walk.path / "error.log", "Listening at")[0])["severity_text"] == "INFO"


@case("capture_output")
def capture_output(walk):
    walk.wsgi("--error-logfile", "error.log", "--capture-output").get("/print")
    lines_of(walk.path / "error.log", "^printed by the application$")


FORMAT = "operator: %(message)s"


@case("logconfig")
def logconfig(walk):
    (walk.path / "log.ini").write_text(
        "[loggers]\nkeys=root,error\n[handlers]\nkeys=file\n[formatters]\nkeys=own\n[logger_root]\nlevel=INFO\nhandlers=file\n"
        "[logger_error]\nlevel=INFO\nhandlers=file\npropagate=0\nqualname=gunicorn.error\n"
        f"[handler_file]\nclass=FileHandler\nformatter=own\nargs=('own.log',)\n[formatter_own]\nformat={FORMAT}\n"
    )
    server = walk.wsgi("--log-config", "log.ini")
    server.get("/log")
    lines_of(walk.path / "own.log", "^operator: logged by the application$")


DICT = {"version": 1, "handlers": {"file": {"class": "logging.FileHandler", "filename": "own.log", "formatter": "own"}}, "formatters": {"own": {"format": FORMAT}},
        "loggers": {"gunicorn.error": {"handlers": ["file"], "level": "INFO", "propagate": False}}}


@case("logconfig_dict")
def logconfig_dict(walk):
    walk.configured(f"logconfig_dict = {DICT!r}\n").get("/log")
    lines_of(walk.path / "own.log", "^operator: logged by the application$")


@case("logconfig_json")
def logconfig_json(walk):
    (walk.path / "log.json").write_text(json.dumps(DICT))
    walk.wsgi("--log-config-json", "log.json").get("/log")
    lines_of(walk.path / "own.log", "^operator: logged by the application$")


@case("request_id_header")
def request_id_header(walk):
    walk.wsgi("--request-id-header", "X-Trace", "--access-logfile", "access.log", "--access-logformat", "id=%({request-id}x)s").get("/", {"X-Trace": "abc-1"})
    lines_of(walk.path / "access.log", "^id=abc-1$")


@case("request_id_response")
def request_id_response(walk):
    assert walk.wsgi("--request-id-response").get("/", {"X-Request-ID": "abc-2"}).headers["X-Request-ID"] == "abc-2"


@case("server_timing")
def server_timing(walk):
    assert re.match(r"queue;dur=[\d.]+, app;dur=[\d.]+$", walk.wsgi("--server-timing").get("/").headers["Server-Timing"])


@case("health_path")
def health_path(walk):
    server = walk.wsgi("--health-path", "/alive,/able")
    assert [server.get(path).status for path in ("/alive", "/able")] == [200, 200]
    assert "X-Shown" not in server.get("/alive").headers


@case("health_bind", "metrics_path", "metrics_bind")
def health_bind(walk):
    health, metrics = free_port(), free_port()
    server = walk.wsgi("--health-bind", f"127.0.0.1:{health}", "--metrics-bind", f"127.0.0.1:{metrics}", "--metrics-path", "/numbers")
    main = server.port
    server.port = health
    assert server.get("/livez").status == 200
    server.port = metrics
    assert b"prefork_requests_total" in server.get("/numbers").body
    server.port = main


@case("statsd_host", "statsd_prefix", "dogstatsd_tags", "enable_backlog_metric")
def statsd(walk):
    with Datagrams() as place:
        server = walk.wsgi("--statsd-host", place.address, "--statsd-prefix", "pre", "--dogstatsd-tags", "a:b", "--enable-backlog-metric")
        server.get("/")
        for pattern in (r"pre\.gunicorn\.requests:\d+\|c\|@1\.0\|#a:b", r"pre\.gunicorn\.request\.duration:[\d.]+\|ms\|#a:b", r"pre\.gunicorn\.workers:1\|g\|#a:b",
                        r"pre\.gunicorn\.request\.status\.200:\d+\|c", r"pre\.gunicorn\.backlog:\d+\|h\|#a:b"):
            place.wait(pattern)
