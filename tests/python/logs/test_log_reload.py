"""SIGHUP applies changed settings of the logs: level, format, files."""

import signal

from support.server import until

APP = "dropin_app:app"


def reload(server):
    before = server.log().count("] Reloaded: ") + sum(path.read_text().count("] Reloaded: ") for path in server.folder.glob("*.err"))
    server.signal(signal.SIGHUP)

    def done():
        texts = [server.log(), *(path.read_text() for path in server.folder.glob("*.err"))]
        return sum(text.count("] Reloaded: ") for text in texts) > before

    until(done, "the reload's end")


def test_format_and_file_of_the_access_log(serve, tmp_path):
    config = tmp_path / "conf.py"
    config.write_text(f"accesslog = {str(tmp_path / 'one.log')!r}\naccess_log_format = 'first %(m)s %(U)s'\n")
    server = serve(APP, "-c", config)
    server.get("/before")
    config.write_text(f"accesslog = {str(tmp_path / 'two.log')!r}\naccess_log_format = 'second %(U)s %(s)s %({{X-Shown}}o)s'\n")
    reload(server)
    server.get("/after")
    until(lambda: (tmp_path / "two.log").exists() and "second /after 200 yes\n" in (tmp_path / "two.log").read_text(), "the new format")
    assert "first GET /before\n" in (tmp_path / "one.log").read_text()
    assert "/after" not in (tmp_path / "one.log").read_text()


def test_an_access_log_may_come_and_go(serve, tmp_path):
    config, log = tmp_path / "conf.py", tmp_path / "access.log"
    config.write_text("")
    server = serve(APP, "-c", config)
    server.get("/unseen")
    config.write_text(f"accesslog = {str(log)!r}\n")
    reload(server)
    server.get("/seen")
    until(lambda: log.exists() and "/seen" in log.read_text(), "the line")
    config.write_text("")
    reload(server)
    server.get("/unseen")
    assert "/unseen" not in log.read_text()


def test_level_of_the_error_log(serve, tmp_path):
    config = tmp_path / "conf.py"
    config.write_text("loglevel = 'info'\n")
    server = serve(APP, "-c", config)
    server.raw("BAD\r\n\r\n")
    server.logged("Invalid request from ip=127.0.0.1")
    config.write_text("loglevel = 'error'\n")
    old = server.workers()
    server.signal(signal.SIGHUP)
    until(lambda: len(server.workers()) == 1 and server.workers() != old, "a new worker in the old one's place")
    told = server.log().count("Invalid request")

    def quiet():
        before = server.log().count("Invalid request")
        server.raw("BAD\r\n\r\n")
        server.get("/fail")
        return server.log().count("Invalid request") == before

    server.expect("told to fail")
    until(quiet, "the new level")
    assert told >= 1


def test_the_error_log_moves_with_what_workers_print(serve, tmp_path):
    config, log = tmp_path / "conf.py", tmp_path / "moved.err"
    config.write_text("")
    server = serve(APP, "-c", config)
    config.write_text(f"errorlog = {str(log)!r}\ncapture_output = True\n")
    reload(server)
    until(lambda: log.exists() and "Reloaded: generation 2 serves" in log.read_text(), "the line of the reload")
    server.get("/print")
    until(lambda: "a line on stdout" in log.read_text() and "a line on stderr" in log.read_text(), "what the application printed")
    assert "a line on stdout" not in server.log()


def test_a_log_that_cannot_be_opened_leaves_everything_as_it_was(serve, tmp_path):
    config = tmp_path / "conf.py"
    config.write_text(f"accesslog = {str(tmp_path / 'one.log')!r}\n")
    server = serve(APP, "-c", config)
    server.expect("Reload failed: cannot open the log file /nonexistent/a.log")
    config.write_text("accesslog = '/nonexistent/a.log'\n")
    server.signal(signal.SIGHUP)
    server.logged("Reload failed")
    server.get("/still")
    until(lambda: "/still" in (tmp_path / "one.log").read_text(), "the line in the old file")
