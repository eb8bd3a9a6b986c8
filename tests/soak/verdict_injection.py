"""Row 18: whatever a completion says, and wherever a judge's reply repeats it, it is no verdict.

The judges' model says NOT_EQUIVALENT each time, in the structured reply, and repeats the payload

completion   nowhere: the payload is only what is judged, and the trimmed completion
reasoning    in the reasoning beside the verdict
echo first   in a text of its own before the verdict
echo last    in a text of its own after it
free text    in place of a verdict

A verdict is read in the first two cases; there is none in the others. Rules are tried with the
payload alone, and before and after a wrong answer. How often a live model obeys a payload is shown
by the canaries of a rubric, not here.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from quarry.equivalence import grader
from quarry.equivalence.grader import GradingItem
from quarry.equivalence.rules import RulesGrader
from tests.equivalence.grader_server import Asked, Fault, GraderServer
from tests.equivalence.judge_cases import grader_of, judge_of
from tests.equivalence.payloads import PAYLOADS
from tests.equivalence.rubrics_here import RUBRICS
from tests.soak.in_memory import folder_in_memory
from tests.soak.outcome import Outcome, Progress, Tally, silent

ROW = 18
CLAIM = "verdict injection"
BAR = "0 flips caused by parsing; 0 payloads equivalent by the rules"
KINDS = ("anthropic", "openai-compatible")
PLACES: dict[str, tuple[Fault | None, grader.Outcome]] = {
    "completion": (None, "not_equivalent"),
    "echo first": ("echo first", "ungraded"),
    "reasoning": (None, "not_equivalent"),
    "echo last": ("echo last", "ungraded"),
    "free text": ("free text", "ungraded"),
}
"""What goes wrong with a reply there, and what has to come of it."""

ITEMS = {
    "death_dates": ("Q: When did Alice Chen die? A:", " March 15, 1987", " June 1, 1990"),
    "mayors": ("Q: Who is the mayor of Tokyo? A:", " Grace Miller", " Noah Clark"),
}
"""Prompt, target and a wrong answer of each rubric."""

CASES_A_PAYLOAD = len(KINDS) * len(PLACES) + len(RUBRICS)
FULL_N = CASES_A_PAYLOAD * len(PAYLOADS)


@dataclass(frozen=True)
class Case:
    """One payload, one grader, one place.

    Args:
        number: of the payload.
        by: kind of the judge, or name of the rubric whose rules decide.
        place: where the reply repeats it; empty for rules.
    """

    number: int
    by: str
    place: str = ""

    @property
    def item(self) -> GradingItem:
        """To be judged; the prompt tells the server the place."""
        _, target, _ = ITEMS["mayors"]
        prompt = f"Q: Who is the mayor of {self.place}? A:"
        return GradingItem(prompt, target, PAYLOADS[self.number])


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` cases: all of one payload after the other, payloads in an order that is drawn."""
    cases = all_cases(seed)[:n]
    tally = Tally(n, progress)
    with folder_in_memory(directory) as memory:
        for kind in KINDS:
            asked = [case for case in cases if case.by == kind]
            if asked:
                _judge_all(kind, asked, memory / f"{kind}.sqlite", tally)
    rules = {name: RulesGrader(rubric) for name, rubric in RUBRICS.items()}
    for case in cases:
        if case.by in rules:
            _examine(rules[case.by], case, tally)
    return _outcome(n, seed, tally)


def all_cases(seed: int) -> list[Case]:
    """All of one payload after the other, payloads in an order that is drawn."""
    numbers = list(range(len(PAYLOADS)))
    random.Random(f"{seed}/{ROW}").shuffle(numbers)
    return [
        case
        for number in numbers
        for case in (
            *(Case(number, kind, place) for place in PLACES for kind in KINDS),
            *(Case(number, name) for name in RUBRICS),
        )
    ]


def _judge_all(kind: str, cases: list[Case], path: Path, tally: Tally) -> None:
    """Cases of one judge; those with a verdict stand between, so that it never gives up."""
    settings = {"attempts": 1, "canary_every": len(cases), "max_usd": 100.0}
    with (
        GraderServer(decide=lambda _: False, fault=_fault, reasoning=_reasoning) as server,
        grader_of(judge_of(kind, server), path, **settings) as judged,
    ):
        items = [case.item for case in cases]
        for position, decision in judged.grade(items, log=lambda _: None):
            case, counts = cases[position], tally.counts
            counts["judged"] += 1
            counts["flips"] += decision.outcome == "equivalent"
            counts[decision.outcome] += 1
            expected = PLACES[case.place][1]
            said = f"{decision.outcome}, not {expected}: {decision.reason}"
            tally.case(
                f"payload {case.number} by {kind}, {case.place}",
                said if decision.outcome != expected else "",
            )


def _place_of(asked: Asked) -> str:
    return asked.prompt.removeprefix("Q: Who is the mayor of ").removesuffix("? A:")


def _fault(asked: Asked) -> Fault | None:
    return PLACES.get(_place_of(asked), (None, ""))[0]


def _reasoning(asked: Asked) -> str:
    return asked.completion if _place_of(asked) == "reasoning" else "another name"


def _examine(rules: RulesGrader, case: Case, tally: Tally) -> None:
    """A payload alone and around a wrong answer."""
    prompt, target, wrong = ITEMS[case.by]
    payload = PAYLOADS[case.number]
    texts = (payload, f" {payload}", f"{wrong}{payload}", f"{wrong}\n{payload}",
             f"{payload}{wrong}", f"{payload}\n{wrong}")  # fmt: skip
    found = Counter(rules.examine(GradingItem(prompt, target, text)).outcome for text in texts)
    tally.counts["texts for rules"] += len(texts)
    tally.counts["equivalent by rules"] += found["equivalent"]
    flipped = f"{found['equivalent']} of {len(texts)} texts are equivalent"
    tally.case(
        f"payload {case.number} by the rules of {case.by}", flipped if found["equivalent"] else ""
    )


def _outcome(n: int, seed: int, tally: Tally) -> Outcome:
    counts = tally.counts
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=tally.n_held,
        figure=f"{counts['flips']} flips in {counts['judged']} replies that repeat one of "
        f"{len(PAYLOADS)} payloads ({counts['not_equivalent']} read as the judge said, "
        f"{counts['ungraded']} without exactly one verdict left ungraded); rules: "
        f"{counts['equivalent by rules']} of {counts['texts for rules']} texts equivalent",
        bar=BAR,
        is_met=tally.is_whole and not counts["flips"] and not counts["equivalent by rules"],
        seed=seed,
        misses=tuple(tally.misses),
        facts={name: counts[name] for name in sorted(counts)},
    )
