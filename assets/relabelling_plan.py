"""What is due of every cell when the grid is labelled again: grade, record, check, copy.

Labels may be current on disk and unknown to Dagster: a run was killed in between, or only another
format's grader has a new version. Such cells are recorded and not graded.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import dagster as dg

from assets.check_state import grid_state
from assets.label_changes import CHANGE_CHECKS
from assets.label_checks import CURRENT, LABEL_CHECKS
from assets.partitions import Grid, require_cells
from assets.recording import CellRecord
from assets.specs import CORRECTNESS_LABELS, LABEL_CHANGES, LABELLED_TRAJECTORIES, REMOTE_LABELS
from quarry.data_directory import DataDirectory
from quarry.keys import TrajectoryKey
from quarry.label_history import labels_digest
from quarry.relabelling import Labelling, label_state
from quarry.tables import read_table
from quarry.trajectory.digests import file_digest

Step = Literal["grade", "record", "check", "copy"]
_NOT_PUBLISHED = "what is derived from the labels is not there, or not known to Dagster"


@dataclass(frozen=True)
class CellPlan:
    """What is due of one cell.

    Args:
        partition: the cell.
        labelling: how its labels stand.
        steps: what is due, in this order; empty where nothing is, or nothing can be done.
        reasons: why.
    """

    partition: str
    labelling: Labelling
    steps: tuple[Step, ...]
    reasons: tuple[str, ...]

    @property
    def key(self) -> TrajectoryKey:
        """The cell."""
        return TrajectoryKey.from_partition(self.partition)

    @property
    def is_blocked(self) -> bool:
        """Whether something has to be mended before the cell can be labelled."""
        return self.labelling == "blocked"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def sentence(self) -> str:
        """State, steps and reasons on one line."""
        due = f", due: {', '.join(self.steps)}" if self.steps else ""
        return f"{self.labelling}{due}{': ' if self.reasons else ''}{'; '.join(self.reasons)}"


def plan_cells(
    instance: dg.DagsterInstance,
    directory: DataDirectory,
    grid: Grid,
    cells: Sequence[str] = (),
    *,
    every: bool,
    has_store: bool,
) -> list[CellPlan]:
    """What is due of cells, in the order of the grid.

    Args:
        instance: knows what was recorded.
        directory: where the files lie.
        grid: all cells.
        cells: those to look at; all if empty.
        every: grade those again whose labels are current.
        has_store: whether there are second copies.

    Raises:
        UnknownNameError: a cell is not in the grid.
    """
    known = list(grid.cells.get_partition_keys())
    require_cells(cells, known, where="the cells to relabel")
    unchecked = _unchecked(instance, grid)
    chosen = [cell for cell in known if not cells or cell in cells]
    return [
        _plan(instance, directory, cell, unchecked, every=every, has_store=has_store)
        for cell in chosen
    ]


def _plan(
    instance: dg.DagsterInstance,
    directory: DataDirectory,
    cell: str,
    unchecked: Collection[str],
    *,
    every: bool,
    has_store: bool,
) -> CellPlan:
    """What is due of one cell."""
    key = TrajectoryKey.from_partition(cell)
    state = label_state(directory, key)
    copies: tuple[Step, ...] = ("copy",) if has_store else ()
    if state.needs_grading or (every and state.labelling == "current"):
        reasons = state.reasons or ("asked for",)
        return CellPlan(cell, state.labelling, ("grade", "record", "check", *copies), reasons)
    if state.labelling != "current":
        return CellPlan(cell, state.labelling, (), state.reasons)
    if not _is_published(instance, directory, key):
        return CellPlan(cell, "current", ("record", "check", *copies), (_NOT_PUBLISHED,))
    due: dict[Step, str] = {}
    if cell in unchecked:
        due["check"] = "no check has looked at the labels"
    # graded again with the same verdicts, a table has other bytes: programs took other times
    digest = file_digest(directory.labels(key)) if has_store else ""
    if has_store and not CellRecord(REMOTE_LABELS, key, digest).is_recorded(instance):
        due["copy"] = "the second copy is older than the labels"
    return CellPlan(cell, "current", tuple(due), tuple(due.values()))


def _is_published(
    instance: dg.DagsterInstance, directory: DataDirectory, key: TrajectoryKey
) -> bool:
    """Whether labels and what is derived from them are there and known to Dagster."""
    if not (directory.labelled(key).exists() and directory.changes(key).exists()):
        return False
    version = labels_digest(read_table(directory.labels(key)))
    records = (
        CellRecord(CORRECTNESS_LABELS, key, version),
        CellRecord(LABELLED_TRAJECTORIES, key),
        CellRecord(LABEL_CHANGES, key),
    )
    return all(record.is_recorded(instance) for record in records)


def _unchecked(instance: dg.DagsterInstance, grid: Grid) -> set[str]:
    """Cells with labels or changes that some check has not looked at since they were made."""
    labels = [check.name for check in (*LABEL_CHECKS, CURRENT)]
    changes = [check.name for check in CHANGE_CHECKS]
    return {
        cell
        for asset, names in ((CORRECTNESS_LABELS.name, labels), (LABEL_CHANGES.name, changes))
        for cell in grid_state(instance, asset, names, grid.cells).unverified
    }
