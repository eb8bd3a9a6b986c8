"""`BackfillPlan`: every cell that is due, in the order of the grid, with reasons and costs.

How it is put together is in `making`; how it is shown, in `commands`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from quarry.costs.estimate import Estimate
from quarry.costs.span import Span
from quarry.costs.total import Total, total_of
from quarry.keys import TrajectoryKey
from quarry.planning.known import ACTIONS, Action
from quarry.planning.selection import KINDS, Kind, PlanSelection


@dataclass(frozen=True)
class Reason:
    """Why something is due of a cell.

    Args:
        kind: the trouble.
        action: what mends it.
        text: what was found, for a person.
    """

    kind: Kind
    action: Action
    text: str

    def as_dict(self) -> dict[str, str]:
        """Plain JSON values."""
        return {"kind": self.kind, "text": self.text}


@dataclass(frozen=True)
class PlanRow:
    """One cell that is due.

    Args:
        key: the cell.
        action: what is to be done.
        reasons: why, the first trouble first; never empty.
        estimate: what collecting it will probably cost; None where nothing is collected.
        written: bytes that will be written; None where that is not known.
        cpu_hours: for the labels.
    """

    key: TrajectoryKey
    action: Action
    reasons: tuple[Reason, ...]
    estimate: Estimate | None = None
    written: Span | None = None
    cpu_hours: float = 0.0

    @property
    def partition(self) -> str:
        """The cell's partition key."""
        return self.key.partition

    @property
    def why(self) -> str:
        """The reasons in one line."""
        return "; ".join(f"{one.kind}: {one.text}" for one in self.reasons)

    def as_dict(self, price: float | None) -> dict[str, Any]:
        """Plain JSON values; dollars by the price of a GPU hour."""
        total = total_of([self.estimate] if self.estimate else [], price)
        return {
            "partition": self.partition,
            "model": self.key.model,
            "benchmark": self.key.benchmark,
            "action": self.action,
            "reasons": [one.as_dict() for one in self.reasons],
            "gpu_hours": total.gpu_hours.as_dict(),
            "wall_hours": total.wall_hours.as_dict() if total.wall_hours else None,
            "dollars": total.dollars.as_dict() if total.dollars else None,
            "basis": self.estimate.basis if self.estimate else "",
            "bytes": self.written.as_dict() if self.written else None,
            "cpu_hours": self.cpu_hours,
        }


@dataclass(frozen=True)
class LeftOut:
    """A cell that something is wrong with and that is not done now.

    Args:
        partition: the cell.
        why: why not.
        reasons: what is wrong with it.
    """

    partition: str
    why: str
    reasons: tuple[Reason, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        found = [one.as_dict() for one in self.reasons]
        return {"partition": self.partition, "why": self.why, "reasons": found}


@dataclass(frozen=True)
class Prerequisite:
    """Something that has to be made before cells can be collected."""

    asset: str
    partition: str


@dataclass(frozen=True)
class BackfillPlan:
    """What is due of a grid.

    Args:
        catalog: name of the catalog.
        selection: what was asked for.
        n_cells: cells that were looked at.
        rows: what is due, in the order of the grid.
        left_out: what is not done now, and why.
        prerequisites: what has to be made before.
        price: dollars for a GPU hour; None where the catalog names none.
        remark: what else a person should know; may be empty.
    """

    catalog: str
    selection: PlanSelection
    n_cells: int
    rows: tuple[PlanRow, ...]
    left_out: tuple[LeftOut, ...] = ()
    prerequisites: tuple[Prerequisite, ...] = ()
    price: float | None = None
    remark: str = ""

    @property
    def total(self) -> Total:
        """What collecting all of it will probably cost."""
        return total_of([row.estimate for row in self.rows if row.estimate], self.price)

    @property
    def written(self) -> Span:
        """Bytes that will be written, as far as they are known."""
        return sum((row.written for row in self.rows if row.written), Span())

    @property
    def n_of_unknown_size(self) -> int:
        """Cells that will be collected and of whose size nothing is known."""
        return sum(row.action == "collect" and row.written is None for row in self.rows)

    @property
    def cpu_hours(self) -> float:
        """CPU hours for labels."""
        return sum(row.cpu_hours for row in self.rows)

    @property
    def counts(self) -> dict[Kind, int]:
        """Cells that are due by their first trouble; those without any are absent."""
        found = Counter(row.reasons[0].kind for row in self.rows)
        return {kind: found[kind] for kind in KINDS if found[kind]}

    @property
    def title(self) -> str:
        """The plan in a few words: `3 missing, 1 corrupt`."""
        return ", ".join(f"{count} {kind}" for kind, count in self.counts.items()) or "nothing due"

    def doing(self, action: Action) -> BackfillPlan:
        """The part of the plan with one action; what goes before is only for collecting."""
        before = self.prerequisites if action == "collect" else ()
        rows = tuple(row for row in self.rows if row.action == action)
        return replace(self, rows=rows, prerequisites=before, left_out=())

    @property
    def parts(self) -> dict[Action, BackfillPlan]:
        """The parts of the plan that have something to do."""
        return {name: part for name in ACTIONS if (part := self.doing(name)).rows}

    def partitions(self) -> Sequence[str]:
        """The cells that are due."""
        return [row.partition for row in self.rows]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "catalog": self.catalog,
            "cells": self.n_cells,
            "due": [row.as_dict(self.price) for row in self.rows],
            "left_out": [one.as_dict() for one in self.left_out],
            "first": [asdict(one) for one in self.prerequisites],
            "counts": self.counts,
            "total": {
                **self.total.as_dict(),
                "bytes": self.written.as_dict(),
                "cells_of_unknown_size": self.n_of_unknown_size,
                "cpu_hours": self.cpu_hours,
            },
            "looked_at": "every byte" if self.selection.is_deep else "sizes, headers and verdicts",
            "remark": self.remark,
        }
