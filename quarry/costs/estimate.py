"""`CostEstimates`: what a collection will probably cost, from what earlier ones have cost.

The first of these that has been seen decides: the same cell; the same model and task; the same
model, by what a token takes; other models on the same task; and if nothing was, the catalog's
`effort.collect_gpu_hours`. A rate is that of all runs together, its range that of single runs. Only
runs on one kind of device count: on GPUs if one of the latest five used one, else on the CPU.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from quarry.catalog import Catalog
from quarry.costs.log import CostHistory
from quarry.costs.record import CostRecord
from quarry.costs.span import Span
from quarry.keys import TrajectoryKey

Source = Literal["cell", "model and task", "model", "task", "catalog"]

MOST_RUNS = 5
"""Older runs say less of the next one."""
_SMALL = 0.1
"""Runs of fewer samples than this share of the largest tell little of a rate, and are left out."""
_HOUR_S = 3600.0


@dataclass(frozen=True)
class Estimate:
    """What collecting the missing samples of a cell will probably cost.

    Args:
        gpu_hours: hours of one GPU; 0 where earlier runs used a CPU.
        wall_hours: hours until it is done; None where nothing is known.
        source: what it is made from.
        basis: the same in words, for a person.
    """

    gpu_hours: Span
    wall_hours: Span | None
    source: Source
    basis: str

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "gpu_hours": self.gpu_hours.as_dict(),
            "wall_hours": self.wall_hours.as_dict() if self.wall_hours else None,
            "source": self.source,
            "basis": self.basis,
        }


@dataclass(frozen=True)
class Missing:
    """How much of a cell is to be run.

    Args:
        n_samples: samples that are lacking.
        n_total: samples of the whole cell.
    """

    n_samples: int
    n_total: int

    @property
    def share(self) -> float:
        """The part of the cell, 0 .. 1."""
        return min(self.n_samples / self.n_total, 1.0) if self.n_total else 1.0

    @property
    def text(self) -> str:
        """What is there already; empty where nothing is."""
        n_there = self.n_total - self.n_samples
        return f", {n_there} of {self.n_total} samples are there" if n_there > 0 else ""


class CostEstimates:
    """Estimates for the cells of a catalog.

    Args:
        catalog: models, limits, the default.
        history: what was measured.
    """

    def __init__(self, catalog: Catalog, history: CostHistory) -> None:
        self._catalog = catalog
        measured = [one for one in history.records if one.has_rate]
        measured.sort(key=lambda one: one.written_at)
        has_gpu = any(one.n_devices for one in measured[-MOST_RUNS:])
        self._records = [one for one in measured if bool(one.n_devices) == has_gpu]
        self._last = self._records[-1] if self._records else None
        self._started = [one for one in self._records if one.start_s]
        self._of: defaultdict[tuple[object, ...], list[CostRecord]] = defaultdict(list)
        for one in self._records:
            for name in (
                ("cell", one.key),
                ("model and task", one.model, one.task),
                ("model", one.model),
                ("task", one.task),
            ):
                self._of[name].append(one)

    def of(self, key: TrajectoryKey, missing: Missing | None = None) -> Estimate:
        """The estimate for a cell.

        Args:
            key: the cell.
            missing: what has to be run; the whole cell by default.

        Raises:
            UnknownNameError: the catalog has no such model or task.
        """
        n_total = self._catalog.samples_of(key.task)
        lacking = missing or Missing(n_total, n_total)
        return (
            self._by_sample(key, lacking, "cell")
            or self._by_sample(key, lacking, "model and task")
            or self._by_token(key, lacking)
            or self._by_sample(key, lacking, "task")
            or catalog_default(
                self._catalog.effort.collect_gpu_hours,
                lacking,
                n_devices=self._catalog.model(key.model).tensor_parallel,
            )
        )

    def _by_sample(
        self,
        key: TrajectoryKey,
        missing: Missing,
        source: Literal["cell", "model and task", "task"],
    ) -> Estimate | None:
        """From what a sample took in runs with the same limit of new tokens."""
        limit = self._limit(key)
        alike = self._alike(key, source)
        runs = self._chosen(key, [one for one in alike if one.max_new_tokens == limit])
        if not runs:
            return None
        amounts = [float(one.n_samples) for one in runs]
        return self._estimate(key, runs, amounts, Span.exactly(missing.n_samples), source, missing)

    def _by_token(self, key: TrajectoryKey, missing: Missing) -> Estimate | None:
        """From what a generated token took in runs of the same model, whatever the task."""
        runs = self._chosen(key, [one for one in self._alike(key, "model") if one.output_tokens])
        if not runs:
            return None
        tokens = self._tokens_of(key, runs).times(missing.n_samples)
        amounts = [float(one.output_tokens) for one in runs]
        return self._estimate(key, runs, amounts, tokens, "model", missing)

    def _estimate(
        self,
        key: TrajectoryKey,
        runs: Sequence[CostRecord],
        amounts: Sequence[float],
        needed: Span,
        source: Source,
        missing: Missing,
    ) -> Estimate:
        """So many times what one unit took, and the engine's start."""
        start_s = self._start_s(key)
        wall = _rate([one.run_s for one in runs], amounts)
        gpu = _rate([one.run_s * one.n_devices for one in runs], amounts)
        n_devices = runs[-1].n_devices
        noun = "earlier run" if len(runs) == 1 else "earlier runs"
        return Estimate(
            gpu_hours=(_product(gpu, needed) + start_s.times(n_devices)).times(1 / _HOUR_S),
            wall_hours=(_product(wall, needed) + start_s).times(1 / _HOUR_S),
            source=source,
            basis=f"{len(runs)} {noun} {_BASIS[source]}{missing.text}",
        )

    def _tokens_of(self, key: TrajectoryKey, runs: Sequence[CostRecord]) -> Span:
        """Output tokens of a sample: as other models had on this task, else up to the limit."""
        limit = float(self._limit(key))
        others = self._alike(key, "task") or list(runs)
        per_sample = _rate(
            [one.output_tokens for one in others], [float(one.n_samples) for one in others]
        )
        is_of_task = others[0].task == key.task
        likely = min(per_sample.likely, limit)
        high = min(per_sample.high, limit) if is_of_task else limit
        return Span(min(per_sample.low, likely), likely, max(high, likely))

    def _start_s(self, key: TrajectoryKey) -> Span:
        """Seconds that the engine takes to start, for this model if that was seen."""
        ours = [one for one in self._alike(key, "model") if one.start_s] or self._started
        seconds = [one.start_s for one in self._chosen(key, ours, has_small=True)]
        return Span(min(seconds), median(seconds), max(seconds)) if seconds else Span()

    def _chosen(
        self, key: TrajectoryKey, runs: Sequence[CostRecord], *, has_small: bool = False
    ) -> list[CostRecord]:
        """The latest runs that tell most: on the same engine and device where there are such."""
        engine = self._catalog.engine_of(key.model)
        runs = [one for one in runs if one.engine == engine] or list(runs)
        device = self._last.device if self._last else ""
        runs = [one for one in runs if one.device == device] or runs
        least = 0.0 if has_small else _SMALL * max((one.n_samples for one in runs), default=0)
        return [one for one in runs if one.n_samples >= least][-MOST_RUNS:]

    def _alike(
        self, key: TrajectoryKey, source: Literal["cell", "model and task", "model", "task"]
    ) -> list[CostRecord]:
        """The runs that may serve at a step of the ladder."""
        names: dict[str, tuple[object, ...]] = {
            "cell": (key,),
            "model and task": (key.model, key.task),
            "model": (key.model,),
            "task": (key.task,),
        }
        return self._of.get((source, *names[source]), [])

    def _limit(self, key: TrajectoryKey) -> int:
        """Most tokens that a completion may have."""
        return self._catalog.generation_of(key.model, key.task).max_new_tokens


def catalog_default(
    collect_gpu_hours: float, missing: Missing | None = None, *, n_devices: int = 1
) -> Estimate:
    """The estimate of a catalog, where nothing was measured.

    Args:
        collect_gpu_hours: GPU hours of a whole cell.
        missing: what has to be run; the whole cell by default.
        n_devices: GPUs that share the work.
    """
    hours = Span.exactly(collect_gpu_hours).times(missing.share if missing else 1.0)
    wall = hours.times(1 / n_devices) if collect_gpu_hours else None
    basis = f"{_BASIS['catalog']}{missing.text if missing else ''}"
    return Estimate(hours, wall, "catalog", basis)


_BASIS: dict[Source, str] = {
    "cell": "of this cell",
    "model and task": "of this model and task",
    "model": "of this model, by the token",
    "task": "of other models on this task",
    "catalog": "catalog default",
}


def _rate(costs: Sequence[float], amounts: Sequence[float]) -> Span:
    """Cost of one unit: of all runs together, with the least and the most of a single run."""
    single = [cost / amount for cost, amount in zip(costs, amounts, strict=True)]
    return Span(min(single), sum(costs) / sum(amounts), max(single))


def _product(one: Span, other: Span) -> Span:
    """The span of a product of amounts that are not below 0."""
    return Span(one.low * other.low, one.likely * other.likely, one.high * other.high)
