"""`RulesGrader`: settles the clear cases for nothing and leaves the others open.

Rules would rather leave an item to a judge than decide it wrongly; which ones there are is said by
the rubric's kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from quarry.equivalence.grader import (
    CanaryResult,
    Decision,
    EquivalenceGrader,
    GradingItem,
    GradingUsage,
)
from quarry.equivalence.rubric import Rubric
from quarry.equivalence.rules_answer import Answer, Rule, Ruling, answer_of, not_clear, other
from quarry.equivalence.rules_dates import rule_on_date
from quarry.equivalence.rules_names import names_rule

RULES_VERSION: Final = "2"
"""Raised with every change of what rules decide: decisions stored under another one are stale."""

DECIDED_BY: Final = "rules"


class RulesGrader(EquivalenceGrader):
    """Decides by rules alone: what is not clear to them is `ungraded`.

    Args:
        rubric: what counts as equivalent.
    """

    def __init__(self, rubric: Rubric) -> None:
        """Choose the rule of the rubric's kind and try it on the canaries."""
        self._rubric = rubric
        self._rule = _rule_of(rubric)
        self._n_settled = 0
        self._canaries = [
            CanaryResult(
                one.name,
                one.expected,
                self.examine(GradingItem(one.prompt, one.target, one.completion)).outcome,
            )
            for one in rubric.canaries
        ]

    def describe(self) -> dict[str, Any]:
        """Kind and version of the grader and the rubric it follows."""
        return {
            "grader": DECIDED_BY,
            "version": RULES_VERSION,
            "rubric": self._rubric.name,
            "rubric_version": self._rubric.version,
            "rubric_digest": self._rubric.digest,
        }

    def examine(self, item: GradingItem) -> Decision:
        """Decide on one item; `ungraded` says what is not clear about it."""
        answer = answer_of(item.completion)
        ruling = _rule_with(self._rule, item, answer)
        if ruling.outcome == "ungraded":
            reason = f"not clear to the rules: {ruling.why}"
            return Decision("ungraded", "", None, DECIDED_BY, reason)
        end = len(answer.text.rstrip()) if ruling.end is None else ruling.end
        trimmed = item.completion[: answer.start + end] if answer.text else ""
        return Decision(
            ruling.outcome, f"{ruling.why[0].upper()}{ruling.why[1:]}.", trimmed, DECIDED_BY
        )

    def settle(self, item: GradingItem) -> Decision | None:
        """Decide on one item, or None where it is not clear and a judge has to."""
        decision = self.examine(item)
        return None if decision.outcome == "ungraded" else decision

    def grade(
        self, items: Sequence[GradingItem], *, log: Callable[[str], None]
    ) -> Iterator[tuple[int, Decision]]:
        """Yield a decision for each item in order; see `EquivalenceGrader.grade`."""
        n_before = self._n_settled
        for position, item in enumerate(items):
            decision = self.examine(item)
            self._n_settled += decision.outcome != "ungraded"
            yield position, decision
        log(f"rules settled {self._n_settled - n_before:,} of {len(items):,} completions")

    @property
    def canaries(self) -> Sequence[CanaryResult]:
        """Every canary of the rubric; rules say the same to one each time."""
        return self._canaries

    @property
    def usage(self) -> GradingUsage:
        """How many items were settled; rules cost nothing."""
        return GradingUsage(by_rules=self._n_settled)


def _rule_of(rubric: Rubric) -> Rule:
    """The rule of a rubric's kind."""
    if rubric.kind == "date":
        return rule_on_date
    accept = rubric.parameters["accept"]
    return names_rule([str(part) for part in accept] if isinstance(accept, list) else [])


def _rule_with(rule: Rule, item: GradingItem, answer: Answer) -> Ruling:
    """What is said of an answer of any kind, before and after a rule looks at it."""
    if answer.is_too_long:
        return not_clear("the answer is very long")
    if answer.is_empty:
        return other("the answer is empty")
    ruling = _same_text(item, answer) or rule(item, answer)
    if ruling.outcome == "equivalent" and answer.is_on_a_later_line:
        return not_clear("the answer comes after a line break")
    return ruling


def _same_text(item: GradingItem, answer: Answer) -> Ruling | None:
    """A ruling where an answer is its target but for capitals and white space."""
    if " ".join(answer.text.casefold().split()) != " ".join(item.target.casefold().split()):
        return None
    return Ruling("equivalent", "the same text", len(answer.text.rstrip()))
