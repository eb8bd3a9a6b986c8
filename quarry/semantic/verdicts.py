"""What comparisons have found of a file, kept beside the data so that the audit knows it.

One small file for each content: a verdict ends with the content that it is about. A sample stays
wrong until it is compared again, however many others agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quarry.data_directory import DataDirectory
from quarry.findings import Finding
from quarry.trajectory.journal import decode_line, encode_line
from quarry.trajectory.space import disk_named
from quarry.trajectory.staging import owner_mark

if TYPE_CHECKING:
    from quarry.semantic.checking import SemanticReport

FORMAT_VERSION = 1


@dataclass(frozen=True)
class SemanticRecord:
    """All that was found of one content.

    Args:
        findings: what is wrong, by id of the sample; no entry says nothing, an empty one that the
            sample agrees.
    """

    findings: dict[str, tuple[Finding, ...]] = field(default_factory=dict[str, tuple[Finding, ...]])

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """Everything that is wrong."""
        return tuple(found for sample in self.findings.values() for found in sample)


def record_verdict(data_dir: Path, report: SemanticReport) -> SemanticRecord:
    """Keep what a comparison found; what could not be told is not kept.

    Returns:
        What is known of the file by now.

    Raises:
        StorageFullError: there is no room.
        DiskError: the operating system refuses otherwise.
    """
    if report.content_digest is None or any(one.severity == "warning" for one in report.findings):
        return recorded_verdict(data_dir, report.content_digest)
    known = recorded_verdict(data_dir, report.content_digest).findings
    now = {name: _about(name, report.findings) for name in report.compared}
    record = SemanticRecord({**known, **now})
    path = _path(data_dir, report.content_digest)
    temporary = path.with_name(f".{path.name}{owner_mark()}tmp")
    with disk_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(encode_line(_as_dict(record)))
        temporary.replace(path)
    return record


def recorded_verdict(data_dir: Path, content_digest: str | None) -> SemanticRecord:
    """What is known of a file; nothing where it was never compared, or the record is damaged."""
    if content_digest is None:
        return SemanticRecord()
    try:
        values = decode_line(_path(data_dir, content_digest).read_bytes())
        if values is None or values["format_version"] != FORMAT_VERSION:
            return SemanticRecord()
        return SemanticRecord(
            {
                name: tuple(Finding(**one) for one in found)
                for name, found in values["samples"].items()
            }
        )
    except (OSError, ValueError, KeyError, TypeError):
        return SemanticRecord()


def _about(sample_id: str, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings about one sample."""
    return tuple(one for one in findings if one.sample_id == sample_id)


def _path(data_dir: Path, content_digest: str) -> Path:
    """Where the record of a content lies."""
    return DataDirectory(data_dir).semantic_verdicts / f"{content_digest[:32]}.json"


def _as_dict(record: SemanticRecord) -> dict[str, Any]:
    """Plain JSON values."""
    return {
        "format_version": FORMAT_VERSION,
        "recorded_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "samples": {
            name: [one.as_dict() for one in found] for name, found in record.findings.items()
        },
    }
