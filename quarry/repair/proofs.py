"""What a damaged file should be: its manifest and table, from beside it or from a good copy.

Both prove themselves by their digests, so it does not matter where they come from; that they are
about the same version of the file does, and is decided here. Mending bytes is in `byte_repair`.
"""

from __future__ import annotations

import contextlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from quarry.errors import (
    FileMissingError,
    IntegrityError,
    QuarryError,
    StorageError,
    UsageError,
)
from quarry.findings import Finding
from quarry.repair.good_copy import GoodCopy
from quarry.trajectory.digest_table import DigestTable, Extents, read_table_bytes
from quarry.trajectory.digests import HEAD_BYTES, head_digest
from quarry.trajectory.manifest import LEGACY_FORMAT, Manifest, manifest_path, read_manifest
from quarry.trajectory.report import FILE_COMPLETE

_NO_TABLE = (FileMissingError, IntegrityError, ValueError, KeyError, OSError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Proofs:
    """What the file should be.

    Args:
        manifest: the manifest, under the file's name.
        has_manifest: whether it lies beside the file.
        table_bytes: the table of digests; None where neither side has it.
        has_table: whether it lies beside the file.
        bytes_fetched: what was asked from the copy for it, manifests not counted.
    """

    manifest: Manifest
    has_manifest: bool
    table_bytes: bytes | None
    has_table: bool
    bytes_fetched: int

    @property
    def table(self) -> DigestTable:
        """The table of digests, which must be there."""
        assert self.table_bytes is not None
        return DigestTable.from_bytes(self.table_bytes)


def find_proofs(path: Path, good: GoodCopy | None, problems: list[Finding]) -> Proofs | None:
    """The proofs of a file, or None if there is no manifest on either side.

    Args:
        path: the file, which need not exist.
        good: where else to look.
        problems: takes the reasons why the copy does not help; they matter where nothing else does.

    Raises:
        UsageError: the copy is of another version.
        StorageError: the copy's store can't be asked.
    """
    local, theirs = local_manifest(path), None
    if good is not None:
        try:
            theirs = good.manifest()
        except (FileMissingError, IntegrityError) as error:
            problems.append(_unusable(good, error))
    if local is not None and theirs is not None and not _is_same_version(local, theirs):
        raise _another_version(
            path,
            good,
            f"{local.size_bytes:,} bytes, digests {local.digests}",
            f"{theirs.size_bytes:,} bytes, digests {theirs.digests}",
        )
    candidates = [local] if local is not None else []
    if theirs is not None and (local is None or theirs.digests != local.digests):
        candidates.append(theirs)
    for manifest in candidates:
        found = _find_table(path, manifest, good, problems)
        if found is not None:
            data, has_table = found
            fetched = 0 if has_table else len(data)
            named = manifest.named(path.name)
            return Proofs(named, manifest is local, data, has_table, fetched)
    if not candidates:
        return None
    return Proofs(candidates[0].named(path.name), local is not None, None, False, 0)


def local_manifest(path: Path) -> Manifest | None:
    """The manifest beside a file, if it is whole and that file's."""
    try:
        manifest = read_manifest(manifest_path(path))
    except (QuarryError, OSError):
        return None
    return manifest if manifest.file == path.name else None


def require_same_version(
    path: Path, manifest: Manifest, extents: Extents, damaged: list[int], good: GoodCopy | None
) -> None:
    """Refuse to turn a file into what only the copy's manifest says it should be.

    Where the file's own manifest is lost, a newer version would be overwritten with an older one
    piece by piece. The first 2 KiB of our own files hold an id; else half of the bytes must fit.

    Raises:
        UsageError: the file is of another version.
    """
    with path.open("rb", buffering=0) as file:
        head = file.read(HEAD_BYTES)
    if manifest.format_version != LEGACY_FORMAT and head_digest(head) == manifest.head_digest:
        return
    inside = extents["start"] + extents["size"] <= path.stat().st_size
    n_bytes = int(extents["size"][inside].sum())
    inside[damaged] = False
    n_intact = int(extents["size"][inside].sum())
    if 2 * n_intact < n_bytes or not n_intact:
        got = f"{n_intact:,} of {n_bytes:,} bytes are the same"
        raise _another_version(path, good, "a file that lost its manifest, some bytes damaged", got)


def _find_table(
    path: Path, manifest: Manifest, good: GoodCopy | None, problems: list[Finding]
) -> tuple[bytes, bool] | None:
    """The bytes of a manifest's table, and whether they lie beside the file."""
    with contextlib.suppress(*_NO_TABLE):
        return _proven(read_table_bytes(path, manifest.digests), manifest), True
    if good is not None:
        try:
            return _proven(good.table(manifest.digests), manifest), False
        except StorageError:
            raise  # whether it has the table is not known
        except _NO_TABLE as error:
            problems.append(_unusable(good, error))
    return None


def _proven(data: bytes, manifest: Manifest) -> bytes:
    """The bytes of a table, if they are the manifest's and can be read."""
    if blake3(data).hexdigest() != manifest.digests:
        raise ValueError("another table")
    DigestTable.from_bytes(data)
    return data


def _is_same_version(local: Manifest, theirs: Manifest) -> bool:
    """Whether two manifests are about the same bytes."""
    if local.digests == theirs.digests:
        return True
    return bool(local.blake3) and local.blake3 == theirs.blake3


def _unusable(good: GoodCopy, error: Exception) -> Finding:
    """The finding for a copy without a manifest or a table that can be used."""
    where, got = str(good), str(error)
    if isinstance(error, QuarryError):
        where, got = error.where or where, f"{error.what}: {error.got}"
    return Finding(
        check=FILE_COMPLETE,
        kind="copy_unusable",
        what="The good copy can't be used",
        where=where,
        expected="a whole manifest and table of digests, and the file that they describe",
        got=got,
        cure="name another copy, or make this one anew from a good file",
    )


def _another_version(path: Path, good: GoodCopy | None, expected: str, got: str) -> UsageError:
    """The error for a copy that is no copy."""
    return UsageError(
        "The good copy is another version of the file",
        where=f"{path}, copy {good}",
        expected=expected,
        got=got,
        fix="name a copy of the same version; to go back to the copy's version, "
        "move the file away and repair again",
    )
