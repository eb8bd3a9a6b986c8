"""`AuditCell`: the state of one cell of the grid, and the rule that decides it.

Only records and the decision live here. Where files are opened is `quarry.audit.survey`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from quarry.catalog import Thresholds
from quarry.findings import Finding
from quarry.grading.verdict import Verdict
from quarry.keys import TrajectoryKey
from quarry.statistics.accuracy import Interval, accuracy
from quarry.statistics.balance import BalanceState, judge_balance


class CellStatus(StrEnum):
    """What a cell is good for; declared from best to worst."""

    OK = "OK"
    UNDECIDED = "UNDECIDED"
    """Sound, with a share beyond a bound, but too few rows to say that the model is."""
    IMBALANCED = "IMBALANCED"
    """Sound, but so few right or wrong answers that a classifier learns nothing."""
    UNLABELLED = "UNLABELLED"
    """Sound activations whose labels are absent, incomplete or from another grader version."""
    MISSING = "MISSING"
    CORRUPTED = "CORRUPTED"


_STATUS = {BalanceState.BALANCED: CellStatus.OK, BalanceState.UNDECIDED: CellStatus.UNDECIDED}
"""Every other state of the balance is imbalanced."""


@dataclass(frozen=True)
class LabelCounts:
    """Verdicts of one cell, counted.

    Args:
        verdicts: number of rows by verdict; verdicts that do not occur are absent.
        problem: why these labels can't be used for the file, or None where they can.
    """

    verdicts: Mapping[str, int] = field(default_factory=dict[str, int])
    problem: str | None = None

    @property
    def n_samples(self) -> int:
        """Rows of all verdicts."""
        return sum(self.verdicts.values())

    @property
    def n_correct(self) -> int:
        """Rows with the verdict `correct`."""
        return self.verdicts.get("correct", 0)

    @property
    def n_graded(self) -> int:
        """Rows whose verdict is on the completion; a timeout or an error is none."""
        return sum(count for name, count in self.verdicts.items() if Verdict(name).is_graded)


@dataclass(frozen=True)
class AuditCell:
    """One cell of the audit table.

    Args:
        key: model, task and shots.
        status: what the cell is good for.
        n_correct: rows with the verdict `correct`; None without usable labels.
        n_samples: rows of the file, graded or not; None where it can't be known.
        verdicts: number of rows by verdict; empty without usable labels.
        findings: what verification found, warnings included.
        size_bytes: size of the trajectory file; None where there is none.
        note: one sentence for a person; may be empty.
    """

    key: TrajectoryKey
    status: CellStatus
    n_correct: int | None = None
    n_samples: int | None = None
    verdicts: Mapping[str, int] = field(default_factory=dict[str, int])
    findings: tuple[Finding, ...] = ()
    size_bytes: int | None = None
    note: str = ""

    @property
    def interval(self) -> Interval | None:
        """Share of the graded rows that are correct, with its interval; None without labels.

        Rows that were not graded are left out: counted as wrong, they would be the grader's
        failures written on the model.
        """
        counts = LabelCounts(self.verdicts)
        return accuracy(counts.n_correct, counts.n_graded)

    @property
    def correct_rate(self) -> float | None:
        """Share of the graded rows that are correct, 0 .. 1; None without usable labels."""
        return self.interval.rate if self.interval else None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "partition": self.key.partition,
            "model": self.key.model,
            "task": self.key.task,
            "n_shot": self.key.n_shot,
            "path": str(self.key.trajectory_path),
            "status": self.status.value,
            "n_correct": self.n_correct,
            "n_samples": self.n_samples,
            "n_graded": self.interval.n if self.interval else None,
            "correct_rate": self.correct_rate,
            "interval": self.interval.as_dict() if self.interval else None,
            "verdicts": dict(self.verdicts),
            "findings": [finding.as_dict() for finding in self.findings],
            "size_bytes": self.size_bytes,
            "note": self.note,
        }


def decide(
    key: TrajectoryKey,
    *,
    size_bytes: int | None,
    findings: Sequence[Finding] = (),
    n_samples: int | None = None,
    labels: LabelCounts | None = None,
    thresholds: Thresholds | None = None,
) -> AuditCell:
    """The cell's status: the first of missing, corrupted, unlabelled, imbalanced that applies.

    A rate *on* a threshold is balanced: 25 of 500 is 5.0 %, which is not under 5 %. Beyond it, a
    small number of rows leaves it undecided (`quarry.statistics.balance`).

    Args:
        key: the cell.
        size_bytes: size of the trajectory file; None where there is none.
        findings: what verification found; one error condemns the file.
        n_samples: rows of the file, where known.
        labels: counted verdicts; None where there is no labels file.
        thresholds: bounds of the correct rate; the catalog's defaults when None.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    rows, counts = n_samples, None
    if size_bytes is None:
        status, note = CellStatus.MISSING, "no trajectory file"
    elif errors:
        status, note = CellStatus.CORRUPTED, f"{errors[0].what}: {errors[0].got}"
    elif labels is None:
        status, note = CellStatus.UNLABELLED, "no labels file"
    elif labels.problem is not None or not labels.n_samples:
        status, note = CellStatus.UNLABELLED, labels.problem or "the labels file is empty"
    else:
        status, note = _balance(labels, thresholds or Thresholds())
        rows, counts = labels.n_samples, labels
    return AuditCell(
        key,
        status,
        n_correct=counts.n_correct if counts else None,
        n_samples=rows,
        verdicts=dict(counts.verdicts) if counts else {},
        findings=tuple(findings),
        size_bytes=size_bytes,
        note=note,
    )


def _balance(labels: LabelCounts, thresholds: Thresholds) -> tuple[CellStatus, str]:
    """Status and note of a cell with usable labels."""
    balance = judge_balance(labels.n_correct, labels.n_graded, thresholds)
    not_graded = labels.n_samples - labels.n_graded
    note = f"{not_graded} of {labels.n_samples} rows not graded (timeout or error)"
    notes = [note] if not_graded else []
    if balance is None:
        return CellStatus.UNLABELLED, notes[0]
    if balance.note:
        notes.insert(0, balance.note)
    return _STATUS.get(balance.state, CellStatus.IMBALANCED), ", ".join(notes)
