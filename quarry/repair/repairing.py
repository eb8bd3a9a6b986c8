"""`repair`: makes a damaged published file whole again, from a good copy of it or from itself.

    manifest, table    from beside the file, else from the copy     proofs
    bytes              only the damaged extents, each proven        byte_repair
    missing file       fetched whole under another name, renamed
    lost table         made anew, if the whole file's digest fits
    at last            full verification

Without a copy of the damaged bytes there is `salvage`, which keeps the intact rows.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from quarry.findings import Finding
from quarry.repair.byte_repair import Mended, mend
from quarry.repair.good_copy import GoodCopy
from quarry.repair.proofs import Proofs, find_proofs, require_same_version
from quarry.trajectory.describe import describe_file
from quarry.trajectory.digest_table import NO_ROW, Extents, put_table
from quarry.trajectory.digests import file_digest
from quarry.trajectory.extents import damaged_extents
from quarry.trajectory.folder_lock import locked
from quarry.trajectory.manifest import LEGACY_FORMAT, manifest_path, pending_path, write_manifest
from quarry.trajectory.near_copy import copy_near, sweep_copies
from quarry.trajectory.publication import recover
from quarry.trajectory.report import CHUNKS_INTACT, Report, condense
from quarry.trajectory.space import full_disk_named
from quarry.trajectory.staging import is_abandoned, owner_mark
from quarry.trajectory.verification import verify

_CURE = (
    "repair again from another copy; without one, `quarry salvage` keeps the intact rows and the "
    "next collection makes the others anew"
)


@dataclass(frozen=True)
class RepairResult:
    """What was wrong with a file, what was done, and what it is now.

    Args:
        path: the file.
        damaged: `(start, size)` of every extent that was not what it should be.
        bytes_fetched: bytes that came from the copy, table included.
        bytes_written: bytes that were written into the file.
        size_change_bytes: how much longer the file is now; less than 0 where it was cut.
        restored: what else was put back: `file`, `manifest`, `digests`.
        report: full verification of the file as it is now.
        findings: what could not be repaired, and what verification found.
    """

    path: Path
    damaged: tuple[tuple[int, int], ...]
    bytes_fetched: int
    bytes_written: int
    size_change_bytes: int
    restored: tuple[str, ...]
    report: Report
    findings: list[Finding]

    @property
    def is_whole(self) -> bool:
        """Whether the file is now what was published."""
        return self.report.is_clean and all(one.severity == "warning" for one in self.findings)


@dataclass
class _Done:
    """What was done so far."""

    damaged: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    restored: list[str] = field(default_factory=list[str])
    findings: list[Finding] = field(default_factory=list[Finding])
    mended: Mended = field(default_factory=Mended)
    table_bytes_fetched: int = 0


def repair(
    path: Path, good: GoodCopy | None = None, *, deadline_s: float | None = None
) -> RepairResult:
    """Find what is damaged, replace exactly that, and verify the whole file.

    An intact file is not written to. Can be interrupted and run again.

    Args:
        path: the published file; it may be missing.
        good: a copy of the same version; None to repair what the file itself proves.
        deadline_s: most seconds that verification may take; see `verify`.

    Raises:
        UsageError: the copy is of another version than the file.
        StorageFullError: there is no room for what is missing.
    """
    if good is not None:
        with full_disk_named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
    size_before = path.stat().st_size if path.exists() else 0
    done = _Done()
    recover(path)
    if path.parent.is_dir():
        with locked(path.parent) as directory, full_disk_named(path):
            _repair(path, good, done, deadline_s)
            sweep_copies(path)
            os.fsync(directory)
    report = verify(path, deadline_s=deadline_s)
    return RepairResult(
        path=path,
        damaged=tuple(done.damaged),
        bytes_fetched=done.mended.bytes_fetched + done.table_bytes_fetched,
        bytes_written=done.mended.bytes_written,
        size_change_bytes=(path.stat().st_size if path.exists() else 0) - size_before,
        restored=tuple(done.restored),
        report=report,
        findings=condense([*done.findings, *report.findings]),
    )


def _repair(path: Path, good: GoodCopy | None, done: _Done, deadline_s: float | None) -> None:
    """`repair`, with the folder locked."""
    problems: list[Finding] = []
    proofs = find_proofs(path, good, problems)
    if proofs is None:
        done.findings += problems
        return  # verification says that the manifest is missing
    if proofs.table_bytes is None:
        if not _remake_table(path, proofs, done, deadline_s):
            done.findings += problems
        return
    done.table_bytes_fetched = proofs.bytes_fetched
    extents = proofs.table.extents
    if not path.exists():
        if good is not None:
            _fetch_whole(path, proofs, extents, good, done)
        return
    damaged = damaged_extents(path, extents)
    if not proofs.has_manifest:
        require_same_version(path, proofs.manifest, extents, damaged, good)
    _restore_proofs(path, proofs, done)
    done.damaged = _ranges(extents, damaged)
    has_right_size = path.stat().st_size == proofs.manifest.size_bytes
    if damaged and good is None:
        done.findings += [
            _lost(path, extents, index, "no good copy was named") for index in damaged
        ]
    elif good is not None and (damaged or not has_right_size):
        _make_own(path)
        done.mended = mend(path, extents, damaged, good)
        done.findings += _unmended(path, extents, done.mended, good)
    elif not has_right_size:  # all extents fit: what follows them needs no copy to be cut off
        _make_own(path)
        with path.open("rb+", buffering=0) as file:
            file.truncate(proofs.manifest.size_bytes)
            os.fsync(file.fileno())


def _make_own(path: Path) -> None:
    """Give a file with a second name bytes of its own: an adopted file's original is not ours."""
    if path.stat().st_nlink > 1:
        copy_near(path, path).replace(path)


def _remake_table(path: Path, proofs: Proofs, done: _Done, deadline_s: float | None) -> bool:
    """Make a lost table anew, where the whole file's digest proves that nothing else is lost.

    Returns:
        Whether it was made; verification says what is wrong where it was not.
    """
    manifest = proofs.manifest
    if not path.exists() or file_digest(path) != manifest.blake3:
        return False
    made, _ = describe_file(path, origin=manifest.origin, deadline_s=deadline_s)
    if made.digests != manifest.digests or not proofs.has_manifest:
        write_manifest(manifest_path(path), replace(manifest, digests=made.digests))
    if manifest.format_version == LEGACY_FORMAT:
        done.findings.append(_ids_lost(path))
    done.restored += _missing_proofs(proofs)
    return True


def _fetch_whole(path: Path, proofs: Proofs, extents: Extents, good: GoodCopy, done: _Done) -> None:
    """Fetch a missing file under a temporary name and rename it once every byte is proven."""
    temporary = _temporary(path)
    damaged = damaged_extents(temporary, extents)
    done.mended = mend(temporary, extents, damaged, good)
    done.findings += _unmended(path, extents, done.mended, good)
    done.damaged = _ranges(extents, range(len(extents)))
    if done.findings:
        temporary.unlink()
        return
    put_table(path, proofs.manifest.digests, proofs.table_bytes or b"")
    write_manifest(pending_path(path), proofs.manifest)
    temporary.replace(path)
    pending_path(path).replace(manifest_path(path))
    done.restored += ["file", *_missing_proofs(proofs)]


def _temporary(path: Path) -> Path:
    """An empty file beside the final name, or what an interrupted repair had fetched of it.

    The folder is locked, so what this process left there is nobody's work either.
    """
    mark = owner_mark()
    mine, process = path.with_name(f".{path.name}{mark}repair"), mark.rpartition("-")[0] + "-"
    for left in path.parent.glob(f".{path.name}.by-*.repair"):
        if is_abandoned(left.name) or process in left.name:
            left.replace(mine)
    mine.touch()
    return mine


def _restore_proofs(path: Path, proofs: Proofs, done: _Done) -> None:
    """Write the manifest and the table where they are missing beside the file."""
    if not proofs.has_table:
        put_table(path, proofs.manifest.digests, proofs.table_bytes or b"")
    if not proofs.has_manifest:
        write_manifest(manifest_path(path), proofs.manifest)
    done.restored += _missing_proofs(proofs)


def _missing_proofs(proofs: Proofs) -> list[str]:
    """Names of what does not lie beside the file."""
    there = {"manifest": proofs.has_manifest, "digests": proofs.has_table}
    return [name for name, is_there in there.items() if not is_there]


def _ranges(extents: Extents, indices: Sequence[int]) -> list[tuple[int, int]]:
    """`(start, size)` of extents."""
    return [(int(extents["start"][one]), int(extents["size"][one])) for one in indices]


def _unmended(path: Path, extents: Extents, mended: Mended, good: GoodCopy) -> list[Finding]:
    """What the copy could not help with."""
    reasons = {
        f"the copy {good} is damaged there, too": mended.copy_damaged,
        "not added: bytes in front of it are missing": mended.left_cut,
    }
    return [
        _lost(path, extents, index, reason) for reason, found in reasons.items() for index in found
    ]


def _ids_lost(path: Path) -> Finding:
    """The warning that an older file's sample ids were known to the lost table alone."""
    return Finding(
        check=CHUNKS_INTACT,
        kind="sample_ids_lost",
        what="Sample ids that were found for the rows of an older file are lost",
        where=str(path),
        expected="the ids in the table of digests",
        got="ids made of row numbers",
        cure="remove the manifest and run `quarry adopt` on the file again, with --mirror",
        severity="warning",
    )


def _lost(path: Path, extents: Extents, index: int, reason: str) -> Finding:
    """The finding for an extent that stays damaged."""
    extent = extents[index]
    start, row = int(extent["start"]), int(extent["row"])
    what = "texts, lengths or structure" if row == NO_ROW else f"activations of row {row}"
    return Finding(
        check=CHUNKS_INTACT,
        kind="not_repaired",
        what="Damaged bytes could not be replaced",
        where=f"{path}, bytes {start}-{start + int(extent['size'])} ({what})",
        expected="bytes with the digest in the table",
        got=reason,
        cure=_CURE,
    )
