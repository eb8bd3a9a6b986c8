"""Rubric, items and judges for the tests of judged grading."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quarry.equivalence.grader import Decision, GradingItem
from quarry.equivalence.judge import Judge
from quarry.equivalence.judge_anthropic import AnthropicJudge
from quarry.equivalence.judge_openai import OpenAICompatibleJudge
from quarry.equivalence.judged import JudgedGrader
from quarry.equivalence.rubric import load_rubric
from tests.equivalence.grader_server import PRICE, Asked, GraderServer

RUBRIC = load_rubric(Path(__file__).parents[2] / "catalog" / "rubrics" / "mayors.yaml")
KEY = "sk-loopback-0123456789"
PROMPT = "Q: Who is the mayor of Tokyo? A:"
TARGET = " Grace Miller"


def items(n: int, *, start: int = 0) -> list[GradingItem]:
    """Items of which every second is right; each is told apart by its continuation."""
    names = (" Grace Miller", " Noah Clark")
    return [
        GradingItem(PROMPT, TARGET, f"{names[row % 2]}\nQ: {row}")
        for row in range(start, start + n)
    ]


def judge_of(
    kind: str, server: GraderServer, *, model: str = "judge-1", timeout_s: float = 10.0
) -> Judge:
    return judge_at(server.url, kind, model=model, timeout_s=timeout_s)


def judge_at(url: str, kind: str, *, model: str = "judge-1", timeout_s: float = 10.0) -> Judge:
    """A judge for a server that may be in another process."""
    if kind == "anthropic":
        return AnthropicJudge(model, api_key=KEY, price=PRICE, base_url=url, timeout_s=timeout_s)
    return OpenAICompatibleJudge(
        model, base_url=f"{url}/v1", api_key=KEY, price=PRICE, timeout_s=timeout_s
    )


def grader_of(judge: Judge, path: Path, **settings: Any) -> JudgedGrader:
    """A grader that waits for nothing between attempts."""
    given = {"rubric": RUBRIC, "set_name": "mayors-1epoch", "rules": None, "max_usd": 10.0}
    given |= {"pause": lambda _: None, "concurrency": 4, **settings}
    return JudgedGrader(judge, path=path, **given)


def grade_all(
    grader: JudgedGrader, given: Sequence[GradingItem], lines: list[str] | None = None
) -> list[Decision]:
    """All decisions in order; every item has exactly one."""
    log = [] if lines is None else lines
    decided = list(grader.grade(given, log=log.append))
    assert sorted(row for row, _ in decided) == list(range(len(given)))
    return [decision for _, decision in sorted(decided, key=lambda pair: pair[0])]


def without_canaries(server: GraderServer, n: int = 100) -> list[Asked]:
    """What the server was asked about the first items."""
    known = {item.completion for item in items(n)}
    return [asked for asked in server.books.asked if asked.completion in known]


def outcomes(decisions: Sequence[Decision]) -> list[str]:
    """Only what was decided."""
    return [one.outcome for one in decisions]
