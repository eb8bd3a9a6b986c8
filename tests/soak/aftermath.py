"""What must hold after a run was killed, and after the next run of the same cell."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from quarry.errors import QuarryError
from quarry.trajectory.digest_table import table_path
from quarry.trajectory.journal import decode_line, journal_path
from quarry.trajectory.manifest import manifest_path, read_manifest
from quarry.trajectory.publication import recover
from quarry.trajectory.verification import verify
from tests.soak.collector import KEY, N_SAMPLES, collect_and_publish

OLD, NEW = 1, 2


@dataclass(frozen=True)
class Versions:
    """The two versions of the cell's file.

    Args:
        old_dir: a data directory in which the old one is published.
        old: content digest of the old one.
        new: content digest of an uninterrupted collection of the new one.
    """

    old_dir: Path
    old: str
    new: str

    @classmethod
    def make(cls, directory: Path) -> Versions:
        """Collect both without interruption."""
        old_dir, new_dir = directory / "old", directory / "new"
        for one in (old_dir, new_dir):
            one.mkdir(parents=True)
        old = collect_and_publish(old_dir, OLD, directory / "calls").content_digest
        new = collect_and_publish(new_dir, NEW, directory / "calls").content_digest
        shutil.rmtree(new_dir)
        assert old != new
        return cls(old_dir, old, new)


def check_after_kill(data_dir: Path, versions: Versions, counts: Counter[str]) -> list[str]:
    """The final name holds the old or the new version, whole; returns what is wrong."""
    final = data_dir / KEY.trajectory_path
    kinds = {found.kind for found in verify(final, level="light").findings}
    wrong = [] if kinds <= {"manifest_mismatch"} else [f"half-published: {sorted(kinds)}"]
    counts["recovered"] += recover(final) is not None
    report = verify(final)
    if not report.is_clean or report.findings:
        return [*wrong, f"not clean after recovery: {sorted(report.kinds())}"]
    content = read_manifest(manifest_path(final)).content_digest
    if content not in (versions.old, versions.new):
        return [*wrong, "neither the old nor the new version"]
    counts["old version" if content == versions.old else "new version"] += 1
    return wrong


def check_next_run(data_dir: Path, versions: Versions, counts: Counter[str]) -> list[str]:
    """The next run keeps every committed row, succeeds, and leaves nothing behind."""
    committed, calls = _committed_rows(data_dir), data_dir / "calls_after"
    try:
        manifest = collect_and_publish(data_dir, NEW, calls)
    except (QuarryError, OSError) as error:
        return [f"the next run failed: {error}"]
    ran = calls.read_text().split()
    counts["next runs"] += 1
    counts["rows kept"] += N_SAMPLES - len(ran)
    counts["rows run"] += len(ran)
    again = committed & set(ran)
    wrong = [f"committed rows were run again: {sorted(again)}"] if again else []
    if len(ran) + len(committed) != N_SAMPLES:
        wrong.append(f"{len(ran)} rows were run and {len(committed)} were kept, of {N_SAMPLES}")
    if manifest.content_digest != versions.new:
        wrong.append("the content is not that of an uninterrupted run")
    if verify(data_dir / KEY.trajectory_path).findings:
        wrong.append("the published file is not clean")
    return wrong + _left_behind(data_dir, manifest.digests)


def _committed_rows(data_dir: Path) -> set[str]:
    """Samples with a whole line in the journal of a file that is there."""
    found: set[str] = set()
    for staged in (data_dir / "staging").glob("*.h5"):
        journal = journal_path(staged)
        lines = journal.read_bytes().splitlines(keepends=True) if journal.exists() else []
        values = [decode_line(line) for line in lines[1:]]
        found |= {value["sample_id"] for value in values if value is not None}
    return found


def _left_behind(data_dir: Path, digests: str) -> list[str]:
    """What lies around that should have been swept."""
    final = data_dir / KEY.trajectory_path
    wanted = {final, manifest_path(final), table_path(final, digests)}
    found = {*final.parent.iterdir(), *(data_dir / "staging").iterdir()}
    missing = [f"{path.name} is missing" for path in sorted(wanted - found)]
    return missing + [f"{path.parent.name}/{path.name} left" for path in sorted(found - wanted)]
