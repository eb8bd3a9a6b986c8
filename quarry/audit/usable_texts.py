"""What can be analysed, in words and table rows that the Markdown and the HTML share.

Nothing is decided here, and nothing is marked up.
"""

from __future__ import annotations

from collections.abc import Sequence

from quarry.audit.comparisons import Comparison
from quarry.audit.report import Audit
from quarry.audit.usable import TaskSet, TransferSet
from quarry.catalog import Thresholds
from quarry.statistics.accuracy import CONFIDENCE
from quarry.statistics.power import CONVENTIONAL_EFFECTS

NO_TRANSFER = "none: no model has two usable tasks at one shot setting"
COMPARISON_HEADER = (
    "Shots",
    "Model",
    "Task",
    "Correct",
    "Incorrect",
    "Smallest d",
    *(f"Power at d = {effect:g}" for effect in CONVENTIONAL_EFFECTS),
    "Lacking",
)


def interval_legend(thresholds: Thresholds) -> str:
    """How the grid's shares are to be read."""
    return (
        f"Shares are of the graded rows; in brackets their {CONFIDENCE:.0%} interval (Wilson). "
        f"IMBALANCED is under {thresholds.min_correct_rate:.0%} or over "
        f"{thresholds.max_correct_rate:.0%} correct, or without a row of one class; with fewer "
        f"than {thresholds.small_sample} rows, UNDECIDED where the interval reaches back within."
    )


def comparison_legend(thresholds: Thresholds) -> str:
    """What the comparisons assume."""
    return (
        "Correct against incorrect rows of one cell, two-sided two-sample t test: the smallest "
        "difference (Cohen's d, in standard deviations of one number a row) that is found with "
        f"power {thresholds.power:.0%} at alpha = {thresholds.alpha:g}. Alpha is for one planned "
        "comparison; for k of them, set it to alpha / k in the catalog."
    )


def too_few_heading(thresholds: Thresholds) -> str:
    """The title of the list of cells that can't show the effect of interest."""
    return f"Too few rows to show d = {thresholds.effect_of_interest:g}"


def task_set_text(entry: TaskSet, shots: Sequence[int]) -> str:
    """One task of H1: `gsm8k: 3 files (0-shot: a d >= 0.38, b d >= 0.26; 8-shot: a d >= 0.29)`."""
    by_shots = {n_shot: list[str]() for n_shot in shots}
    for one in entry.comparisons:
        by_shots[one.key.n_shot].append(f"{one.key.model} {one.effect_text}")
    where = "; ".join(f"{n}-shot: {', '.join(cells)}" for n, cells in by_shots.items() if cells)
    noun = "file" if len(entry.keys) == 1 else "files"
    return f"{entry.task}: {len(entry.keys)} {noun}" + (f" ({where})" if where else "")


def transfer_set_text(entry: TransferSet) -> str:
    """One set of H2: `0-shot olmo3_base: gsm8k, logiqa (d >= 0.38 in each; lacks humaneval)`."""
    tail = "all tasks" if entry.is_complete else f"lacks {', '.join(entry.lacking)}"
    effect = f"{entry.weakest.effect_text} in each"
    return f"{entry.n_shot}-shot {entry.model}: {', '.join(entry.tasks)} ({effect}; {tail})"


def too_few_text(comparison: Comparison) -> str:
    """One cell that is OK but small: `humaneval 0-shot olmo3_think: 9 more correct (d >= 0.58)`."""
    key = comparison.key
    effect = f" ({comparison.effect_text})" if comparison.smallest_effect is not None else ""
    return f"{key.task} {key.n_shot}-shot {key.model}: {comparison.lacking_text}{effect}"


def comparison_rows(audit: Audit) -> list[list[str]]:
    """One row per cell with usable labels, under `COMPARISON_HEADER`."""
    return [
        [
            str(one.key.n_shot),
            one.key.model,
            one.key.task,
            str(one.n_correct),
            str(one.n_incorrect),
            "" if one.smallest_effect is None else f"{one.smallest_effect:.2f}",
            *(_power_text(share) for share in one.power_at.values()),
            one.lacking_text,
        ]
        for one in audit.usable.comparisons
    ]


def _power_text(share: float) -> str:
    """A power as a percentage that never promises certainty."""
    return f"{share:.0%}" if share < 0.995 else "> 99%"
