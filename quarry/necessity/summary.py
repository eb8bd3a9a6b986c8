"""What a table of necessity results comes to: shares by source and by difficulty."""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quarry.necessity.table import TESTED
from quarry.selection.difficulty import difficulty_of, reasoning_steps
from quarry.statistics.accuracy import accuracy

if TYPE_CHECKING:
    import pandas as pd

HEADER = ("", "tested", "baseline", "ablated", "needs", "share", "95 %")
"""Tested problems; those right with thoughts, right without, and those that need thoughts, as a
share with its interval. Short words: a page of the UI cuts off what is wider than it."""


@dataclass(frozen=True)
class Group:
    """Counts of one group of problems.

    Args:
        name: such as `test` or `3-step`.
        n_tested: problems that were tested.
        n_baseline: right with thoughts.
        n_ablated: right without.
        n_needs: right with thoughts and wrong without.
        n_failed: problems that could not be tested.
    """

    name: str
    n_tested: int
    n_baseline: int
    n_ablated: int
    n_needs: int
    n_failed: int

    def cells(self) -> tuple[str, ...]:
        """One row of a table under `HEADER`."""
        interval = accuracy(self.n_needs, self.n_tested)
        share, ends = "", ""
        if interval is not None:
            share = f"{interval.rate:.1%}"
            ends = f"{interval.low * 100:.0f}-{interval.high:.0%}"
        counts = (self.n_tested, self.n_baseline, self.n_ablated, self.n_needs)
        return (self.name, *map(str, counts), share, ends)


@dataclass(frozen=True)
class NecessitySummary:
    """Counts of a table of results."""

    whole: Group
    by_source: tuple[Group, ...]
    by_difficulty: tuple[Group, ...]

    def rows(self) -> list[tuple[str, ...]]:
        """Rows under `HEADER`: all problems, each source, each difficulty."""
        return [one.cells() for one in (self.whole, *self.by_source, *self.by_difficulty)]

    def facts(self) -> dict[str, Any]:
        """Plain numbers, which make trends over time."""
        whole = self.whole
        interval = accuracy(whole.n_needs, whole.n_tested)
        return {
            "problems_tested": whole.n_tested,
            "problems_failed": whole.n_failed,
            "baseline_correct": whole.n_baseline,
            "ablated_correct": whole.n_ablated,
            "needs_cot": whole.n_needs,
            "needs_cot_rate": 0.0 if interval is None else interval.rate,
        }


def summarise_necessity(results: pd.DataFrame) -> NecessitySummary:
    """Count a table with the columns of `quarry.necessity.table`."""
    sources = [str(one) for one in results["source"]]
    levels = [difficulty_of(reasoning_steps(str(one))) for one in results["full_solution"]]
    flags = [
        _flags(*row)
        for row in results[["status", "baseline_correct", "ablated_correct"]].itertuples(
            index=False, name=None
        )
    ]
    return NecessitySummary(_group("all", flags), _groups(sources, flags), _groups(levels, flags))


Flags = tuple[bool, bool, bool]
"""Whether a problem was tested, was answered rightly with thoughts, and without."""


def _flags(status: object, is_right: object, is_ablated_right: object) -> Flags:
    is_tested = status == TESTED
    return (is_tested, is_tested and bool(is_right), is_tested and bool(is_ablated_right))


def _groups(names: Sequence[str], flags: Sequence[Flags]) -> tuple[Group, ...]:
    """One group a name, in the order of the names."""
    pairs = list(zip(names, flags, strict=True))
    return tuple(
        _group(name, (one for other, one in pairs if other == name)) for name in sorted(set(names))
    )


def _group(name: str, flags: Iterable[Flags]) -> Group:
    """The counts of a group."""
    counts = Counter(flags)
    tested = {key: count for key, count in counts.items() if key[0]}
    return Group(
        name=name,
        n_tested=sum(tested.values()),
        n_baseline=sum(count for key, count in tested.items() if key[1]),
        n_ablated=sum(count for key, count in tested.items() if key[2]),
        n_needs=tested.get((True, True, False), 0),
        n_failed=counts.total() - sum(tested.values()),
    )
