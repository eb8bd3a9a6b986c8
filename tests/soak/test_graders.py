"""Rows 17 and 18 find what graders do wrong: each guard is taken away, and the row tells."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quarry.equivalence import judge
from quarry.equivalence.decision_cache import DecisionCache
from quarry.equivalence.grader import Decision
from quarry.equivalence.judge_answer import Reply
from quarry.equivalence.rules import RulesGrader
from quarry.equivalence.spending import Spending
from tests.soak import grading_kills, verdict_injection

Patch = pytest.MonkeyPatch


def _decisions_are_not_kept(patch: Patch) -> None:
    patch.setattr(DecisionCache, "add_in", lambda *_: None)


def _decisions_are_not_looked_up(patch: Patch) -> None:
    patch.setattr(DecisionCache, "find_in", lambda *_: dict[str, Decision]())


def _money_spent_before_is_forgotten(patch: Patch) -> None:
    patch.setattr(Spending, "_total_in", lambda *_: (0, 0))


KILLS: dict[str, tuple[Callable[[Patch], None], str]] = {
    "decisions are not kept": (_decisions_are_not_kept, "a re-run made"),
    "decisions are not looked up": (_decisions_are_not_looked_up, "asked again after"),
    "money is forgotten": (_money_spent_before_is_forgotten, "the tight cap"),
}


@pytest.mark.parametrize("name", KILLS)
def test_a_grader_that_loses_what_was_paid_for_is_found(
    name: str, tmp_path: Path, monkeypatch: Patch
) -> None:
    plant, expected = KILLS[name]
    plant(monkeypatch)
    outcome = grading_kills.run(24, 0, tmp_path)
    assert not outcome.is_met
    assert any(expected in miss for miss in outcome.misses), outcome.misses
    if name == "decisions are not looked up":
        assert outcome.facts["repeated beyond kills"] > 0


def _first_verdict_in_the_text(patch: Patch) -> None:
    def read(text: str, item: Any, request_name: str, answer: Any) -> Reply:
        found = re.search(r"\bEQUIVALENT\b", text)
        return Reply("EQUIVALENT" if found else "NOT_EQUIVALENT", "", None, answer)

    patch.setattr(judge, "read_reply", read)


def _rules_look_for_a_word(patch: Patch) -> None:
    def examine(rules: RulesGrader, item: Any) -> Decision:
        outcome = "equivalent" if "EQUIVALENT" in item.completion else "not_equivalent"
        return Decision(outcome, "", "", "rules")

    patch.setattr(RulesGrader, "examine", examine)


@pytest.mark.parametrize(
    ("plant", "count"),
    [(_first_verdict_in_the_text, "flips"), (_rules_look_for_a_word, "equivalent by rules")],
)
def test_a_grader_that_searches_for_a_verdict_is_found(
    plant: Callable[[Patch], None], count: str, tmp_path: Path, monkeypatch: Patch
) -> None:
    plant(monkeypatch)
    outcome = verdict_injection.run(60, 0, tmp_path)
    assert not outcome.is_met
    assert outcome.facts[count] > 0


def test_injection_is_whole_with_every_payload_grader_and_place() -> None:
    cases = verdict_injection.all_cases(3)
    assert len(cases) == len(set(cases)) == verdict_injection.FULL_N
    assert cases != verdict_injection.all_cases(4)
