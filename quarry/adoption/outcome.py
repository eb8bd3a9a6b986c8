"""What became of a file that was offered for adoption."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from quarry.findings import Finding
from quarry.keys import TrajectoryKey


class Status(StrEnum):
    """How an adoption ended, as a person reads it."""

    ADOPTED = "adopted"
    UNPROVEN = "adopted without a manifest"
    """It can't be read to the end, so nothing can vouch for it; it is in its place to be seen."""
    ALREADY = "already adopted"
    WOULD_ADOPT = "would be adopted"
    OCCUPIED = "not adopted: occupied"
    REFUSED = "not adopted"


@dataclass(frozen=True)
class Adoption:
    """One file that was offered.

    Args:
        path: the file as it was found.
        status: how it ended.
        key: its cell; None where it could not be mapped.
        reason: why it ended so, or what the mapping rests on; may be empty.
        findings: what verification found.
        n_samples: rows of the file; None where unknown.
        n_matched: rows whose sample was found in the benchmark; None where nobody looked.
    """

    path: Path
    status: Status
    key: TrajectoryKey | None = None
    reason: str = ""
    findings: tuple[Finding, ...] = field(default=())
    n_samples: int | None = None
    n_matched: int | None = None

    @property
    def is_clean(self) -> bool:
        """Whether the file is in its place, or would be, and nothing condemns it."""
        is_in = self.status in {Status.ADOPTED, Status.ALREADY, Status.WOULD_ADOPT}
        return is_in and not any(found.severity == "error" for found in self.findings)

    @property
    def is_new(self) -> bool:
        """Whether the data directory holds what it did not hold before."""
        return self.status in {Status.ADOPTED, Status.UNPROVEN}

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "path": str(self.path),
            "partition": self.key.partition if self.key else None,
            "status": self.status.name.lower(),
            "is_clean": self.is_clean,
            "reason": self.reason,
            "n_samples": self.n_samples,
            "n_matched": self.n_matched,
            "findings": [found.as_dict() for found in self.findings],
        }
