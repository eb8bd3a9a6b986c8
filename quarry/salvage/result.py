"""What became of each row of a damaged file: collected from the child, handed to the caller."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from quarry.findings import Finding, Severity
from quarry.guard.guarded import ChildOutcome
from quarry.trajectory.report import CHUNKS_INTACT, FILE_COMPLETE, LAYOUT_VALID, RECOLLECT, Report

PARTIAL = "partial"
_NOT_WRITTEN_CURE = (
    "make room or allow more time, then salvage again; else collect the partition again"
)
_LABELS_CURE = "grade the kept outputs anew"


@dataclass(frozen=True)
class LostRow:
    """A row that is not in the new file.

    Args:
        row: its position in the damaged file.
        sample_id: its id, where that is known.
        reason: why it could not be kept.
    """

    row: int
    sample_id: str | None
    reason: str


@dataclass(frozen=True)
class SalvageResult:
    """What was kept of a damaged file.

    Args:
        path: the damaged file.
        output: the new file; None if nothing could be kept.
        n_rows: rows that the whole file holds; 0 if that is not known.
        kept: positions of the rows in the new file, in order.
        lost: the other rows.
        is_proven: whether a table of digests proved each kept row; else they were judged.
        findings: what else was lost, and why nothing was written where that is so.
        report: verification of the new file; `partial` is always among its findings.
    """

    path: Path
    output: Path | None
    n_rows: int
    kept: tuple[int, ...]
    lost: tuple[LostRow, ...]
    is_proven: bool
    findings: list[Finding]
    report: Report | None

    @property
    def n_kept(self) -> int:
        """Rows in the new file."""
        return len(self.kept) if self.output is not None else 0

    @property
    def is_all(self) -> bool:
        """Whether nothing was lost."""
        return bool(self.n_kept) and self.n_kept == self.n_rows and not self.findings


@dataclass
class Survey:
    """What is known of the rows so far.

    Args:
        path: the damaged file.
        n_rows: rows that it was made for.
    """

    path: Path
    n_rows: int = 0
    kept: list[int] = field(default_factory=list[int])
    lost: dict[int, LostRow] = field(default_factory=dict[int, LostRow])
    left_out: list[str] = field(default_factory=list[str])
    findings: list[Finding] = field(default_factory=list[Finding])
    failure: str = ""

    def known(self) -> dict[str, Any]:
        """What the child need not look at again."""
        return {"kept": sorted(self.kept), "lost": sorted(self.lost), "left_out": self.left_out}

    def absorb(self, outcome: ChildOutcome) -> bool:
        """Take in what a child told; returns whether another one could tell more."""
        at: dict[str, Any] = {}
        n_known = len(self.kept) + len(self.lost) + len(self.left_out)
        for message in outcome.messages:
            at = message if message.keys() & {"at", "at_column"} else at
            self.n_rows = message.get("facts", {}).get("n_rows", self.n_rows)
            self.kept += message.get("kept", [])
            if "lost" in message:
                row, sample_id, reason = message["lost"]
                self.lost[row] = LostRow(row, sample_id, reason)
            if "left_out" in message:
                self._leave_out(*message["left_out"])
            if "closed" in message:
                self.failure = message["closed"]
        if outcome.failure is None:
            return False
        self.failure = f"HDF5 hung or crashed: {outcome.failure}"
        self._blame(at)
        return len(self.kept) + len(self.lost) + len(self.left_out) > n_known

    def close(self) -> None:
        """Count the rows that nothing was told of as lost; say so where none is left."""
        for row in set(range(self.n_rows)) - {*self.kept, *self.lost}:
            self.lost[row] = LostRow(row, None, self.failure or "not reached")
        if not self.kept:
            got = self.failure or "every row is damaged"
            what = "Nothing can be salvaged from the file"
            self.findings.append(_finding("nothing_kept", what, str(self.path), "whole rows", got))

    def result(
        self, output: Path | None, report: Report | None, *, is_proven: bool
    ) -> SalvageResult:
        """What the caller gets."""
        lost = tuple(self.lost[row] for row in sorted(self.lost))
        kept = tuple(sorted(self.kept))
        return SalvageResult(
            self.path, output, self.n_rows, kept, lost, is_proven, self.findings, report
        )

    def _blame(self, at: dict[str, Any]) -> None:
        """Give up what a child was looking at when it died."""
        first, last = at.get("at", (0, -1))
        for row in range(first, last + 1):
            if row not in self.kept:
                self.lost.setdefault(row, LostRow(row, None, self.failure))
        if "at_column" in at:
            self._leave_out(at["at_column"], self.failure)

    def _leave_out(self, name: str, reason: str) -> None:
        """Note a column that the new file won't have."""
        self.left_out.append(name)
        what, where = "A dataset could not be kept", f"{self.path}, {name}"
        cure = _LABELS_CURE if name == "is_correct" else RECOLLECT
        self.findings.append(
            _finding("column_lost", what, where, "intact values", reason, "warning", cure)
        )


def stopped(path: Path, output: Path, outcome: ChildOutcome) -> Finding:
    """The finding for a new file that could not be written."""
    reasons = [one["closed"] for one in outcome.messages if "closed" in one]
    got = outcome.failure or (reasons[0] if reasons else "no end")
    what = f"The rows of {path.name} that are whole could not be written"
    return _finding("not_written", what, str(output), "a new file", got, cure=_NOT_WRITTEN_CURE)


def unsound(report: Report) -> list[Finding]:
    """What makes a new file useless; defects that its rows had all along do not."""
    fatal = (FILE_COMPLETE, LAYOUT_VALID, CHUNKS_INTACT)
    allowed = {PARTIAL, "dataset_missing"}
    return [one for one in report.errors if one.check in fatal and one.kind not in allowed]


def renamed(report: Report, output: Path) -> Report:
    """A report about a file that has its final name now."""
    old, new = str(report.path), str(output)
    findings = [replace(one, where=one.where.replace(old, new)) for one in report.findings]
    return replace(report, path=output, findings=findings)


def _finding(
    kind: str,
    what: str,
    where: str,
    expected: str,
    got: str,
    severity: Severity = "error",
    cure: str = RECOLLECT,
) -> Finding:
    """A finding of salvage."""
    return Finding(CHUNKS_INTACT, kind, what, where, expected, got, cure, severity)
