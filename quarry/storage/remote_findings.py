"""`remote_findings`: whether the copy of a file is there and right, cheaply or byte by byte.

light   what the store says of the file's object, and its first 2 KiB
full    every byte of the file's object, its table and its manifest
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from quarry.errors import FileMissingError, IntegrityError
from quarry.findings import Finding
from quarry.storage.limits import CancelFlag, Limits
from quarry.storage.object_store import ObjectStore
from quarry.storage.outgoing import Outgoing, manifest_name, outgoing, table_name
from quarry.storage.remote_proof import (
    Look,
    left_s,
    look_at,
    prove_extents,
    prove_whole,
    remote_finding,
)
from quarry.trajectory.digest_table import DigestTable, read_table
from quarry.trajectory.manifest import Manifest, manifest_path, parse_manifest
from quarry.trajectory.report import condense

LookLevel = Literal["light", "full"]


def remote_findings(
    file: Path,
    name: str,
    store: ObjectStore,
    *,
    level: LookLevel = "light",
    deadline_s: float | None = None,
    cancel: CancelFlag | None = None,
) -> list[Finding]:
    """Whether a file's copy is there and right.

    Args:
        file: the file, which need not be there if its manifest is.
        name: the object's name.
        store: the store.
        level: `light` reads 2 KiB of the object, `full` all of it, and names damaged byte ranges.
        deadline_s: most seconds for all of it.
        cancel: stops when it is set.

    Raises:
        FileMissingError: the file has no manifest to compare with.
        IntegrityError: the manifest is damaged.
        StorageError: the store can't be asked.
    """
    found = looks(file, name, store, level=level, deadline_s=deadline_s, cancel=cancel)
    return condense(finding for look in found.values() for finding in look.findings)


def looks(
    file: Path,
    name: str,
    store: ObjectStore,
    *,
    level: LookLevel = "light",
    deadline_s: float | None = None,
    cancel: CancelFlag | None = None,
) -> dict[str, Look]:
    """What is found of each object that is looked at, by name; the file's object first.

    Raises:
        FileMissingError, IntegrityError, StorageError: see `remote_findings`.
    """
    limits = Limits("A look at a copy", f"{store}/{name}", deadline_s, cancel)
    manifest, proof = _manifest_of(file, name)
    if manifest is None:
        whole = outgoing(file, name)[0]
    else:
        sizes = manifest.size_bytes, manifest.head_digest
        whole = Outgoing(file, name, manifest.blake3, *sizes)
    found = {name: look_at(whole, store, None, left_s(limits))}
    if level == "light":
        return found
    if manifest is None:
        return {name: _whole(whole, found[name], store, limits)}
    assert proof is not None
    table = table_name(name, manifest.digests)
    found[table] = _named(table, manifest.digests, store, limits)
    found[proof.name] = _whole(proof, look_at(proof, store, None, left_s(limits)), store, limits)
    extents = _extents(file, manifest, table, found[table], store, limits)
    info = found[name].info
    if extents is not None and info is not None and not found[name].findings:
        found[name] = Look(info, prove_extents(info, store, extents.extents, limits))
    elif not found[name].findings:  # nobody has the table, the file's own digest must do
        found[name] = _whole(whole, found[name], store, limits)
    return found


def _manifest_of(file: Path, name: str) -> tuple[Manifest | None, Outgoing | None]:
    """A file's manifest and the object that it should be; none for a format without."""
    place = manifest_path(file)
    try:
        data = place.read_bytes()
    except FileNotFoundError:
        return None, None
    return parse_manifest(data, str(place)), Outgoing.of(place, manifest_name(name), data)


def _whole(one: Outgoing, look: Look, store: ObjectStore, limits: Limits) -> Look:
    """A look at every byte, where the first look found nothing."""
    if look.findings or look.info is None:
        return look
    return Look(look.info, prove_whole(one, look.info, store, limits))


def _named(name: str, digest: str, store: ObjectStore, limits: Limits) -> Look:
    """A look at every byte of an object of which only the digest is known."""
    info, where = store.head(name, deadline_s=left_s(limits)), f"{store}/{name}"
    if info is None:
        what = "The table of digests has no copy"
        return Look(None, [remote_finding("remote_missing", what, where, "an object", "none")])
    if info.blake3 != digest:
        what = "The copy of the table of digests is another one"
        return Look(info, [remote_finding("remote_differs", what, where, digest, f"{info.blake3}")])
    one = Outgoing(Path(name), name, digest, info.size_bytes, "")
    return Look(info, prove_whole(one, info, store, limits))


def _extents(
    file: Path, manifest: Manifest, name: str, look: Look, store: ObjectStore, limits: Limits
) -> DigestTable | None:
    """The table of digests from beside the file, else from the store; none if both lack it."""
    try:
        return read_table(file, manifest.digests)
    except (FileMissingError, IntegrityError):
        if look.findings or look.info is None:
            return None
    info = look.info
    data = store.read_range(name, 0, info.size_bytes, info.version, deadline_s=left_s(limits))
    return DigestTable.from_bytes(data)
