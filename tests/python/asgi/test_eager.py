"""A request runs in a task of its own, whether its coroutine suspends or not, with the shortcut and without."""

import contextlib
import json

import pytest


@pytest.fixture(scope="module", params=[("auto", True), ("auto", False), ("asyncio", True), ("asyncio", False)], ids=["eager", "tasks", "asyncio-eager", "asyncio-tasks"])
def server(serve_module, request):
    loop, eager = request.param
    return serve_module("asgi_eager:app", "--asgi-loop", loop, *([] if eager else ["--no-eager"]))


@pytest.fixture
def ask(server):
    """One connection, so that the requests come one after the other."""
    with contextlib.closing(server.client()) as client:

        def get(name):
            client.request("GET", "/" + name)
            reply = client.getresponse()
            return json.loads(reply.read())

        yield get


def test_task_is_the_same_before_and_after_it_suspends(ask):
    for _ in range(5):
        assert ask("same") == [True, True, True, False]


def test_all_tasks_has_the_request_from_its_first_line_on(ask):
    ask("same")
    for _ in range(5):
        assert ask("listed_quick") == [True, 1]
        assert ask("listed") == [True, 1, True, 1]


def test_contexts_are_a_requests_own(ask):
    for _ in range(3):
        assert ask("context") == ["unset", "seen", "seen"]
        assert ask("context_quick") == "unset"


def test_timeouts_cancel_what_they_should(ask):
    for _ in range(3):
        assert ask("timeout") == ["timeout", 0]


def test_cancel_before_the_first_suspension_is_delivered_at_it(ask):
    for name in ("cancel_before", "cancel_sleep0", "cancel_before", "cancel_sleep0"):
        assert ask(name) == "cancelled"
    assert ask("same") == [True, True, True, False]


def test_cancel_behind_the_first_suspension_keeps_its_message(ask):
    for _ in range(3):
        assert ask("cancel_soon_message") == [["why"], True]
        assert ask("cancel_soon_silent") == [[], True]


def test_cancel_of_a_request_that_returns_does_not_reach_the_next(ask):
    for _ in range(3):
        assert ask("cancel_and_return") == "returned"
        assert ask("same") == [True, True, True, False]


def test_task_that_an_application_keeps_is_not_used_again(ask):
    before = ask("keep")
    assert ask("keep") == before + 1
    distinct, reused, done = ask("kept")
    assert (distinct, reused) == (before + 1, False)
    assert all(done)


def test_task_with_a_weak_reference_is_not_used_again(ask):
    assert [ask("weak") for _ in range(4)] == [True] * 4


def test_done_callback_of_a_request_that_never_suspended_is_called(ask):
    before = len(ask("called"))
    assert ask("callback") == "added"
    calls = ask("called")
    while len(calls) == before:  # a turn of the event loop later
        calls = ask("called")
    assert calls[before:] == [True]


def test_name_of_a_task_is_not_passed_on(ask):
    assert "renamed" not in [ask("rename") for _ in range(4)]


def test_spare_tasks_are_not_seen(ask):
    ask("same")
    assert ask("alone") == []


def test_spare_task_that_cannot_be_used_now_is_kept(ask):
    def refused():
        ask("refuse")
        assert ask("same") == [True, True, True, False]
        return ask("tasks")
    before = max(refused() for _ in range(3))
    assert min(refused() for _ in range(10)) <= before


@pytest.mark.parametrize("name, result", [
    ("gather", [1, 2, "unset"]), ("taskgroup", [0, 1, 2]), ("taskgroup_fails", ["ValueError"]), ("future_done", "there"),
])
def test_structured_concurrency(ask, name, result):
    for _ in range(3):
        assert ask(name) == result
