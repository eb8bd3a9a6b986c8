"""What came of a choice: each stratum against its target, each source with its rate.

As text it is in `quarry.selection.report_text`, as a plot in `quarry.plots.strata`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from quarry.statistics.accuracy import Interval, accuracy


@dataclass(frozen=True)
class StratumReport:
    """One stratum.

    Args:
        stratum: its name.
        quota: as it was asked for, such as `>=100`; empty for one that no target names.
        target: what the quota came to, items.
        existing: items that are kept.
        new: items that were chosen.
        buffer: items that could have been chosen beside these.
    """

    stratum: str
    quota: str
    target: int
    existing: int
    new: int
    buffer: int

    @property
    def total(self) -> int:
        """Items in the dataset."""
        return self.existing + self.new

    @property
    def shortage(self) -> int:
        """Items that are lacking."""
        return max(0, self.target - self.total)

    @property
    def excess(self) -> int:
        """Existing items beyond the target: they are kept all the same."""
        return max(0, self.total - self.target)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {
            "total": self.total,
            "shortage": self.shortage,
            "excess": self.excess,
        }


@dataclass(frozen=True)
class SourceReport:
    """The candidates of one source, such as the split `test`.

    Args:
        source: its name; `unknown` where rows have none.
        tested: candidates that were tested.
        eligible: tested ones that have what the spec asks for: with its default, that need their
            chain of thought.
        failed: candidates whose test failed.
    """

    source: str
    tested: int
    eligible: int
    failed: int

    @property
    def interval(self) -> Interval | None:
        """The eligible share of the tested with its 95 % interval; None where none was tested."""
        return accuracy(self.eligible, self.tested)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        interval = self.interval
        bounds = {} if interval is None else interval.as_dict()
        return asdict(self) | {name: bounds.get(name) for name in ("rate", "low", "high")}


@dataclass(frozen=True)
class StratificationReport:
    """What came of a choice.

    Args:
        column: whose values are the strata.
        seed: of the hash order.
        where: what an item needed to be chosen, by column.
        asked_total: the total that was asked for, if any.
        strata: in the order of the dataset; last, those of existing items that no target names.
        sources: of the candidates, by name.
        methods: how the candidates were tested.
        n_of_existing: eligible rows whose question is that of an existing item.
        n_repeated: eligible rows with the question of another one, of which the first was taken.
        n_unclassified: eligible rows that have no value in the column.
        outside: eligible rows in strata that no target names, by stratum.
    """

    column: str
    seed: int
    where: Mapping[str, str]
    asked_total: int | None
    strata: tuple[StratumReport, ...]
    sources: tuple[SourceReport, ...]
    methods: tuple[str, ...]
    n_of_existing: int
    n_repeated: int
    n_unclassified: int
    outside: Mapping[str, int]

    @property
    def n_items(self) -> int:
        """Items in the dataset."""
        return sum(stratum.total for stratum in self.strata)

    @property
    def n_failed(self) -> int:
        """Candidates whose test failed."""
        return sum(source.failed for source in self.sources)

    @property
    def shortage(self) -> int:
        """Items that are lacking, in a stratum or to the total."""
        return sum(stratum.shortage for stratum in self.strata) + self.unassigned

    @property
    def unassigned(self) -> int:
        """Items of the total that no stratum could rise to."""
        targets = sum(stratum.target for stratum in self.strata)
        return 0 if self.asked_total is None else max(0, self.asked_total - targets)

    @property
    def is_met(self) -> bool:
        """Whether nothing is lacking."""
        return self.shortage == 0

    @property
    def all_sources(self) -> SourceReport:
        """The candidates of all sources together."""
        return SourceReport(
            "all",
            tested=sum(source.tested for source in self.sources),
            eligible=sum(source.eligible for source in self.sources),
            failed=self.n_failed,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "column": self.column,
            "seed": self.seed,
            "where": dict(self.where),
            "asked_total": self.asked_total,
            "n_items": self.n_items,
            "is_met": self.is_met,
            "shortage": self.shortage,
            "unassigned": self.unassigned,
            "strata": [stratum.as_dict() for stratum in self.strata],
            "sources": [source.as_dict() for source in (*self.sources, self.all_sources)],
            "methods": list(self.methods),
            "n_failed": self.n_failed,
            "n_of_existing": self.n_of_existing,
            "n_repeated": self.n_repeated,
            "n_unclassified": self.n_unclassified,
            "outside": dict(self.outside),
        }
