"""`PlanSelection`: which troubles, and which part of the grid, a plan is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from quarry.catalog import Catalog
from quarry.errors import UnknownNameError
from quarry.keys import TrajectoryKey, benchmark_name

Kind = Literal["missing", "failed", "corrupt", "stale"]
"""`missing`: no file or no labels; `failed`: the last run failed; `corrupt`: the file is damaged or
wrong; `stale`: made by other code, or from what has changed since."""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class PlanSelection:
    """What a plan looks for.

    Args:
        kinds: troubles that count; all if empty.
        models: only cells of these; of all if empty.
        benchmarks: only cells of these, `gsm8k` for all shot settings or `gsm8k-8shot`; of all if
            empty.
        most: at most this many cells, the first of the grid; 0 is no limit.
        is_deep: whether every byte of every file is read to find what is corrupt.
    """

    kinds: tuple[Kind, ...] = ()
    models: tuple[str, ...] = ()
    benchmarks: tuple[str, ...] = ()
    most: int = 0
    is_deep: bool = False

    def wants(self, kind: Kind) -> bool:
        """Whether a trouble counts."""
        return not self.kinds or kind in self.kinds

    def cells(self, catalog: Catalog) -> list[TrajectoryKey]:
        """The cells that are looked at, in the order of the grid.

        Raises:
            UnknownNameError: a model or benchmark is not in the catalog.
        """
        for model in self.models:
            catalog.model(model)
        known = {*catalog.benchmarks}
        known |= {benchmark_name(task, n) for task in catalog.benchmarks for n in catalog.shots}
        if unknown := [name for name in self.benchmarks if name not in known]:
            raise UnknownNameError(
                "A benchmark is not in the catalog",
                where=f"catalog {catalog.name}",
                expected=", ".join(sorted(known)),
                got=", ".join(unknown),
                fix="name a task, such as gsm8k, or one with its shots, such as gsm8k-8shot",
            )
        return [
            key
            for key in catalog.cells()
            if (not self.models or key.model in self.models)
            and (not self.benchmarks or {key.task, key.benchmark} & {*self.benchmarks})
        ]
