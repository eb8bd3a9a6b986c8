"""The recollection plan: what to do about every cell that is not OK, in which order, at what cost.

Nothing is done here. The order of repair is: corrupted files first (an analysis may already have
read them), then labels, which cost no GPU, then what was never collected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from quarry.audit.cell import AuditCell, CellStatus
from quarry.catalog import Effort
from quarry.costs.estimate import Estimate, catalog_default
from quarry.costs.total import Total, total_of
from quarry.keys import TrajectoryKey

Priority = Literal["HIGH", "MEDIUM", "LOW"]
Action = Literal[
    "restore-or-recollect", "relabel", "inspect-and-relabel", "collect", "collect-more"
]

_PRIORITY: dict[CellStatus, Priority] = {
    CellStatus.CORRUPTED: "HIGH",
    CellStatus.UNLABELLED: "MEDIUM",
    CellStatus.IMBALANCED: "MEDIUM",
    CellStatus.MISSING: "LOW",
    CellStatus.UNDECIDED: "LOW",
}
_ACTION: dict[CellStatus, Action] = {
    CellStatus.CORRUPTED: "restore-or-recollect",
    CellStatus.UNLABELLED: "relabel",
    CellStatus.IMBALANCED: "inspect-and-relabel",
    CellStatus.MISSING: "collect",
    CellStatus.UNDECIDED: "collect-more",
}
_COLLECTED = {CellStatus.CORRUPTED, CellStatus.MISSING, CellStatus.UNDECIDED}
_WHAT_TO_DO: dict[CellStatus, str] = {
    CellStatus.CORRUPTED: "restore the remote copy where it verifies (no GPU), else collect again",
    CellStatus.UNLABELLED: "recompute the labels from the stored outputs; activations stay",
    CellStatus.IMBALANCED: "read some outputs and verdicts; relabel if the grader is wrong, "
    "else leave the cell out",
    CellStatus.MISSING: "collect, then label",
    CellStatus.UNDECIDED: "raise n_samples where the benchmark has more, else leave the cell out",
}


@dataclass(frozen=True)
class PlanRow:
    """One line of the plan: the cells of one task and shot setting with the same trouble.

    Args:
        priority: HIGH before MEDIUM before LOW.
        status: what is wrong.
        action: what repairs it.
        task: the task of all cells.
        n_shot: their shot setting.
        keys: the cells.
        cost: of collecting them; less where a remote copy can be restored.
        cpu_hours: for the labels.
        reason: what was found, and what the action means.
    """

    priority: Priority
    status: CellStatus
    action: Action
    task: str
    n_shot: int
    keys: tuple[TrajectoryKey, ...]
    cost: Total
    cpu_hours: float
    reason: str

    @property
    def gpu_hours(self) -> float:
        """GPU hours to plan with."""
        return self.cost.gpu_hours.likely

    @property
    def issue(self) -> str:
        """The trouble in a few words: `0-shot logiqa: 3 corrupted`."""
        return f"{self.n_shot}-shot {self.task}: {len(self.keys)} {self.status.lower()}"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "priority": self.priority,
            "issue": self.issue,
            "action": self.action,
            "partitions": [key.partition for key in self.keys],
            "gpu_hours": self.gpu_hours,
            "collection": self.cost.as_dict(),
            "cpu_hours": self.cpu_hours,
            "reason": self.reason,
        }


def is_collected(cell: AuditCell) -> bool:
    """Whether what is wrong with a cell may need it to be collected again."""
    return cell.status in _COLLECTED


def make_plan(
    cells: Sequence[AuditCell],
    effort: Effort,
    estimates: Mapping[TrajectoryKey, Estimate] | None = None,
) -> tuple[PlanRow, ...]:
    """One row per status, shot setting and task; by priority, then in the order of `cells`.

    Args:
        cells: every cell.
        effort: what an action costs where nothing better is known.
        estimates: what collecting a cell will probably cost.
    """
    groups: dict[tuple[CellStatus, int, str], list[AuditCell]] = {}
    for cell in cells:
        if cell.status is not CellStatus.OK:
            group = (cell.status, cell.key.n_shot, cell.key.task)
            groups.setdefault(group, []).append(cell)
    rows = [_row(members, effort, estimates or {}) for members in groups.values()]
    return tuple(sorted(rows, key=lambda row: list(_PRIORITY).index(row.status)))


def _row(
    cells: Sequence[AuditCell], effort: Effort, estimates: Mapping[TrajectoryKey, Estimate]
) -> PlanRow:
    """The row of cells that share status, task and shots."""
    status, key = cells[0].status, cells[0].key
    default = catalog_default(effort.collect_gpu_hours)
    collected = [estimates.get(cell.key, default) for cell in cells if is_collected(cell)]
    return PlanRow(
        priority=_PRIORITY[status],
        status=status,
        action=_ACTION[status],
        task=key.task,
        n_shot=key.n_shot,
        keys=tuple(cell.key for cell in cells),
        cost=total_of(collected, effort.gpu_hour_price),
        cpu_hours=effort.relabel_cpu_hours * len(cells),
        reason=f"{_found(cells)}: {_WHAT_TO_DO[status]}",
    )


def _found(cells: Sequence[AuditCell]) -> str:
    """What was found, most frequent first: defect kinds of corrupt files, else the notes."""
    if cells[0].status is CellStatus.CORRUPTED:
        firsts = [_first_error(cell) for cell in cells]
    else:
        firsts = [cell.note or str(cell.status.lower()) for cell in cells]
    counted = Counter(firsts).most_common()
    if len(counted) == 1:
        return counted[0][0]
    return ", ".join(f"{what} ({count})" for what, count in counted)


def _first_error(cell: AuditCell) -> str:
    """The machine name of the defect that condemned a file."""
    kinds = [finding.kind for finding in cell.findings if finding.severity == "error"]
    return kinds[0] if kinds else "corrupted"
