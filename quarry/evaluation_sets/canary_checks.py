"""Whether the grader was right on the items whose answer is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from quarry.findings import Finding

if TYPE_CHECKING:
    from quarry.equivalence.grader import CanaryResult


def check_canaries(canaries: Sequence[CanaryResult]) -> list[Finding]:
    """One finding for each canary that was wrong, and one for each that got no decision.

    Args:
        canaries: of all batches.
    """
    times = Counter((one.name, one.expected, one.got) for one in canaries)
    asked = Counter(one.name for one in canaries)
    return [
        Finding(
            check="canaries_right",
            kind="ungraded" if got == "ungraded" else "wrong",
            what="A canary got no decision"
            if got == "ungraded"
            else "The grader misjudged a canary",
            where=f"canary {name}",
            expected=expected,
            got=f"{got}, {n} of {asked[name]} times",
            cure="see the reasons of ungraded completions, then grade again"
            if got == "ungraded"
            else "trust no decision of this grader: try another model, or make the rubric clearer",
            severity="warning" if got == "ungraded" else "error",
        )
        for (name, expected, got), n in times.items()
        if got != expected
    ]
