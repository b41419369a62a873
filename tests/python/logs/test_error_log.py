"""The error log: gunicorn's lines, JSON, workers' output, and Python's loggers in the workers."""

import json
import re
import signal

import pytest

from support.server import until

APP = "dropin_app:app"


def text_of(path, pattern):
    until(lambda: path.exists() and re.search(pattern, path.read_text()), f"{pattern!r} in {path}")
    return path.read_text()


def test_lines_that_people_search_for(serve):
    server = serve(APP)
    server.stop()
    log = server.log()
    stamp = r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[\d+\] \[INFO\] "
    for text in (r"Starting prefork", r"Listening at: http://127\.0\.0\.1:\d+ \(\d+\)", r"Using worker: ", r"Booting worker with pid: \d+",
                 r"Handling signal: term", r"Worker exiting \(pid: \d+\)", r"Shutting down: Master"):
        assert re.search(stamp + text, log, re.MULTILINE), text


@pytest.mark.parametrize(("arguments", "kind"), [
    ([APP], "sync"), ([APP, "--threads", "2"], "gthread"), ([APP, "-k", "sync"], "sync"), ([APP, "-k", "sync", "--threads", "2"], "gthread"), ([APP, "-k", "gthread"], "gthread"),
    ([APP, "--interface", "wsgi", "--preload"], "sync"), (["asgi_apps:app"], "asgi"), (["asgi_apps:app", "-k", "uvicorn.workers.UvicornWorker"], "uvicorn.workers.UvicornWorker"),
    (["native_apps:routes"], "native"),
], ids=str)
def test_the_kind_of_worker_is_told_in_gunicorns_words(serve, arguments, kind):
    server = serve(*arguments)
    server.logged(rf"\[INFO\] Using worker: {kind}\n")
    server.signal(signal.SIGHUP)
    server.logged("Reloaded: generation 2")
    assert server.log().count("Using worker: ") == 1


def test_file_holds_the_workers_lines_too(serve, tmp_path):
    errors = tmp_path / "error.log"
    server = serve(APP, "--error-logfile", errors)
    assert server.get("/fail").status == 500
    text = text_of(errors, "ValueError: told to fail")
    assert "Error handling request" in text and "Booting worker" in text
    assert "told to fail" not in server.log()


def test_capture_output_takes_what_applications_print(serve, tmp_path):
    errors = tmp_path / "error.log"
    server = serve(APP, "--error-logfile", errors, "--capture-output")
    server.get("/print")
    text = text_of(errors, "a line on stdout")
    assert "a line on stderr" in text
    assert "a line on" not in server.log()


def test_without_capture_output_stdout_stays_stdout(serve, tmp_path):
    server = serve(APP, "--error-logfile", tmp_path / "error.log")
    server.get("/print")
    server.logged("a line on stdout")


def test_an_error_log_of_json_has_an_object_a_line(serve, tmp_path):
    errors = tmp_path / "error.log"
    serve(APP, "--error-logfile", errors, "--error-log-json")
    entries = [json.loads(line) for line in text_of(errors, "Booting worker").splitlines()]
    assert any(entry["body"].startswith("Listening at") and entry["severity_text"] == "INFO" for entry in entries)


def test_level_hides_what_is_less_severe(serve, tmp_path):
    errors = tmp_path / "error.log"
    server = serve(APP, "--error-logfile", errors, "--log-level", "error")
    server.get("/log")
    assert "Listening" not in errors.read_text()


def test_applications_find_gunicorns_loggers(serve, tmp_path):
    errors = tmp_path / "error.log"
    server = serve(APP, "--error-logfile", errors)
    server.get("/log")
    assert re.search(r"\[\d+\] \[WARNING\] from the gunicorn logger", text_of(errors, "from the gunicorn logger"))


def test_applications_find_uvicorns_loggers(serve, tmp_path):
    """Many log by them because uvicorn has given them a level and a handler."""
    (tmp_path / "borrows.py").write_text("""
import logging
for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
    logging.getLogger(name).info("by %s", name)
    logging.getLogger(name).debug("hidden")
for name in ("uvicorn", "uvicorn.access"):
    assert logging.getLogger(name).handlers and not logging.getLogger(name).propagate
from dropin_app import app
""")
    server = serve("borrows:app", cwd=tmp_path)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        assert len(re.findall(rf"\[\d+\] \[INFO\] by {name}$", server.log(), re.MULTILINE)) == 1
    assert "hidden" not in server.log()


def test_log_config_is_applied_in_workers(serve, tmp_path):
    mine = tmp_path / "mine.log"
    config = tmp_path / "logging.json"
    config.write_text(json.dumps({
        "handlers": {"mine": {"class": "logging.FileHandler", "filename": str(mine)}},
        "loggers": {"mine": {"level": "DEBUG", "handlers": ["mine"]}},
    }))
    server = serve(APP, "--log-config-json", config, "--error-logfile", tmp_path / "error.log")
    server.expect(r"\[WARNING\] from the gunicorn logger")  # its defaults propagate to the console
    server.get("/log")
    assert text_of(mine, "from my logger")


def test_ini_log_config(serve, tmp_path):
    config = tmp_path / "logging.ini"
    config.write_text(
        "[loggers]\nkeys=root,mine\n[handlers]\nkeys=file\n[formatters]\nkeys=\n[logger_root]\nhandlers=\n"
        f"[logger_mine]\nlevel=DEBUG\nhandlers=file\nqualname=mine\n[handler_file]\nclass=FileHandler\nargs=('{tmp_path}/mine.log',)\n"
    )
    server = serve(APP, "--log-config", config, "--error-logfile", tmp_path / "error.log")
    server.get("/log")
    assert text_of(tmp_path / "mine.log", "from my logger")


def test_bad_requests_are_told_in_gunicorns_words(serve):
    server = serve(APP)
    assert server.raw("GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n").startswith(b"HTTP/1.1 400")
    server.logged(r"\[INFO\] Invalid request from ip=127\.0\.0\.1: ")
