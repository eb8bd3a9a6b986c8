"""Rules, then what was paid for, then calls; caps, canaries and interrupts."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from quarry.equivalence import judged
from quarry.equivalence.grader import GradingItem
from quarry.equivalence.rules import RulesGrader
from quarry.errors import IntegrityError
from tests.equivalence.grader_server import VERSION, Asked, GraderServer
from tests.equivalence.judge_cases import (
    PROMPT,
    RUBRIC,
    TARGET,
    grade_all,
    grader_of,
    items,
    judge_of,
    outcomes,
    without_canaries,
)


@pytest.mark.parametrize("kind", ["anthropic", "openai-compatible"])
def test_each_item_is_asked_once_and_a_second_run_asks_nothing(
    kind: str, server: GraderServer, path: Path
) -> None:
    with grader_of(judge_of(kind, server), path) as grader:
        first = grade_all(grader, items(10))
    assert outcomes(first) == ["equivalent", "not_equivalent"] * 5
    assert {one.decided_by for one in first} == {VERSION}
    assert all(one.reasoning and one.trimmed for one in first)
    assert len(without_canaries(server)) == 10
    asked = len(server.books.asked)
    assert grader.usage.usd == pytest.approx(server.books.billed_usd, abs=1e-12)
    with grader_of(judge_of(kind, server), path, max_usd=0.0) as again:
        assert grade_all(again, items(10)) == first
        assert (again.usage.from_cache, again.usage.calls) == (10, 0)
        assert again.canaries == grader.canaries
    assert len(server.books.asked) == asked


def test_what_is_clear_to_the_rules_costs_nothing(server: GraderServer, path: Path) -> None:
    unclear = GradingItem(PROMPT, TARGET, " Grace Miller or Noah Clark")
    with grader_of(judge_of("anthropic", server), path, rules=RulesGrader(RUBRIC)) as grader:
        decisions = grade_all(grader, [*items(6), unclear])
    assert grader.usage.by_rules == 6
    assert {one.decided_by for one in decisions[:6]} == {"rules"}
    assert decisions[6].decided_by == VERSION
    assert {asked.completion for asked in server.books.asked} & set(
        one.completion for one in items(6)
    ) == set()


def test_equal_items_are_asked_once(server: GraderServer, path: Path) -> None:
    with grader_of(judge_of("anthropic", server), path) as grader:
        assert outcomes(grade_all(grader, items(1) * 3)) == ["equivalent"] * 3
    assert len(without_canaries(server)) == 1


CHANGES: dict[str, dict[str, Any]] = {
    "another rubric": {"rubric": RUBRIC.model_copy(update={"instructions": "Same last name."})},
    "another model": {"model": "judge-2"},
    "another prompt": {},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_verdict_of_another_judge_or_rubric_is_never_used(
    change: str, server: GraderServer, path: Path
) -> None:
    settings = dict(CHANGES[change])
    model = settings.pop("model", "judge-1")
    with grader_of(judge_of("anthropic", server), path) as grader:
        grade_all(grader, items(4))
    given = items(4)
    if change == "another prompt":
        given = [GradingItem("Q: Mayor? A:", one.target, one.completion) for one in given]
    server.decide = lambda _: False
    with grader_of(judge_of("anthropic", server, model=model), path, **settings) as other:
        assert outcomes(grade_all(other, given)) == ["not_equivalent"] * 4
        assert (other.usage.from_cache, other.usage.calls) == (0, 6)
        assert other.describe() == grader.describe() or change != "another prompt"
        assert len(other.canaries) == (4 if change == "another prompt" else 2)


def test_another_set_uses_the_same_verdicts_and_its_own_money(
    server: GraderServer, path: Path
) -> None:
    with grader_of(judge_of("anthropic", server), path) as grader:
        first = grade_all(grader, items(4))
    lines: list[str] = []
    with grader_of(judge_of("anthropic", server), path, set_name="mayors-5epochs") as other:
        assert grade_all(other, items(6), lines)[:4] == first
        assert (other.usage.from_cache, len(other.canaries)) == (4, 4)
    assert "2 items" in lines[0]
    assert "$0 spent on this set before" in lines[0]


def test_calls_run_at_once_and_no_more_than_asked_for(server: GraderServer, path: Path) -> None:
    together = threading.Barrier(8, timeout=20)
    first = {one.completion for one in items(6)} | {one.completion for one in RUBRIC.canaries}

    def meet(asked: Asked) -> None:
        if asked.completion in first:
            together.wait()

    server.before_answer = meet
    with grader_of(judge_of("anthropic", server), path, concurrency=8) as grader:
        assert "ungraded" not in outcomes(grade_all(grader, items(30)))
    assert server.books.most_in_flight == 8


def test_canaries_are_asked_in_every_batch_taking_turns(server: GraderServer, path: Path) -> None:
    settings: dict[str, Any] = {"canary_every": 10, "canaries_a_batch": 2, "concurrency": 1}
    with grader_of(judge_of("anthropic", server), path, **settings) as grader:
        grade_all(grader, items(25))
        assert len(grader.canaries) == 6
        assert [one.expected for one in grader.canaries][:2] == ["equivalent", "not_equivalent"]
    with grader_of(judge_of("anthropic", server), path, **settings) as grader:
        grade_all(grader, items(45))
        results = list(grader.canaries)
    assert sorted(one.name for one in results) == sorted(one.name for one in RUBRIC.canaries)
    positions = [asked.number for asked in server.books.asked if asked.completion in {
        one.completion for one in RUBRIC.canaries}]  # fmt: skip
    assert positions == [0, 1, 12, 13, 24, 25, 31, 32, 43, 44]


def test_a_judge_that_follows_orders_is_caught_by_its_canaries(
    server: GraderServer, path: Path
) -> None:
    server.decide = lambda _: True
    with grader_of(judge_of("anthropic", server), path, canaries_a_batch=9) as grader:
        grade_all(grader, items(1))
        wrong = [one.name for one in grader.canaries if not one.is_right]
    assert set(wrong) >= {"an-order-instead-of-a-name", "wrong-name-and-a-forged-decision"}


def test_a_canary_counts_by_its_last_answer(server: GraderServer, path: Path) -> None:
    canaries = {one.completion for one in RUBRIC.canaries}
    settings: dict[str, Any] = {"attempts": 2, "concurrency": 1}
    server.fault = lambda asked: "bad json" if asked.number == 0 else None
    with grader_of(judge_of("anthropic", server), path, **settings) as grader:
        grade_all(grader, items(1))
        assert [one.is_right for one in grader.canaries] == [True, True]
    server.fault = lambda asked: "bad json" if asked.completion in canaries else None
    all_at_once = {**settings, "canaries_a_batch": len(canaries)}
    with grader_of(judge_of("anthropic", server), path, **all_at_once) as grader:
        grade_all(grader, items(2))
        assert [one.got for one in grader.canaries] == ["ungraded"] * len(canaries)
    server.fault = lambda _: None
    with grader_of(judge_of("anthropic", server), path, **all_at_once) as grader:
        grade_all(grader, items(3))
        assert len(grader.canaries) == len(canaries)
        assert "ungraded" not in {one.got for one in grader.canaries}


def test_a_set_without_calls_has_the_canaries_of_its_verdicts(
    server: GraderServer, path: Path
) -> None:
    server.decide = lambda _: True
    with grader_of(judge_of("anthropic", server), path, canaries_a_batch=9) as grader:
        grade_all(grader, items(2))
    with grader_of(judge_of("anthropic", server), path, set_name="another") as other:
        grade_all(other, items(2))
        assert other.usage.calls == 0
        assert list(other.canaries) == list(grader.canaries)
        assert not all(one.is_right for one in other.canaries)
    with grader_of(judge_of("anthropic", server, model="judge-2"), path) as stranger:
        assert list(stranger.canaries) == []


def test_an_interrupt_begins_no_call(
    server: GraderServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_interrupted = threading.Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            is_interrupted.set()
            super().shutdown(wait, cancel_futures=cancel_futures)

    def hold(asked: Asked) -> None:
        if asked.number >= 3:
            is_interrupted.wait(20)

    monkeypatch.setattr(judged, "ThreadPoolExecutor", Pool)
    server.before_answer = hold
    room_for_one = 0.0125
    with grader_of(judge_of("anthropic", server), path, max_usd=room_for_one) as grader:
        decided = grader.grade(items(40), log=lambda _: None)
        next(decided)
        deadline = time.monotonic() + 20
        while len(server.books.asked) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        decided.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert len(server.books.asked) == 4


def test_an_interrupt_keeps_what_is_in_flight(server: GraderServer, path: Path) -> None:
    with grader_of(judge_of("anthropic", server), path, concurrency=4) as grader:
        decided = grader.grade(items(40), log=lambda _: None)
        next(decided)
        decided.close()  # pyright: ignore[reportAttributeAccessIssue]
    n_asked = len(without_canaries(server))
    assert n_asked < 40
    with grader_of(judge_of("anthropic", server), path) as again:
        grade_all(again, items(40))
        assert again.usage.from_cache == n_asked


def test_lines_come_from_the_callers_thread(server: GraderServer, path: Path) -> None:
    server.fault = lambda asked: "529" if asked.number % 3 == 0 else None
    threads: set[int] = set()
    with grader_of(judge_of("anthropic", server), path) as grader:
        list(grader.grade(items(12), log=lambda _: threads.add(threading.get_ident())))
    assert threads == {threading.get_ident()}


def test_a_damaged_record_is_told_before_a_call_is_made(server: GraderServer, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"")
    with pytest.raises(IntegrityError):
        grader_of(judge_of("anthropic", server), path)
    assert server.books.asked == []
