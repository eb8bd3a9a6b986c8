"""`Report` and `Expected`: the words in which verification is asked and answers.

The names of the checks are the names of the asset checks. What is examined is in `verify_*`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from quarry.errors import IntegrityError
from quarry.findings import Finding
from quarry.inference.engine import Scope
from quarry.keys import TrajectoryKey

Level = Literal["light", "structure", "full"]

FILE_COMPLETE = "file_complete"
LAYOUT_VALID = "layout_valid"
CHUNKS_INTACT = "chunks_intact"
ACTIVATIONS_SANE = "activations_sane"
LENGTHS_PLAUSIBLE = "lengths_plausible"
ROWS_COMPLETE = "rows_complete"
CHECKS = (
    FILE_COMPLETE,
    LAYOUT_VALID,
    CHUNKS_INTACT,
    ACTIVATIONS_SANE,
    LENGTHS_PLAUSIBLE,
    ROWS_COMPLETE,
)

RULES_VERSION = "1"
"""Raised when a rule about rows, lengths or values changes: older files are then examined anew."""

RECOLLECT = "restore the file from a verified copy, or collect the partition again"
MEND = (
    "`quarry repair` it from a good copy; without one `quarry salvage` it and materialise the "
    "partition, which then collects only what is lost"
)
_FINDINGS_PER_KIND = 20


@dataclass(frozen=True)
class Expected:
    """What the caller knows about the file; None where it does not care.

    Catches a whole and intact file that lies in another partition's place.
    """

    model: str | None = None
    task: str | None = None
    n_shot: int | None = None
    scope: Scope | None = None
    n_samples: int | None = None

    @classmethod
    def of_key(
        cls, key: TrajectoryKey, *, scope: Scope | None = None, n_samples: int | None = None
    ) -> Expected:
        """What a grid cell's file should say."""
        return cls(key.model, key.task, key.n_shot, scope, n_samples)

    def as_dict(self) -> dict[str, Any]:
        """The values that are given, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Report:
    """What verification found out about one file.

    Args:
        path: the file.
        level: how closely it was examined.
        findings: every defect.
        checks_run: names of the checks that came to an end. A check that is not among them says
            nothing: the file was too damaged, or the level too light, to run it.
        facts: sizes, counts and durations, plain JSON values.
    """

    path: Path
    level: Level
    findings: list[Finding]
    checks_run: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_clean(self) -> bool:
        """Whether nothing condemns the file; warnings do not."""
        return not self.errors

    @property
    def errors(self) -> list[Finding]:
        """The findings that condemn the file."""
        return [found for found in self.findings if found.severity == "error"]

    def findings_of(self, check: str) -> list[Finding]:
        """The findings of one check."""
        return [found for found in self.findings if found.check == check]

    def kinds(self) -> set[str]:
        """The machine names of all that was found."""
        return {found.kind for found in self.findings}

    def raise_if_broken(self) -> None:
        """Raise unless the file is clean.

        Raises:
            IntegrityError: with every finding that condemns the file.
        """
        if not self.is_clean:
            raise IntegrityError(
                "A trajectory file failed verification",
                where=str(self.path),
                findings=self.errors,
            )


def condense(findings: Iterable[Finding], limit: int = _FINDINGS_PER_KIND) -> list[Finding]:
    """Keep the first findings of each kind and say how many more there are.

    A wrong `sequence_lengths` makes 500 equal findings; twenty tell a person as much.
    """
    kept: list[Finding] = []
    seen: Counter[tuple[str, str]] = Counter()
    last: dict[tuple[str, str], Finding] = {}
    for found in findings:
        name = (found.check, found.kind)
        seen[name] += 1
        if seen[name] <= limit:
            kept.append(found)
        last[name] = found
    for name, count in seen.items():
        if count > limit:
            more = f"and {count - limit} more findings of this kind, {count} in all"
            kept.append(replace(last[name], what=f"{last[name].what}, {more}"))
    return kept
