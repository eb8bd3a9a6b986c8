"""What a verifier found: one dataclass, shared by verification, checks, CLI and audit.

Only the record lives here; how a file is examined lives in `quarry.trajectory`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One defect, with all that a person needs to act on it.

    Args:
        check: the asset check that this belongs to, such as `chunks_intact`.
        kind: a stable machine name of the defect, such as `truncated` or `missing`.
        what: the defect as a sentence without the full stop.
        where: file, dataset, sample id or byte range.
        expected: what would have been right.
        got: what was found.
        cure: what to do next.
        severity: an `error` condemns the file, a `warning` does not.
        sample_id: the sample concerned, where there is one.
    """

    check: str
    kind: str
    what: str
    where: str
    expected: str
    got: str
    cure: str
    severity: Severity = "error"
    sample_id: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """A plain dict for JSON and for tables."""
        return asdict(self)
