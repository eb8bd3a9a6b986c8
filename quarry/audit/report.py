"""`Audit`: all cells of a grid at one time, with what follows from them.

How it is shown lives in `tables`, `csv` and `html`; how it is made in `survey`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from quarry.audit.cell import AuditCell, CellStatus
from quarry.audit.plan import PlanRow, make_plan
from quarry.audit.usable import Usable, find_usable
from quarry.catalog import Effort, Thresholds
from quarry.costs.estimate import Estimate
from quarry.costs.total import Total
from quarry.keys import TrajectoryKey


@dataclass(frozen=True)
class Audit:
    """The state of a grid.

    Args:
        catalog: name of the catalog.
        cells: every cell of the catalog, ordered by shots, model, task.
        level: how deeply the files were verified.
        created_at: ISO 8601 with offset.
        thresholds: the bounds that were applied.
        effort: what repairs cost, per cell, where nothing better is known.
        estimates: what collecting a cell will probably cost, from earlier runs.
        cost_remark: what a person should know of these; may be empty.
    """

    catalog: str
    cells: tuple[AuditCell, ...]
    level: str
    created_at: str
    thresholds: Thresholds = field(default_factory=Thresholds)
    effort: Effort = field(default_factory=Effort)
    estimates: Mapping[TrajectoryKey, Estimate] = field(
        default_factory=dict[TrajectoryKey, Estimate]
    )
    cost_remark: str = ""

    @cached_property
    def shots(self) -> tuple[int, ...]:
        """Shot settings, in the catalog's order."""
        return tuple(dict.fromkeys(cell.key.n_shot for cell in self.cells))

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Models, in the catalog's order."""
        return tuple(dict.fromkeys(cell.key.model for cell in self.cells))

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Tasks, in the catalog's order."""
        return tuple(dict.fromkeys(cell.key.task for cell in self.cells))

    @property
    def counts(self) -> dict[CellStatus, int]:
        """Number of cells by status, every status present."""
        counted = Counter(cell.status for cell in self.cells)
        return {status: counted[status] for status in CellStatus}

    @property
    def is_clean(self) -> bool:
        """Whether every cell is OK."""
        return all(cell.status is CellStatus.OK for cell in self.cells)

    @cached_property
    def usable(self) -> Usable:
        """What H1 and H2 analyses can use."""
        return find_usable(self.cells, self.thresholds)

    @cached_property
    def plan(self) -> tuple[PlanRow, ...]:
        """What to do about the rest."""
        return make_plan(self.cells, self.effort, self.estimates)

    @property
    def plan_cost(self) -> Total:
        """What collecting all of the plan's cells would cost."""
        return sum((row.cost for row in self.plan), Total())

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "catalog": self.catalog,
            "level": self.level,
            "created_at": self.created_at,
            "is_clean": self.is_clean,
            "counts": {status.value: count for status, count in self.counts.items()},
            "thresholds": self.thresholds.model_dump(),
            "cells": [cell.as_dict() for cell in self.cells],
            "usable": self.usable.as_dict(),
            "plan": [row.as_dict() for row in self.plan],
            "plan_cost": self.plan_cost.as_dict(),
            "cost_remark": self.cost_remark,
        }
