"""What each level of verification sees of a damage, beyond what it says of the good file."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from quarry.trajectory.report import Level, Report
from quarry.trajectory.verification import verify
from tests.soak.corpus import Specimen
from tests.soak.outcome import Tally

LEVELS: tuple[Level, ...] = get_args(Level)
DEADLINE_S = 4.0
"""Far more than these files take, and short for those on which HDF5 never returns."""


class Eye:
    """Looks at one file at every level.

    Args:
        specimen: the file, still good; what is said of it now is no finding later.
    """

    def __init__(self, specimen: Specimen) -> None:
        self.path = specimen.path
        self._usual = {level: _said(verify(self.path, level=level)) for level in LEVELS}

    def look(self, tally: Tally, name: str, group: str) -> None:
        """Note whether the full level flags what was done to the file, and count all levels.

        Args:
            tally: takes the case and the counts `<group>` and `<group> by <level>`.
            name: the case.
            group: what kind of damage it is.
        """
        tally.counts[group] += 1
        is_flagged = False
        for level in LEVELS:
            report = verify(self.path, level=level, deadline_s=DEADLINE_S)
            new = _said(report) - self._usual[level]
            is_flagged = bool(new)
            is_warning = is_flagged and all(severity == "warning" for *_, severity in new)
            tally.counts[f"{group} by {level}"] += is_flagged
            tally.counts[f"by {level}"] += is_flagged
            tally.counts[f"only a warning by {level}"] += is_warning
            tally.counts[f"hung for {level}"] += is_overdue(report)
        tally.case(name, "" if is_flagged else "not flagged by the full level")


def is_overdue(report: Report) -> bool:
    """Whether HDF5 hung."""
    return any("no end after" in found.got for found in report.findings)


def said_of(path: Path) -> set[tuple[str, str, str]]:
    """What the full level says of a file."""
    return _said(verify(path, deadline_s=DEADLINE_S))


def shares(tally: Tally) -> str:
    """Which part of all cases each level found, for a person."""
    return ", ".join(f"{level} {tally.share(f'by {level}')}" for level in LEVELS)


def facts(tally: Tally) -> dict[str, int]:
    """All counts, by name."""
    return dict(sorted(tally.counts.items()))


def _said(report: Report) -> set[tuple[str, str, str]]:
    """The kinds of findings of a report, but for a hang: that might be a slow machine."""
    return {
        (found.check, found.kind, found.severity)
        for found in report.findings
        if "no end after" not in found.got
    }
