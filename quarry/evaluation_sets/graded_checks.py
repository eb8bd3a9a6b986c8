"""Checks of the graded table that a set comes from: rate, prompts covered, what is ungraded."""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from quarry.audit.tables import share_text
from quarry.evaluation_sets.counts import SetCounts, count_graded
from quarry.findings import Finding, Severity

if TYPE_CHECKING:
    import pandas as pd

_MOST_NAMED = 5


def check_rate(
    counts: SetCounts, *, lowest: float, highest: float, severity: Severity
) -> list[Finding]:
    """Whether the share of equivalent completions is within its bounds.

    A rate beyond a bound of which the 95 % interval still reaches within is a warning at most:
    with so few completions it may be chance.

    Args:
        counts: of the graded table.
        lowest: bound of the rate, 0 .. 1; a rate on it is within.
        highest: bound of the rate, 0 .. 1; a rate on it is within.
        severity: of a rate that is beyond a bound for sure.
    """
    rate = counts.rate
    bounds = f"{lowest:.0%} to {highest:.0%} of the graded distinct completions"
    if rate is None:
        return [
            Finding(
                check="equivalence_rate",
                kind="no_rate",
                what="No completion was graded, so there is no equivalence rate",
                where="graded completions",
                expected=bounds,
                got=f"0 of {counts.distinct:,} graded",
                cure="see why completions are ungraded, and grade them again",
                severity=severity,
            )
        ]
    if lowest <= rate.rate <= highest:
        return []
    is_low = rate.rate < lowest
    is_sure = rate.high < lowest if is_low else rate.low > highest
    return [
        Finding(
            check="equivalence_rate",
            kind="too_low" if is_low else "too_high",
            what=f"The equivalence rate is {'below' if is_low else 'above'} its bound"
            + ("" if is_sure else ", though so few completions leave open whether it is"),
            where="graded completions",
            expected=bounds,
            got=f"{share_text(rate)}, 95% interval {rate.range_text}",
            cure="read the distinct completions on the asset's page: where they are right, the "
            "rubric is too strict; where they are wrong, the model has not learned them"
            if is_low
            else "read the distinct completions on the asset's page: the rubric may be too lax",
            severity=severity if is_sure else "warning",
        )
    ]


def check_covered(graded: pd.DataFrame, *, least: float) -> list[Finding]:
    """Whether enough prompts have a completion in the set.

    Args:
        graded: the graded table.
        least: share of prompts, 0 .. 1.
    """
    counts = count_graded(graded)
    if counts.covered_share >= least:
        return []
    rows = graded.to_dict("records")
    covered = {row["prompt_id"] for row in rows if row["outcome"] == "equivalent"}
    missing = list(dict.fromkeys(row["source"] for row in rows if row["prompt_id"] not in covered))
    more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
    return [
        Finding(
            check="prompts_covered",
            kind="too_few",
            what="Too few prompts have an equivalent completion",
            where=f"prompts {', '.join(map(str, missing[:_MOST_NAMED]))}{more}",
            expected=f"at least {least:.0%} of the prompts",
            got=f"{counts.prompts_covered} of {counts.prompts} ({counts.covered_share:.1%})",
            cure="train longer, sample more generations, or correct the rubric",
        )
    ]


def check_ungraded(graded: pd.DataFrame, *, most: float) -> list[Finding]:
    """Whether too many completions have no decision.

    Args:
        graded: the graded table.
        most: share of distinct completions, 0 .. 1.
    """
    counts = count_graded(graded)
    if counts.ungraded_share <= most:
        return []
    is_undecided = ~graded["outcome"].isin(["equivalent", "not_equivalent"])
    reasons = Counter(str(text) or "no reason" for text in graded.loc[is_undecided, "reason"])
    named = ", ".join(f"{n} x {reason}" for reason, n in reasons.most_common(_MOST_NAMED))
    return [
        Finding(
            check="ungraded_share",
            kind="too_many",
            what="Too many completions are ungraded",
            where="graded completions",
            expected=f"at most {most:.0%} of the distinct completions",
            got=f"{counts.ungraded} of {counts.distinct} ({counts.ungraded_share:.1%}): {named}",
            cure="see to the reasons, then grade again: only what is ungraded is asked for",
        )
    ]
