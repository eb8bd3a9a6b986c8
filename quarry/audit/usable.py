"""Which cells an analysis may use: H1 within one task, H2 across the tasks of one model.

H1 compares the correct with the incorrect rows of one cell. H2 takes what it finds in one task to
the other tasks of the same model and shot setting, where it has to show again in each: such a set
can show no smaller effect than its weakest task. Only cells with status OK count, and of these the
ones whose classes are large enough for the effect of interest. Each comparison is taken as planned
and by itself; nothing is corrected for there being many. How the lists are shown lives in `tables`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quarry.audit.cell import AuditCell, CellStatus
from quarry.audit.comparisons import Comparison, compared
from quarry.catalog import Thresholds
from quarry.keys import TrajectoryKey


@dataclass(frozen=True)
class TaskSet:
    """The usable cells of one task (H1).

    Args:
        task: the task.
        comparisons: cells that are OK and can show the effect of interest.
        too_few: cells that are OK, but with too few rows of a class.
    """

    task: str
    comparisons: tuple[Comparison, ...]
    too_few: tuple[Comparison, ...]

    @property
    def keys(self) -> tuple[TrajectoryKey, ...]:
        """The usable cells."""
        return tuple(comparison.key for comparison in self.comparisons)


@dataclass(frozen=True)
class TransferSet:
    """The usable tasks of one model and shot setting (H2).

    Args:
        model: the model.
        n_shot: the shot setting.
        comparisons: one per usable task, in the catalog's order.
        lacking: the other tasks.
    """

    model: str
    n_shot: int
    comparisons: tuple[Comparison, ...]
    lacking: tuple[str, ...]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The usable tasks."""
        return tuple(comparison.key.task for comparison in self.comparisons)

    @property
    def weakest(self) -> Comparison:
        """The task with the largest smallest effect, which bounds what the set can show."""
        return max(self.comparisons, key=lambda one: one.smallest_effect or 0.0)

    @property
    def is_complete(self) -> bool:
        """Whether every task of the catalog is usable."""
        return not self.lacking


@dataclass(frozen=True)
class Usable:
    """What can be analysed now.

    Args:
        h1: one entry per task of the catalog, empty ones included.
        h2: sets with at least two tasks, complete ones first.
        comparisons: every cell with usable labels, whatever its status.
    """

    h1: tuple[TaskSet, ...]
    h2: tuple[TransferSet, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def too_few(self) -> tuple[Comparison, ...]:
        """Cells that are OK, but with too few rows of a class, task by task."""
        return tuple(comparison for entry in self.h1 for comparison in entry.too_few)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "h1": {entry.task: [key.partition for key in entry.keys] for entry in self.h1},
            "h2": [
                {
                    "model": entry.model,
                    "n_shot": entry.n_shot,
                    "tasks": list(entry.tasks),
                    "lacking": list(entry.lacking),
                    "is_complete": entry.is_complete,
                    "smallest_effect": entry.weakest.smallest_effect,
                    "weakest_task": entry.weakest.key.task,
                }
                for entry in self.h2
            ],
            "too_few": [comparison.key.partition for comparison in self.too_few],
            "comparisons": [comparison.as_dict() for comparison in self.comparisons],
        }


def find_usable(cells: Sequence[AuditCell], thresholds: Thresholds) -> Usable:
    """The usable sets among `cells`, in the order in which models and tasks appear there."""
    tasks = list(dict.fromkeys(cell.key.task for cell in cells))
    comparisons = compared(cells, thresholds)
    by_key = {comparison.key: comparison for comparison in comparisons}
    sound = [
        by_key[cell.key] for cell in cells if cell.status is CellStatus.OK and cell.key in by_key
    ]
    h1 = tuple(_task_set(task, sound) for task in tasks)
    enough = {comparison.key: comparison for comparison in sound if comparison.is_enough}
    pairs = dict.fromkeys((cell.key.n_shot, cell.key.model) for cell in cells)
    sets = [_transfer_set(model, n_shot, tasks, enough) for n_shot, model in pairs]
    h2 = [entry for entry in sets if len(entry.comparisons) >= 2]
    return Usable(h1, tuple(sorted(h2, key=lambda entry: not entry.is_complete)), comparisons)


def _task_set(task: str, sound: Sequence[Comparison]) -> TaskSet:
    """The H1 set of one task."""
    ours = [comparison for comparison in sound if comparison.key.task == task]
    return TaskSet(
        task,
        tuple(comparison for comparison in ours if comparison.is_enough),
        tuple(comparison for comparison in ours if not comparison.is_enough),
    )


def _transfer_set(
    model: str, n_shot: int, tasks: Sequence[str], enough: Mapping[TrajectoryKey, Comparison]
) -> TransferSet:
    """The H2 set of one model and shot setting, whatever its size."""
    keys = [TrajectoryKey(model, task, n_shot) for task in tasks]
    return TransferSet(
        model,
        n_shot,
        tuple(enough[key] for key in keys if key in enough),
        tuple(key.task for key in keys if key not in enough),
    )
