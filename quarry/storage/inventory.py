"""What a store holds of the grid, told from its listing; and a cheap look at one mirrored file.

Nothing is transferred but a listing, and 2 KiB a file where one is asked for. What to do about a
file that is missing or differs is decided elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quarry.errors import FileMissingError, IntegrityError
from quarry.findings import Finding
from quarry.storage.object_store import ObjectInfo, ObjectStore, UnfinishedUpload
from quarry.trajectory.digest_table import SUFFIX as TABLE_SUFFIX
from quarry.trajectory.digests import HEAD_BYTES, head_digest
from quarry.trajectory.manifest import SUFFIX as MANIFEST_SUFFIX
from quarry.trajectory.manifest import Manifest, manifest_path, read_manifest

REMOTE_COPY_MATCHES = "remote_copy_matches"

State = Literal["matching", "missing", "different", "remote_only", "absent", "orphaned"]
"""`matching` here and there; `missing` there; `different` there; `remote_only`, not here; `absent`
from both; `orphaned`: there, but of no cell."""


@dataclass(frozen=True)
class Entry:
    """One file of the grid, or one object of no cell.

    Args:
        name: the object's name.
        state: how here and there compare.
        size_bytes: of the object, or of the file where there is no object.
        version: the store's id of the current version, where there is one.
    """

    name: str
    state: State
    size_bytes: int
    version: str | None


@dataclass(frozen=True)
class Inventory:
    """What a store holds.

    Args:
        entries: files and orphans, by name.
        unfinished: interrupted uploads, which cost space.
        stored_bytes: all current versions under the prefix, proofs included.
    """

    entries: tuple[Entry, ...]
    unfinished: tuple[UnfinishedUpload, ...]
    stored_bytes: int

    def counts(self) -> dict[str, int]:
        """How many entries are in each state."""
        return dict(Counter(entry.state for entry in self.entries))

    def monthly_cost(self, usd_per_gb_month: float) -> float:
        """What keeping it costs a month, in US dollars; a GB is 10^9 bytes."""
        return self.stored_bytes / 1e9 * usd_per_gb_month


def take_inventory(
    files: Mapping[str, Path],
    store: ObjectStore,
    prefix: str = "trajectories/",
    *,
    deadline_s: float | None = None,
) -> Inventory:
    """Compare the grid's files with a store's listing.

    Args:
        files: where each file of the grid lies, by the name of its object; none need exist.
        store: the store.
        prefix: under which the grid's objects lie.
        deadline_s: most seconds for each of the two listings.

    Raises:
        StorageError: the store can't be asked.
    """
    there = {info.name: info for info in store.objects(prefix, deadline_s=deadline_s)}
    proofs = {name for name in there if _file_of(name) is not None}
    entries = [_entry(name, path, there.get(name)) for name, path in files.items()]
    entries += [
        Entry(name, "orphaned", info.size_bytes, info.version)
        for name, info in there.items()
        if (name if name not in proofs else _file_of(name)) not in files
    ]
    return Inventory(
        entries=tuple(sorted(entries, key=lambda entry: entry.name)),
        unfinished=tuple(store.unfinished(prefix, deadline_s=deadline_s)),
        stored_bytes=sum(info.size_bytes for info in there.values()),
    )


def remote_findings(
    file: Path, name: str, store: ObjectStore, *, deadline_s: float | None = None
) -> list[Finding]:
    """Whether a file's mirror is there and begins as it should; reads 2 KiB of the object.

    Raises:
        FileMissingError: the file has no manifest to compare with.
        IntegrityError: the manifest is damaged.
        StorageError: the store can't be asked.
    """
    manifest = read_manifest(manifest_path(file))
    where = f"{store}/{name}"
    info = store.head(name, deadline_s=deadline_s)
    if info is None:
        return [_finding("remote_missing", "The file has no copy", where, "an object", "none")]
    pairs = [
        ("blake3", manifest.blake3, f"{info.blake3}"),
        ("size", f"{manifest.size_bytes:,} bytes", f"{info.size_bytes:,} bytes"),
    ]
    if info.blake3 == manifest.blake3:
        head = store.read_range(name, 0, HEAD_BYTES, info.version, deadline_s=deadline_s)
        pairs.append(("first 2 KiB", manifest.head_digest, head_digest(head)))
    return [
        _finding("remote_differs", f"The copy is another file: its {what} differs", where, a, b)
        for what, a, b in pairs
        if a != b
    ]


def _entry(name: str, path: Path, info: ObjectInfo | None) -> Entry:
    """How a file of the grid and its object compare, by digest."""
    manifest = _manifest_of(path)
    if info is None:
        size_bytes = manifest.size_bytes if manifest else 0
        return Entry(name, "missing" if path.exists() else "absent", size_bytes, None)
    state: State = "remote_only"
    if path.exists():
        is_same = manifest is not None and manifest.blake3 == info.blake3
        state = "matching" if is_same else "different"
    return Entry(name, state, info.size_bytes, info.version)


def _manifest_of(path: Path) -> Manifest | None:
    """A file's manifest, where there is a whole one."""
    try:
        return read_manifest(manifest_path(path))
    except (FileMissingError, IntegrityError):
        return None


def _file_of(name: str) -> str | None:
    """The file that a manifest or a table of digests belongs to; None for anything else."""
    if name.endswith(MANIFEST_SUFFIX):
        return name.removesuffix(MANIFEST_SUFFIX)
    stem, found, rest = name.rpartition(f"{TABLE_SUFFIX}-")
    return stem if found and rest.endswith(".npz") else None


def _finding(kind: str, what: str, where: str, expected: str, got: str) -> Finding:
    """A finding about a mirrored file."""
    cure = "mirror the file again, if it verifies; else repair it from another copy first"
    return Finding(REMOTE_COPY_MATCHES, kind, what, where, expected, got, cure)
