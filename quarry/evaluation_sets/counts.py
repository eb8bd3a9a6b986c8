"""How many completions were sampled, graded and kept; read from a graded table."""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from quarry.statistics.accuracy import Interval, accuracy

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SetCounts:
    """Counts of one set; completions are distinct ones of a prompt where not said otherwise.

    Args:
        prompts: that were sampled.
        prompts_covered: with at least one equivalent completion.
        generations: in all, repeated ones included.
        generations_equivalent: of them, those whose completion is equivalent.
        distinct: completions.
        graded: of them, those that a grader decided on.
        equivalent: of them, the rows of the set.
        not_equivalent: the other graded ones.
        ungraded: completions without a decision.
    """

    prompts: int
    prompts_covered: int
    generations: int
    generations_equivalent: int
    distinct: int
    graded: int
    equivalent: int
    not_equivalent: int
    ungraded: int

    @property
    def rate(self) -> Interval | None:
        """Share of equivalent completions among the graded ones; None where none was graded."""
        return accuracy(self.equivalent, self.graded)

    @property
    def ungraded_share(self) -> float:
        """Share of completions without a decision, 0 .. 1; 0 where there are none at all."""
        return self.ungraded / self.distinct if self.distinct else 0.0

    @property
    def covered_share(self) -> float:
        """Share of prompts with a kept completion, 0 .. 1; 0 where there are no prompts."""
        return self.prompts_covered / self.prompts if self.prompts else 0.0

    def as_dict(self) -> dict[str, int]:
        """Plain JSON."""
        return asdict(self)


def count_graded(graded: pd.DataFrame) -> SetCounts:
    """Count a graded table.

    Args:
        graded: with columns `prompt_id`, `count` and `outcome`.
    """
    columns = [graded[name].tolist() for name in ("prompt_id", "count", "outcome")]
    rows = list(zip(*columns, strict=True))
    kept = [row for row in rows if row[2] == "equivalent"]
    n_not = sum(outcome == "not_equivalent" for _, _, outcome in rows)
    return SetCounts(
        prompts=len({prompt for prompt, _, _ in rows}),
        prompts_covered=len({prompt for prompt, _, _ in kept}),
        generations=sum(int(count) for _, count, _ in rows),
        generations_equivalent=sum(int(count) for _, count, _ in kept),
        distinct=len(rows),
        graded=len(kept) + n_not,
        equivalent=len(kept),
        not_equivalent=n_not,
        ungraded=len(rows) - len(kept) - n_not,
    )
