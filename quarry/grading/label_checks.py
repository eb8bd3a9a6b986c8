"""Checks of a whole table of labels: is it balanced, and was enough of it graded.

Single grades are checked against references in `quarry.grading.references`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

from quarry.catalog import Thresholds
from quarry.findings import Finding
from quarry.grading.verdict import Verdict
from quarry.statistics.balance import Balance, BalanceState, judge_balance

_MOST_IDS = 20
_UNGRADED = [str(verdict) for verdict in Verdict if not verdict.is_graded]


def check_class_balance(frame: pd.DataFrame, thresholds: Thresholds) -> list[Finding]:
    """Whether the share of correct rows lies within the bounds, as far as the rows can tell.

    A share beyond a bound that so few rows leave open is no finding: `balance_facts` says so.

    Args:
        frame: labels with `verdict`.
        thresholds: `min_correct_rate` and `max_correct_rate`, shares of the graded rows, and
            `small_sample`.
    """
    balance = _balance_of(frame, thresholds)
    if balance is None:
        return [_nothing_graded(len(frame))]
    if balance.state in {BalanceState.BALANCED, BalanceState.UNDECIDED}:
        return []
    side = "few" if balance.state is BalanceState.TOO_FEW else "many"
    interval = balance.interval
    return [
        Finding(
            check="class_balance",
            kind=balance.state.value,
            what=f"So {side} completions are correct that the classes can't be compared",
            where="column verdict",
            expected=f"{thresholds.min_correct_rate:.1%} to {thresholds.max_correct_rate:.1%}",
            got=f"{interval.n_correct}/{interval.n} ({interval.rate:.1%}), "
            f"{interval.confidence:.0%} interval {interval.range_text}",
            cure="look at the evidence of some rows; where the grades hold, leave this cell out of "
            "comparisons of correct with incorrect",
            severity="warning",
        )
    ]


def balance_facts(frame: pd.DataFrame, thresholds: Thresholds) -> dict[str, str | int | float]:
    """The share of correct rows with its interval, and what it means, for a check's page.

    Args:
        frame: labels with `verdict`.
        thresholds: as for `check_class_balance`.
    """
    balance = _balance_of(frame, thresholds)
    if balance is None:
        return {"samples": len(frame), "graded": 0}
    interval = balance.interval
    return {
        "samples": len(frame),
        "graded": interval.n,
        "correct": interval.n_correct,
        "correct_rate": interval.rate,
        "correct_rate_low": interval.low,
        "correct_rate_high": interval.high,
        "balance_state": ": ".join(filter(None, (balance.state.value, balance.note))),
    }


def _balance_of(frame: pd.DataFrame, thresholds: Thresholds) -> Balance | None:
    """Where the share of correct rows lies; timeouts and errors are no rows of it."""
    verdicts = Counter(_column(frame, "verdict"))
    n_graded = verdicts.total() - sum(verdicts[name] for name in _UNGRADED)
    return judge_balance(verdicts[Verdict.CORRECT], n_graded, thresholds)


def check_graded_share(frame: pd.DataFrame, thresholds: Thresholds) -> list[Finding]:
    """Whether enough rows have a verdict on the completion; timeouts and errors are none.

    Args:
        frame: labels with `sample_id` and `verdict`.
        thresholds: `min_graded_share`, a share of all rows.
    """
    ungraded = _ungraded_ids(frame)
    n_rows = len(frame)
    share = 1 - len(ungraded) / n_rows if n_rows else 0.0
    if n_rows and share >= thresholds.min_graded_share:
        return []
    counts = Counter(_column(frame, "verdict"))
    named = ", ".join(f"{counts[v]} {v}" for v in _UNGRADED if v in counts) or "no rows"
    more = f" and {len(ungraded) - _MOST_IDS} more" if len(ungraded) > _MOST_IDS else ""
    return [
        Finding(
            check="graded_share",
            kind="too_few_graded",
            what="Too many completions have no verdict",
            where=(", ".join(ungraded[:_MOST_IDS]) + more) or "the whole table",
            expected=f"at least {thresholds.min_graded_share:.1%} graded",
            got=f"{n_rows - len(ungraded)}/{n_rows} ({share:.1%}) graded; {named}",
            cure="read the evidence of these rows; raise the time limit for timeouts, correct "
            "samples or grader for errors, then relabel",
        )
    ]


def _ungraded_ids(frame: pd.DataFrame) -> list[str]:
    """Ids of the rows whose completion was not judged."""
    rows = zip(_column(frame, "sample_id"), _column(frame, "verdict"), strict=True)
    return [str(sample_id) for sample_id, verdict in rows if verdict in _UNGRADED]


def _column(frame: pd.DataFrame, name: str) -> list[Any]:
    """A column as plain values; pandas ships too few types for strict checking."""
    return cast(Any, frame[name]).tolist()


def _nothing_graded(n_rows: int) -> Finding:
    return Finding(
        check="class_balance",
        kind="nothing_graded",
        what="No completion was graded, so there is no share of correct ones",
        where="column verdict",
        expected="graded rows",
        got=f"0 of {n_rows} rows",
        cure="read the evidence of the rows, correct samples or grader, then relabel",
        severity="warning",
    )
