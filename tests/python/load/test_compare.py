"""The benchmark's own arithmetic and its refusal of servers that answer wrongly."""

import os
import pathlib
import subprocess
import sys

import pytest
from misbehaving_server import MisbehavingServer

BENCHMARKS = pathlib.Path(__file__).resolve().parents[3] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import cases  # noqa: E402
import compare  # noqa: E402
import drive  # noqa: E402
import processes  # noqa: E402
import report  # noqa: E402


def one_round(cpu_us, requests=1000, errors=None, p99=100):
    return {"requests": requests, "seconds": 1.0, "cpu_ns": cpu_us * 1000 * requests, "p50_us": 50, "p99_us": p99,
            "errors": errors or {}, "pss": {"master": 1024, "workers": [2048, 2048]}}


def test_a_figure_is_the_median_of_its_rounds():
    found = report.summarise([one_round(3), one_round(100), one_round(2)])
    assert found["cpu_us"] == 3
    assert found["rps"] == 1000
    assert found["pss_kib"] == 5120


def test_errors_of_all_rounds_are_kept_and_a_round_without_answers_has_no_cost():
    found = report.summarise([one_round(2, errors={"read": 3, "write": 0}), one_round(5, requests=0, errors={"read": 4})])
    assert found["errors"] == {"read": 7}
    assert found["cpu_us"] == 2


def test_the_table_starts_with_the_cheapest_and_names_who_was_left_out():
    results = {"hello": {"slow": report.summarise([one_round(9)]), "fast": report.summarise([one_round(2)]),
                         "broken": {"left_out": "status 500"}}}
    text = report.markdown(results, [cases.BY_NAME["hello"]])
    assert text.index("| fast | 2.00 |") < text.index("| slow | 9.00 |") < text.index("| broken | left out: status 500")


def test_waiting_is_what_a_head_of_line_case_is_sorted_by():
    results = {"head-of-line": {"cheap": report.summarise([one_round(1, p99=90_000)]), "prompt": report.summarise([one_round(9, p99=800)])}}
    text = report.markdown(results, [cases.BY_NAME["head-of-line"]])
    assert text.index("| prompt |") < text.index("| cheap |")


def test_names_are_picked_by_their_beginnings_and_unknown_ones_are_refused():
    known = ["headers-1", "headers-8", "flask"]
    assert compare.pick("", known) == known
    assert compare.pick("flask,headers-*", known) == known
    with pytest.raises(SystemExit, match="fast"):
        compare.pick("fast", known)


@pytest.mark.parametrize("path, complaint", [("/", "another body"), ("/missing", "status 404"), ("/vanish", "no answer"), ("/half-body", "no answer")])
def test_a_server_that_answers_wrongly_is_not_measured(path, complaint):
    server = MisbehavingServer()
    case = cases.Case("x", "x", "wsgi", "", cases.same(b"Hello, world!"), path=path)
    assert drive.look(case, server.address[1]).startswith(complaint)
    right = cases.Case("x", "x", "wsgi", "", cases.same(b"hello"))
    assert drive.look(right, server.address[1]) is None
    server.stop()


def test_a_process_tree_is_found_weighed_and_stopped(tmp_path):
    script = "import subprocess; child = subprocess.Popen(['sleep', '600']); print('up', flush=True); child.wait()"
    running = processes.Running([sys.executable, "-c", script], 0, tmp_path / "log")
    while "up" not in running.log.read_text():
        assert running.process.poll() is None
    pids = running.pids()
    assert pids[0] == running.pid and len(pids) == 2
    assert processes.cpu_ns(pids) > 0
    assert running.memory()["master"] > 0 and len(running.memory()["workers"]) == 1
    running.stop()
    assert not any(processes.alive(pid) for pid in pids)


def test_the_whole_program_lists_what_it_knows():
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    code = "import sys, compare; compare.in_own_environment = lambda: None; sys.argv = ['compare.py', '--list']; compare.main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "prefork" in done.stdout and "head-of-line" in done.stdout
