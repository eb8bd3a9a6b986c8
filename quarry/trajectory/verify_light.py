"""Check `file_complete`, cheap part: stat, superblock and manifest; HDF5 is never opened.

Reads at most 4 KiB of the file whatever its size, and the manifest beside it.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quarry.errors import FileMissingError, IntegrityError
from quarry.findings import Finding, Severity
from quarry.trajectory.digests import HEAD_BYTES, head_digest
from quarry.trajectory.manifest import Manifest, manifest_path, pending_path, read_manifest
from quarry.trajectory.report import FILE_COMPLETE, MEND, RECOLLECT
from quarry.trajectory.superblock import Superblock, SuperblockError, read_superblock

_OUR_SUPERBLOCK = 3


@dataclass
class LightResult:
    """What the cheap tier found.

    Args:
        findings: defects.
        facts: size, superblock version and end-of-file.
        manifest: the manifest, where there is a whole one.
        can_be_opened: whether it makes sense to let HDF5 open the file.
    """

    findings: list[Finding] = field(default_factory=list[Finding])
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    manifest: Manifest | None = None
    can_be_opened: bool = False


def check_light(path: Path, manifest: Manifest | None = None) -> LightResult:
    """Examine a file without opening it as HDF5.

    Args:
        path: the file, which need not exist.
        manifest: what the file should be; read from beside the file where None.
    """
    result = LightResult()
    try:
        status = path.stat()
    except OSError as error:
        result.findings.append(_missing(path, error))
        return result
    if not stat.S_ISREG(status.st_mode):
        result.findings.append(
            _finding("not_a_file", "The path is no file", path, "a file", "something else")
        )
        return result
    result.facts["size_bytes"] = status.st_size
    try:
        head, superblock = _read_head(path, status.st_size, result)
    except OSError as error:  # a bad sector, or no permission
        got = error.strerror or str(error)
        result.findings.append(
            _finding("unreadable", "The file can't be read", path, "a readable file", got, MEND)
        )
        return result
    if superblock is not None:
        _check_superblock(path, status.st_size, superblock, result)
    version = superblock.version if superblock else _OUR_SUPERBLOCK
    result.manifest = manifest or _find_manifest(path, version, result.findings)
    if result.manifest is not None:
        result.findings += _compare(path, status.st_size, head, result.manifest)
    return result


def _read_head(path: Path, size_bytes: int, result: LightResult) -> tuple[bytes, Superblock | None]:
    """The first 2 KiB and the superblock; what is wrong with it goes into the result."""
    if size_bytes == 0:
        result.findings.append(
            _finding("empty", "The file is empty", path, "an HDF5 file", "0 bytes")
        )
        return b"", None
    with path.open("rb", buffering=0) as file:
        head = file.read(HEAD_BYTES)

        def read_at(offset: int, count: int) -> bytes:
            """From the bytes at hand, else from the file."""
            at_hand = head[offset : offset + count]
            is_enough = len(at_hand) == count or offset + len(at_hand) == size_bytes
            return at_hand if is_enough else os.pread(file.fileno(), count, offset)

        try:
            return head, read_superblock(read_at, size_bytes)
        except SuperblockError as error:
            what = "The file does not begin as HDF5 files do"
            result.findings.append(
                _finding(error.kind, what, path, "an HDF5 signature and superblock", error.got)
            )
            return head, None


def _check_superblock(
    path: Path, size_bytes: int, superblock: Superblock, result: LightResult
) -> None:
    """Compare the stored end-of-file with the size; look at the flags."""
    eof = superblock.eof
    result.facts |= {"superblock_version": superblock.version, "stored_eof_bytes": eof}
    expected, got = f"{eof:,} bytes, as the superblock says", f"{size_bytes:,} bytes"
    if size_bytes < eof:
        what = f"The file is truncated: its last {eof - size_bytes:,} bytes are missing"
        place = f"bytes {size_bytes}-{eof}"
        result.findings.append(_finding("truncated", what, path, expected, got, MEND, place=place))
    elif size_bytes > eof:
        what = f"{size_bytes - eof:,} bytes follow the end of the file"
        place = f"bytes {eof}-{size_bytes}"
        result.findings.append(_finding("trailing_bytes", what, path, expected, got, place=place))
    if superblock.is_open_for_write:
        got = f"consistency flags {superblock.flags:#x}"
        what = "The file was never closed by its writer"
        cure = "wait if it is still being written; else collect the partition again"
        result.findings.append(_finding("open_for_write", what, path, "flags 0", got, cure))
    result.can_be_opened = size_bytes >= eof and not superblock.is_open_for_write


def _find_manifest(path: Path, version: int, findings: list[Finding]) -> Manifest | None:
    """The manifest beside the file; a finding where it is missing or damaged."""
    place = manifest_path(path)
    try:
        return read_manifest(place)
    except FileMissingError:
        is_pending = pending_path(path).exists()
        cure = (
            "publication was interrupted: quarry.trajectory.publication.recover completes it"
            if is_pending
            else "verify the file fully and adopt it, or collect the partition again"
        )
        # Older pipelines wrote superblock version 0 and no manifests: nothing is wrong with that.
        severity: Severity = "error" if version >= _OUR_SUPERBLOCK else "warning"
        what = "The file has no manifest: it was never published"
        findings.append(
            _finding("manifest_missing", what, place, "a manifest", "none", cure, severity)
        )
    except IntegrityError as error:
        findings.extend(error.findings)
    return None


def _compare(path: Path, size_bytes: int, head: bytes, manifest: Manifest) -> list[Finding]:
    """Whether the manifest is this file's, as far as the size and first bytes tell."""
    pairs = [
        ("name", manifest.file, path.name),
        ("size", f"{manifest.size_bytes:,} bytes", f"{size_bytes:,} bytes"),
        ("first 2 KiB", manifest.head_digest, head_digest(head)),
    ]
    cure = (
        "publication was interrupted: quarry.trajectory.publication.recover completes it"
        if pending_path(path).exists()
        else RECOLLECT
    )
    return [
        _finding(
            "manifest_mismatch",
            f"The file is not the one that was published: its {name} differs",
            path,
            expected,
            got,
            cure,
        )
        for name, expected, got in pairs
        if expected != got
    ]


def _missing(path: Path, error: OSError) -> Finding:
    """The finding for a file that can't even be looked at."""
    got = "no file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
    return _finding("missing", "The file is missing", path, "a trajectory file", got)


def _finding(
    kind: str,
    what: str,
    path: Path,
    expected: str,
    got: str,
    cure: str = RECOLLECT,
    severity: Severity = "error",
    place: str = "",
) -> Finding:
    """A finding of this check."""
    return Finding(
        check=FILE_COMPLETE,
        kind=kind,
        what=what,
        where=f"{path}, {place}" if place else str(path),
        expected=expected,
        got=got,
        cure=cure,
        severity=severity,
    )
