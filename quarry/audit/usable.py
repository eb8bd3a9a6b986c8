"""Which cells an analysis may use: H1 within one task, H2 across the tasks of one model.

H1 trains and tests a classifier inside one task; H2 transfers it between tasks, at the same model
and number of shots. Only cells with status OK count. How the lists are shown lives in `tables`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from quarry.audit.cell import AuditCell, CellStatus
from quarry.keys import TrajectoryKey


@dataclass(frozen=True)
class TaskSet:
    """The usable cells of one task (H1)."""

    task: str
    keys: tuple[TrajectoryKey, ...]


@dataclass(frozen=True)
class TransferSet:
    """The usable tasks of one model and shot setting (H2).

    Args:
        model: the model.
        n_shot: the shot setting.
        tasks: tasks with an OK cell, in the catalog's order.
        lacking: the other tasks.
    """

    model: str
    n_shot: int
    tasks: tuple[str, ...]
    lacking: tuple[str, ...]

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
    """

    h1: tuple[TaskSet, ...]
    h2: tuple[TransferSet, ...]

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
                }
                for entry in self.h2
            ],
        }


def find_usable(cells: Sequence[AuditCell]) -> Usable:
    """The usable sets among `cells`, in the order in which models and tasks appear there."""
    tasks = list(dict.fromkeys(cell.key.task for cell in cells))
    usable = [cell.key for cell in cells if cell.status is CellStatus.OK]
    h1 = tuple(TaskSet(task, tuple(key for key in usable if key.task == task)) for task in tasks)
    pairs = dict.fromkeys((cell.key.n_shot, cell.key.model) for cell in cells)
    sets = [_transfer_set(model, n_shot, tasks, usable) for n_shot, model in pairs]
    h2 = [entry for entry in sets if len(entry.tasks) >= 2]
    return Usable(h1, tuple(sorted(h2, key=lambda entry: not entry.is_complete)))


def _transfer_set(
    model: str, n_shot: int, tasks: Sequence[str], usable: Sequence[TrajectoryKey]
) -> TransferSet:
    """The H2 set of one model and shot setting, whatever its size."""
    have = {key.task for key in usable if (key.model, key.n_shot) == (model, n_shot)}
    return TransferSet(
        model,
        n_shot,
        tuple(task for task in tasks if task in have),
        tuple(task for task in tasks if task not in have),
    )
