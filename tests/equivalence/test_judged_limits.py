"""Caps, refusals, pauses and ends of patience."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quarry.equivalence.grader import Decision
from quarry.errors import JudgeRefusedError, UsageError
from tests.equivalence.grader_server import Fault, GraderServer
from tests.equivalence.judge_cases import (
    KEY,
    RUBRIC,
    grade_all,
    grader_of,
    items,
    judge_of,
    outcomes,
)


def test_a_cap_of_zero_makes_no_call(server: GraderServer, path: Path) -> None:
    with grader_of(judge_of("anthropic", server), path, max_usd=0.0) as grader:
        decisions = grade_all(grader, items(5))
        assert (grader.usage.calls, list(grader.canaries)) == (0, [])
    assert {one.reason for one in decisions} == {"spend limit of $0 reached"}
    assert outcomes(decisions) == ["ungraded"] * 5
    assert server.books.asked == []


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_cap_in_the_middle_stops_cleanly_over_all_runs(
    concurrency: int, server: GraderServer, path: Path
) -> None:
    settings: dict[str, Any] = {"max_usd": 0.02, "concurrency": concurrency}
    lines: list[str] = []
    with grader_of(judge_of("anthropic", server), path, **settings) as grader:
        first = grade_all(grader, items(60), lines)
    decided = [one for one in first if one.outcome != "ungraded"]
    assert 5 < len(decided) < 60
    assert {one.reason for one in first} == {"", "spend limit of $0.02 reached"}
    assert 0.01 < server.books.billed_usd <= 0.02
    [said] = [line for line in lines if line.startswith("no more calls")]
    assert "spend limit of $0.02 reached" in said
    assert "raise max_usd" in said
    with grader_of(judge_of("anthropic", server), path, **settings) as again:
        assert grade_all(again, items(60)) == first
        assert again.usage.calls == 0
    with grader_of(judge_of("anthropic", server), path) as more:
        assert "ungraded" not in outcomes(grade_all(more, items(60)))
    assert set(server.books.successes[one.completion] for one in items(60)) == {1}


def test_a_cap_below_one_call_says_what_a_call_may_cost(server: GraderServer, path: Path) -> None:
    with grader_of(judge_of("anthropic", server), path, max_usd=0.001) as grader:
        decisions = grade_all(grader, items(2))
    assert decisions[0].reason.startswith(
        "spend limit of $0.001 is less than a call may cost, $0.0"
    )
    assert "raise max_usd" in decisions[0].reason
    assert server.books.asked == []


def test_another_rubric_or_judge_opens_no_new_purse(server: GraderServer, path: Path) -> None:
    for turn in range(3):
        rubric = RUBRIC.model_copy(update={"instructions": f"{RUBRIC.instructions} {turn}"})
        judge = judge_of("anthropic", server, model=f"judge-{turn}")
        with grader_of(judge, path, max_usd=0.02, rubric=rubric) as grader:
            grade_all(grader, items(30))
        assert (grader.usage.calls > 0) is (turn == 0)
    assert 0.01 < server.books.billed_usd <= 0.02


def test_an_item_that_the_provider_refuses_blocks_no_other(
    server: GraderServer, path: Path
) -> None:
    bad = {one.completion for one in items(6)[4:]}
    server.fault = lambda asked: "400" if asked.completion in bad else None
    decisions: list[Decision] = []
    for _ in range(2):
        with grader_of(judge_of("anthropic", server), path, concurrency=8) as grader:
            decisions = grade_all(grader, items(10))
        assert outcomes(decisions).count("ungraded") == 2
        assert "the provider refuses this item" in decisions[4].reason
        assert "HTTP 400" in decisions[4].reason
    with grader_of(judge_of("anthropic", server), path) as again:
        assert grade_all(again, items(3)) == decisions[:3]


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_judge_that_refuses_everything_ends_the_run(
    concurrency: int, server: GraderServer, path: Path
) -> None:
    server.fault = lambda _: "400"
    with (
        grader_of(judge_of("anthropic", server), path, concurrency=concurrency) as grader,
        pytest.raises(JudgeRefusedError, match="HTTP 400"),
    ):
        grade_all(grader, items(30))
    assert len(server.books.asked) <= 2 * concurrency


def test_a_judge_that_refuses_from_some_moment_on_is_left_alone(
    server: GraderServer, path: Path
) -> None:
    server.fault = lambda asked: "400" if asked.number >= 6 else None
    with grader_of(judge_of("anthropic", server), path, concurrency=1) as grader:
        decisions = grade_all(grader, items(60))
    assert "no verdict on 20 items in a row" in decisions[-1].reason
    assert server.books.faults == {"400": 20}


def test_a_cap_on_calls_holds_over_all_runs(server: GraderServer, path: Path) -> None:
    for n_known in (0, 8):
        with grader_of(judge_of("anthropic", server), path, max_calls=10) as grader:
            decisions = grade_all(grader, items(20))
            assert grader.usage.calls == (10 if not n_known else 0)
        assert outcomes(decisions).count("ungraded") == 12
        assert decisions[-1].reason == "limit of 10 calls reached"
    assert len(server.books.asked) == 10


@pytest.mark.parametrize(("fault", "kind"), [("spend limit", "anthropic"), ("quota", "openai")])
def test_the_providers_own_limit_is_never_tried_again(
    fault: Fault, kind: str, server: GraderServer, path: Path
) -> None:
    server.fault = lambda asked: fault if asked.number >= 6 else None
    with grader_of(judge_of(kind, server), path, concurrency=1) as grader:
        decisions = grade_all(grader, items(20))
    assert outcomes(decisions).count("ungraded") == 16
    assert "provider's own spend limit: HTTP 429" in decisions[-1].reason
    assert server.books.faults == {fault: 1}


@pytest.mark.parametrize("fault", ["401", "403", "404"])
def test_a_refusal_ends_the_run_and_keeps_what_was_decided(
    fault: Fault, server: GraderServer, path: Path
) -> None:
    server.fault = lambda asked: fault if asked.number >= 6 else None
    lines: list[str] = []
    with (
        grader_of(judge_of("anthropic", server), path, concurrency=1) as grader,
        pytest.raises(JudgeRefusedError, match=f"HTTP {fault}"),
    ):
        grade_all(grader, items(20), lines)
    assert server.books.faults == {fault: 1}
    server.fault = lambda _: None
    with grader_of(judge_of("anthropic", server), path) as again:
        grade_all(again, items(20))
        assert again.usage.from_cache == 4
    assert KEY.encode() not in path.read_bytes()
    assert KEY not in "\n".join(lines)


def test_the_pauses_are_those_asked_for_within_bounds(server: GraderServer, path: Path) -> None:
    server.retry_after = "7"
    faults: list[Fault] = ["429", "429 long", "529", "529", "bad json"]
    server.fault = lambda asked: faults[asked.number] if asked.number < len(faults) else None
    waits: list[float] = []
    lines: list[str] = []
    with grader_of(
        judge_of("anthropic", server), path, pause=waits.append, concurrency=1
    ) as grader:
        assert "ungraded" not in outcomes(grade_all(grader, items(2), lines))
    asked_for, too_long, third, fourth, unusable = waits
    assert (asked_for, too_long, unusable) == (7, 300, 0)
    assert 2 <= third <= 4 <= fourth <= 8
    assert any(line.startswith("waiting 7.0 s: HTTP 429") for line in lines)


def test_an_item_that_gets_no_answer_is_ungraded_and_asked_again_next_time(
    server: GraderServer, path: Path
) -> None:
    bad = items(4)[2].completion
    server.fault = lambda asked: "529" if asked.completion == bad else None
    with grader_of(judge_of("anthropic", server), path, attempts=3) as grader:
        decisions = grade_all(grader, items(4))
    assert outcomes(decisions) == ["equivalent", "not_equivalent", "ungraded", "not_equivalent"]
    assert decisions[2].reason.startswith("no answer in 3 attempts: HTTP 529")
    server.fault = lambda _: None
    with grader_of(judge_of("anthropic", server), path) as again:
        assert outcomes(grade_all(again, items(4)))[2] == "equivalent"
        assert again.usage.from_cache == 3


def test_a_judge_that_answers_nobody_is_left_alone(server: GraderServer, path: Path) -> None:
    server.fault = lambda _: "503"
    with grader_of(judge_of("anthropic", server), path, attempts=2, concurrency=1) as grader:
        decisions = grade_all(grader, items(60))
    assert outcomes(decisions) == ["ungraded"] * 60
    assert "no verdict on 20 items in a row" in decisions[-1].reason
    assert len(server.books.asked) == 40
    assert grader.usage.usd == 0


@pytest.mark.parametrize(
    "limits",
    [
        {"max_usd": -1.0},
        {"max_usd": float("nan")},
        {"max_calls": -1},
        {"concurrency": 0},
        {"attempts": 0},
    ],
)
def test_limits_without_sense_are_refused(
    limits: dict[str, Any], server: GraderServer, path: Path
) -> None:
    with pytest.raises(UsageError, match="limits"):
        grader_of(judge_of("anthropic", server), path, **limits)
