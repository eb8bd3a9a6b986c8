"""Bad days: a third of the calls fails, the process is killed, completions give orders."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quarry.equivalence.grader import GradingItem
from tests.equivalence.bad_days import answered_items, cut_off, failing
from tests.equivalence.grader_server import Asked, Fault, GraderServer
from tests.equivalence.judge_cases import (
    PROMPT,
    TARGET,
    grade_all,
    grader_of,
    items,
    judge_of,
)
from tests.equivalence.payloads import PAYLOADS

ROOT = Path(__file__).parents[2]
KINDS = ("anthropic", "openai-compatible")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 4])
def test_each_item_is_graded_once_though_a_third_of_the_calls_fails(
    kind: str, seed: int, tmp_path: Path
) -> None:
    with GraderServer(fault=failing(seed, 0.3)) as server:
        with grader_of(judge_of(kind, server), tmp_path / "g.sqlite", attempts=12) as grader:
            decisions = grade_all(grader, items(60))
            usage = grader.usage
        assert [one.outcome for one in decisions] == ["equivalent", "not_equivalent"] * 30
        assert set(answered_items(server).values()) == {1}
        assert len(answered_items(server)) == 60
        assert server.books.faults.total() > 12
        assert usage.calls == len(server.books.asked)
        assert server.books.billed_usd <= usage.usd <= 10.0
        asked = len(server.books.asked)
        with grader_of(judge_of(kind, server), tmp_path / "g.sqlite") as again:
            assert grade_all(again, items(60)) == decisions
        assert len(server.books.asked) == asked


@pytest.mark.parametrize("kind", KINDS)
def test_the_cap_holds_by_the_providers_own_bill_while_calls_fail(
    kind: str, tmp_path: Path
) -> None:
    cap_usd = 0.05
    with GraderServer(fault=failing(3, 0.3)) as server:
        reasons: set[str] = set()
        for _ in range(3):
            settings = {"max_usd": cap_usd, "concurrency": 8, "attempts": 4}
            with grader_of(judge_of(kind, server), tmp_path / "g.sqlite", **settings) as grader:
                reasons |= {one.reason for one in grade_all(grader, items(120))}
        assert "spend limit of $0.05 reached" in reasons
        assert 0.02 < server.books.billed_usd <= cap_usd
        assert set(answered_items(server).values()) == {1}


def test_calls_without_an_answer_in_time_are_tried_again_and_stay_on_the_books(
    tmp_path: Path,
) -> None:
    with GraderServer(fault=lambda asked: "hang" if asked.number in (3, 7) else None) as server:
        judge = judge_of("anthropic", server, timeout_s=0.4)
        with grader_of(judge, tmp_path / "g.sqlite") as grader:
            decisions = grade_all(grader, items(12))
            assert "ungraded" not in {one.outcome for one in decisions}
            assert server.books.faults == {"hang": 2}
            assert grader.usage.usd > server.books.billed_usd + 0.005


class Killer:
    """Kills a process with its n-th request, before the answer or after it was billed."""

    def __init__(self, server: GraderServer) -> None:
        self.server = server
        self.child: subprocess.Popen[str] | None = None
        self.at = -1
        self.is_after_bill = False
        self.signal = signal.SIGKILL
        server.before_answer = lambda asked: self.strike(asked, is_billed=True)
        self.otherwise = failing(5, 0.3)
        server.fault = self.fault

    def fault(self, asked: Asked) -> Fault | None:
        self.strike(asked, is_billed=False)
        return None if asked.number == self.at else self.otherwise(asked)

    def strike(self, asked: Asked, *, is_billed: bool) -> None:
        if asked.number == self.at and is_billed == self.is_after_bill and self.child:
            os.kill(self.child.pid, self.signal)

    def run(self, path: Path, n_items: int, cap_usd: float, *, after: int) -> list[str]:
        """Grade in a process, killed after so many requests; returns what it handed out."""
        self.at = len(self.server.books.asked) + after
        arguments = [self.server.url, str(path), str(n_items), str(cap_usd)]
        self.child = subprocess.Popen(
            [sys.executable, "-m", "tests.equivalence.grading_process", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        output, _ = self.child.communicate(timeout=120)
        assert self.child.returncode == -self.signal
        return output.splitlines()


@pytest.mark.parametrize("seed", [11, 12])
def test_nothing_that_was_paid_for_is_lost_or_asked_again_after_kills(
    seed: int, tmp_path: Path
) -> None:
    n_items, cap_usd, path = 60, 0.5, tmp_path / "g.sqlite"
    draw = random.Random(seed)
    with GraderServer() as server:
        killer = Killer(server)
        handed_out: set[str] = set()
        for _ in range(3):
            killer.is_after_bill = draw.random() < 0.5
            lines = killer.run(path, n_items, cap_usd, after=draw.randrange(1, 25))
            handed_out |= {line for line in lines if line.count(" ") == 1}
        with grader_of(judge_of("anthropic", server), path, max_usd=cap_usd) as grader:
            decisions = grade_all(grader, items(n_items))
        assert [one.outcome for one in decisions] == ["equivalent", "not_equivalent"] * 30
        assert handed_out <= {f"{row} {one.outcome}" for row, one in enumerate(decisions)}
        answers = answered_items(server)
        assert len(answers) == n_items
        assert answers.total() - n_items <= cut_off(path).total() <= 3 * 4
        assert max(answers.values()) <= 1 + 3
        assert server.books.billed_usd <= cap_usd
        asked = len(server.books.asked)
        with grader_of(judge_of("anthropic", server), path, max_usd=cap_usd) as again:
            assert grade_all(again, items(n_items)) == decisions
        assert len(server.books.asked) == asked


def test_ctrl_c_waits_for_the_replies_that_are_paid_for(tmp_path: Path) -> None:
    path = tmp_path / "g.sqlite"
    with GraderServer() as server:
        killer = Killer(server)
        killer.signal = signal.SIGINT
        killer.run(path, 200, 1.0, after=10)
        n_answers = answered_items(server).total()
        assert cut_off(path).total() == 0
        with grader_of(judge_of("anthropic", server), path, max_usd=0.0) as grader:
            grade_all(grader, items(200))
            assert grader.usage.from_cache == n_answers < 100


def test_kills_in_flight_count_against_the_cap(tmp_path: Path) -> None:
    cap_usd, path = 0.1, tmp_path / "g.sqlite"
    with GraderServer() as server:
        killer = Killer(server)
        killer.is_after_bill = True
        for _ in range(2):
            killer.run(path, 200, cap_usd, after=5)
        killer.at = -1
        calls: list[int] = []
        for _ in range(2):
            with grader_of(judge_of("anthropic", server), path, max_usd=cap_usd) as grader:
                decisions = grade_all(grader, items(200))
                calls.append(grader.usage.calls)
            assert server.books.billed_usd <= cap_usd
            assert [one.outcome for one in decisions].count("ungraded") > 60
        assert calls[0] > calls[1] == 0
        assert cut_off(path).total() >= 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["reasoning", "free text"])
def test_no_order_in_a_completion_becomes_a_verdict(kind: str, place: str, tmp_path: Path) -> None:
    given = [GradingItem(PROMPT, TARGET, payload) for payload in PAYLOADS]
    assert len(given) >= 50
    with GraderServer(decide=lambda _: False, reasoning=lambda asked: asked.completion) as server:
        is_free = place == "free text"
        server.fault = lambda asked: "free text" if is_free else None
        path, settings = tmp_path / "g.sqlite", {"attempts": 1, "canary_every": 1000}
        decisions = []
        for start in range(0, len(given), 15):
            with grader_of(judge_of(kind, server), path, **settings) as grader:
                decisions += grade_all(grader, given[start : start + 15])
    expected = "ungraded" if is_free else "not_equivalent"
    assert {one.outcome for one in decisions} == {expected}
    if not is_free:
        assert all(one.trimmed is None or payload.startswith(one.trimmed)
                   for one, payload in zip(decisions, PAYLOADS, strict=True))  # fmt: skip
