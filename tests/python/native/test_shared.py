"""prefork.shared, prefork.state and the hooks of a worker's start and end, with every interface."""

import concurrent.futures
import os
import signal

import pytest

from support.server import until

INTERFACES = ["app", "async_app", "native_app", "rsgi_app"]


def number(server, path):
    return int(server.get(path).body)


def meet(server, count):
    """The process ids of so many workers: none of the requests is answered before all of them run."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        pids = set(pool.map(lambda _: number(server, f"/meet/{count}"), range(count)))
    assert len(pids) == count
    return pids


def notes(server):
    path = server.folder / "notes"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("app", INTERFACES)
def test_what_it_offers(serve, app):
    server = serve(f"shared_apps:{app}", workers=2)
    assert [server.get("/api").body for _ in range(6)] == [b"as documented"] * 6


def test_four_workers_count_exactly(serve):
    server = serve("shared_apps:app", workers=4)
    meet(server, 4)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: number(server, "/loop/5000"), range(40)))
    assert number(server, "/hits") == 200_000


def test_counts_and_values_outlive_a_killed_worker(serve):
    server = serve("shared_apps:app", "--timeout", "0", workers=4)
    server.expect("SIGKILL|died")
    assert number(server, "/add/1000") == 1000
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        work = [pool.submit(number, server, "/loop/5000") for _ in range(12)]
        victim = pool.submit(server.get, "/forever")
        until(lambda: number(server, "/hits") > 61_000 + 1000)
        os.kill(next(int(line.split()[1]) for line in notes(server) if line.startswith("forever")), signal.SIGKILL)
        assert victim.result().status == 502
        assert all(one.result() for one in work)
    before = number(server, "/hits")
    assert before >= 61_000
    assert number(server, "/add/5") == before + 5
    assert server.get("/get").body.startswith(b"b'zzz")
    version = int(server.get("/get").body.split()[-1])
    assert number(server, "/set/after") == version + 1
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: bool(number(server, "/loop/2500")), range(8))) == 8
    assert number(server, "/hits") == before + 5 + 20_000


def test_a_kill_loses_no_count_of_the_others(serve):
    server = serve("shared_apps:app", workers=4)
    server.expect("SIGKILL|died")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for _ in range(3):
            work = [pool.submit(server.get, "/add/1") for _ in range(200)]
            os.kill(server.workers()[0], signal.SIGKILL)
            failed += sum(one.result().status != 200 for one in work)
    # A request that its worker did not live to answer had been counted or not.
    assert 600 - failed <= number(server, "/hits") <= 600


def test_they_outlive_a_reload(serve):
    server = serve("shared_apps:native_app", workers=2)
    number(server, "/add/7")
    assert number(server, "/set/kept") == 1
    old = set(server.workers())
    os.kill(server.pid, signal.SIGHUP)
    until(lambda: not old & set(server.workers()), "new workers")
    assert number(server, "/hits") == 7 and server.get("/get").body == b"b'kept' 1"


def test_values_are_whole(serve):
    server = serve("shared_apps:app", workers=4)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: server.get("/churn/2000").body, range(12))) == {b"whole"}
    version = int(server.get("/get").body.split()[-1])
    assert version == 24_000
    assert server.get(f"/swap/{version - 1}/late").body == b"None"
    assert number(server, f"/swap/{version}/next") == version + 1


@pytest.mark.parametrize("app", INTERFACES)
def test_workers_of_a_mold_share_them_too(serve, app):
    server = serve(f"shared_apps:{app}", "--preload", workers=3)
    server.logged("Serving with 3 workers")
    pids = meet(server, 3)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert all(pool.map(lambda _: number(server, "/loop/1000"), range(40)))
    assert number(server, "/hits") == 40_000
    starts = [line.split() for line in notes(server) if line.startswith("start")]
    assert sorted(place for _, _, place in starts) == ["1", "2", "3"] and {int(pid) for _, pid, _ in starts} >= pids


def test_a_thread_that_sets_a_value_while_its_worker_ends_does_not_abort_it(serve, tmp_path):
    (tmp_path / "background.py").write_text(
        "import threading\n"
        "from prefork import shared\n"
        "value = shared.value('busy')\n"
        "def set_for_ever():\n"
        "    while True:\n"
        "        value.set(b'busy')\n"
        "threading.Thread(target=set_for_ever, daemon=True).start()\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'ok']\n"
    )
    server = serve("background:application", workers=2, cwd=tmp_path)
    for _ in range(3):
        old = set(server.workers())
        server.reload()
        until(lambda old=old: not old & set(server.workers()), "the end of the old workers")
    assert server.stop() == 0
    assert "terminate called" not in server.log()


def test_without_memory_they_are_the_worker_s_own(serve):
    server = serve("shared_apps:app", "--shared-memory", "0")
    assert [number(server, "/add/3") for _ in range(3)] == [3, 6, 9]
    assert number(server, "/set/text") == 1 and server.get("/get").body == b"b'text' 1"


@pytest.mark.parametrize("app", INTERFACES)
def test_state_and_hooks(serve, app):
    loop = app in ("async_app", "rsgi_app")
    server = serve(f"shared_apps:{app}", workers=2, env={"ASYNC_HOOKS": "1"} if loop else {})
    starts = until(lambda: len(found := [line.split() for line in notes(server) if line[-1].isdigit()]) == 2 and found, "two starts")
    server.logged("Serving with 2 workers")
    pids = server.workers()
    assert sorted(int(pid) for _, pid, _ in starts) == sorted(pids) and sorted(place for _, _, place in starts) == ["1", "2"]
    assert {number(server, "/pid") for _ in range(20)} <= set(pids)
    server.stop()
    stops = [line for line in notes(server) if line.startswith("stop ") and line != "stop awaited"]
    assert sorted(int(line.split()[1]) for line in stops) == sorted(pids)
    assert sum(int(line.split()[2]) for line in stops) >= 20
    assert notes(server).count("start awaited") == notes(server).count("stop awaited") == (2 if loop else 0)


@pytest.mark.parametrize("app", ["app", "async_app"])
def test_a_stop_that_fails_does_not_keep_the_others(serve, app):
    server = serve(f"shared_apps:{app}", env={"FAIL_STOP": "1"})
    server.expect("a stop that fails")
    server.stop()
    assert any(line.startswith("stop ") for line in notes(server))


@pytest.mark.parametrize("app", ["app", "async_app"])
def test_a_start_that_fails_ends_the_server(serve, app):
    server = serve(f"shared_apps:{app}", env={"FAIL_START": "1"}, ready=None)
    server.expect("no database|exited|boot|Worker")
    assert server.process.wait(60) == 3
    assert "no database" in server.log()


def test_an_asynchronous_hook_needs_a_loop(serve):
    server = serve("shared_apps:app", env={"ASYNC_HOOKS": "1"}, ready=None)
    server.expect("no event loop|exited|boot|Worker|never awaited")
    assert server.process.wait(60) == 3
    assert "is asynchronous, and this worker has no event loop" in server.log()
