"""Making a work file one certain version, from every copy of that version in turn.

A version is what a manifest names. Which versions are tried, and whether one fits the cell, is
decided in `restoring`.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from quarry.errors import (
    FileMissingError,
    IntegrityError,
    QuarryError,
    StorageError,
    StorageFullError,
)
from quarry.healing.work_file import copy_readable
from quarry.repair.good_copy import GoodCopy, LocalCopy
from quarry.repair.repairing import RepairResult, repair
from quarry.trajectory.digest_table import put_table
from quarry.trajectory.digests import file_digest
from quarry.trajectory.layout import MIB
from quarry.trajectory.manifest import Manifest, manifest_path, write_manifest
from quarry.trajectory.space import full_disk_named, require_space

_PIECE_BYTES = 8 * MIB
_UNREADABLE = "unreadable"


class CountedCopy:
    """A good copy, with a count of what it gave away over the network.

    Args:
        copy: the copy.
    """

    def __init__(self, copy: GoodCopy) -> None:
        self._copy = copy
        self._is_local = isinstance(copy, LocalCopy)
        self.bytes_fetched = 0
        self.is_used = False

    def __str__(self) -> str:
        """The copy's own name."""
        return str(self._copy)

    def manifest(self) -> Manifest:
        """See `GoodCopy`; not counted."""
        return self._copy.manifest()

    def table(self, digest: str) -> bytes:
        """See `GoodCopy`."""
        return self._counted(self._copy.table(digest))

    def read_range(self, offset: int, size: int) -> bytes:
        """See `GoodCopy`."""
        data = self._counted(self._copy.read_range(offset, size))
        self.is_used = self.is_used or bool(data)
        return data

    def _counted(self, data: bytes) -> bytes:
        """The same bytes."""
        self.bytes_fetched += 0 if self._is_local else len(data)
        return data


@dataclass
class Version:
    """One version of a file, and the copies that claim to be it, cheapest first."""

    manifest: Manifest
    copies: list[CountedCopy] = field(default_factory=list[CountedCopy])


@dataclass
class Refusals:
    """Why copies did not help.

    Args:
        unusable: what each said or turned out to be.
        unreachable: stores that could not be asked, which says nothing about the bytes.
    """

    unusable: list[str] = field(default_factory=list[str])
    unreachable: list[StorageError] = field(default_factory=list[StorageError])

    def note(self, copy: object, error: Exception) -> None:
        """Note an error of a copy."""
        if isinstance(error, StorageError):
            self.unreachable.append(error)
        got = f"{error.what}: {error.got}" if isinstance(error, QuarryError) else str(error)
        self.unusable.append(f"{copy}: {got}")


def versions_of(
    local: Manifest | None, copies: Sequence[CountedCopy], refusals: Refusals
) -> list[Version]:
    """The versions that can be tried: that of the file here first, then in the copies' order."""
    found = [] if local is None else [Version(local)]
    for copy in copies:
        try:
            manifest = copy.manifest()
        except (FileMissingError, IntegrityError, OSError) as error:
            refusals.note(copy, error)
            continue
        same = [one for one in found if _is_same(one.manifest, manifest)]
        if not same:
            found.append(Version(manifest))
        (same or found)[-1].copies.append(copy)
    return found


def mend_version(
    work: Path, path: Path, version: Version, refusals: Refusals, deadline_s: float | None
) -> RepairResult | None:
    """Make a work file a version; returns what was done once it is whole, else None.

    Args:
        work: the work file.
        path: the file in the cell's place, whose table may serve.
        version: what the work file shall be.
        refusals: takes the reasons of the copies that did not help.
        deadline_s: most seconds of each verification.

    Raises:
        StorageFullError: there is no room.
        IntegrityError: all bytes are right, and still the file could not be read to the end.
    """
    write_manifest(manifest_path(work), version.manifest.named(work.name))
    has_table = _put_table(work, path, version, refusals)
    for copy in version.copies or [None]:
        result = _repair(work, path, copy, refusals, deadline_s)
        if result is not None and _is_whole(result):
            return result
        if result is not None:
            refusals.unusable.append(f"{copy or path}: {_reason(result)}")
    for copy in [] if has_table else version.copies:
        if _fetch_whole(work, version.manifest, copy, refusals):
            result = _repair(work, path, None, refusals, deadline_s)
            if result is not None and _is_whole(result):
                return replace(result, damaged=((0, version.manifest.size_bytes),))
    return None


def _repair(
    work: Path, path: Path, copy: CountedCopy | None, refusals: Refusals, deadline_s: float | None
) -> RepairResult | None:
    """One repair from one copy; a disk with bad sectors is read around, once."""
    for is_last in (False, True):
        try:
            return repair(work, copy, deadline_s=deadline_s)
        except StorageFullError:
            raise
        except (QuarryError, OSError) as error:
            is_bad_disk = not isinstance(error, QuarryError) and error.errno == errno.EIO
            if is_last or not is_bad_disk or not path.exists():
                refusals.note(copy or path, error)
                return None
        copy_readable(path, work)
    return None


def _put_table(work: Path, path: Path, version: Version, refusals: Refusals) -> bool:
    """Put the version's table beside a work file, from beside the file or from any copy."""
    digest = version.manifest.digests
    for owner in (LocalCopy(path), *version.copies):
        try:
            data = owner.table(digest)
        except StorageError as error:
            refusals.note(owner, error)
        except (FileMissingError, IntegrityError, OSError):
            continue
        else:
            with full_disk_named(work):
                put_table(work, digest, data)
            return True
    return False


def _fetch_whole(work: Path, manifest: Manifest, copy: CountedCopy, refusals: Refusals) -> bool:
    """Fetch a file of which nobody has the table; whether the whole has the right digest."""
    if not manifest.blake3:
        return False
    work.unlink(missing_ok=True)
    require_space(work, manifest.size_bytes)
    try:
        with full_disk_named(work), work.open("xb") as file:
            for start in range(0, manifest.size_bytes, _PIECE_BYTES):
                size = min(_PIECE_BYTES, manifest.size_bytes - start)
                file.write(copy.read_range(start, size))
    except StorageFullError:
        raise
    except (QuarryError, OSError) as error:
        refusals.note(copy, error)
        return False
    if file_digest(work) == manifest.blake3:
        return True
    refusals.unusable.append(f"{copy}: it has no table of digests, and its bytes are others")
    return False


def _is_whole(result: RepairResult) -> bool:
    """Whether a repaired file is what was published.

    Raises:
        IntegrityError: it may be, but reading it to the end took too long or crashed.
    """
    kinds = {found.kind for found in result.findings if found.severity == "error"}
    if kinds == {_UNREADABLE}:
        raise IntegrityError(
            "A restored file could not be verified",
            where=str(result.path),
            findings=result.report.errors,
        )
    return result.is_whole


def _reason(result: RepairResult) -> str:
    """What is wrong with a file after a repair."""
    found = next(one for one in result.findings if one.severity == "error")
    return f"{found.what}: {found.got}"


def _is_same(one: Manifest, other: Manifest) -> bool:
    """Whether two manifests are about the same bytes."""
    if one.digests == other.digests:
        return True
    return bool(one.blake3) and one.blake3 == other.blake3
