"""An access log into a pipe that nobody empties: requests are answered all the same, lines are dropped, counted, and said once."""

import os
import re

from support.server import until

APP = "dropin_app:app"
PAD = "x" * 4000


def dropped(server):
    text = server.get("/metrics").body.decode()
    return int(re.search(r'^prefork_log_lines_dropped_total\{log="access"\} (\d+)$', text, re.MULTILINE).group(1))


def ask(server, count):
    """So many requests on one connection; each must be answered."""
    connection = server.client()
    for _ in range(count):
        connection.request("GET", "/drop", headers={"X-Pad": PAD})
        reply = connection.getresponse()
        assert (reply.status, len(reply.read()) > 0) == (200, True)
    connection.close()


def test_a_full_pipe_costs_lines_and_no_request(serve, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        server = serve(APP, "--access-logfile", pipe, "--access-logformat", "%(U)s %({x-pad}i)s", "--metrics-path", "/metrics")
        server.expect(r"\[WARNING\] access log \S+: cannot be written now .* further lines are dropped")
        server.expect(r"\[WARNING\] access log \S+: writing again, \d+ lines were dropped")
        asked = 0
        while not dropped(server):
            ask(server, 100)
            asked += 100
        ask(server, 50)
        asked += 50
        server.logged("further lines are dropped")
        seen = b""

        def emptied():
            nonlocal seen
            try:
                seen += os.read(reader, 1 << 20)
            except BlockingIOError:
                pass
            return re.search(r"writing again, (\d+) lines were dropped", server.log())

        lost = int(until(emptied, "the line that says how many").group(1))
        assert server.log().count("further lines are dropped") == 1
        ask(server, 1)
        asked += 1
        # Every request is a line that was read or one that was counted.
        until(lambda: emptied() and len(re.findall(rb"^/drop x{4000}$", seen, re.MULTILINE)) + lost >= asked, "the rest of the lines")
        metrics = seen.count(b"/metrics -")
        assert len(re.findall(rb"^/drop x{4000}$", seen, re.MULTILINE)) + lost <= asked + metrics
    finally:
        os.close(reader)
