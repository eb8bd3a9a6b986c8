"""`Comparison`: what comparing the correct with the incorrect rows of a cell can show.

The classes are the verdicts `correct` and `incorrect`. Rows with `no_answer` or `truncated` say
something else about a completion, and `timeout` and `error` nothing, so that none of them is
counted. The arithmetic lives in `quarry.statistics.power`, how it is shown in `tables` and `html`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quarry.audit.cell import AuditCell
from quarry.catalog import Thresholds
from quarry.keys import TrajectoryKey
from quarry.statistics.power import CONVENTIONAL_EFFECTS, power, rows_lacking, smallest_effect


@dataclass(frozen=True)
class Comparison:
    """What the class sizes of one cell can show.

    Args:
        key: the cell.
        n_correct: rows with the verdict `correct`.
        n_incorrect: rows with the verdict `incorrect`.
        smallest_effect: Cohen's d that is found with the wanted power; None where a class has
            fewer than two rows.
        power_at: power by effect, for Cohen's small, medium and large.
        correct_lacking: more correct rows that the effect of interest needs.
        incorrect_lacking: more incorrect rows that it needs.
    """

    key: TrajectoryKey
    n_correct: int
    n_incorrect: int
    smallest_effect: float | None
    power_at: Mapping[float, float]
    correct_lacking: int
    incorrect_lacking: int

    @property
    def is_enough(self) -> bool:
        """Whether the effect of interest is found with the wanted power."""
        return not self.correct_lacking and not self.incorrect_lacking

    @property
    def effect_text(self) -> str:
        """The smallest effect for a person: `d >= 0.38`."""
        return "no d" if self.smallest_effect is None else f"d >= {self.smallest_effect:.2f}"

    @property
    def lacking_text(self) -> str:
        """What is lacking for a person: `9 more correct`; empty where there is enough."""
        lacking = {"correct": self.correct_lacking, "incorrect": self.incorrect_lacking}
        return ", ".join(f"{count} more {name}" for name, count in lacking.items() if count)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "partition": self.key.partition,
            "n_correct": self.n_correct,
            "n_incorrect": self.n_incorrect,
            "smallest_effect": self.smallest_effect,
            "power_at": {str(effect): share for effect, share in self.power_at.items()},
            "correct_lacking": self.correct_lacking,
            "incorrect_lacking": self.incorrect_lacking,
            "is_enough": self.is_enough,
        }


def compare(cell: AuditCell, thresholds: Thresholds) -> Comparison | None:
    """What a cell's class sizes can show, or None where it has no usable labels."""
    if not cell.verdicts:
        return None
    correct, incorrect = (cell.verdicts.get(name, 0) for name in ("correct", "incorrect"))
    alpha, wanted = thresholds.alpha, thresholds.power
    lacking = rows_lacking(
        correct, incorrect, effect=thresholds.effect_of_interest, alpha=alpha, wanted=wanted
    )
    return Comparison(
        cell.key,
        correct,
        incorrect,
        smallest_effect(correct, incorrect, alpha=alpha, wanted=wanted),
        {effect: power(effect, correct, incorrect, alpha=alpha) for effect in CONVENTIONAL_EFFECTS},
        *lacking,
    )


def compared(cells: Sequence[AuditCell], thresholds: Thresholds) -> tuple[Comparison, ...]:
    """The comparisons of all cells that have usable labels, in the order of `cells`."""
    found = (compare(cell, thresholds) for cell in cells)
    return tuple(comparison for comparison in found if comparison is not None)
