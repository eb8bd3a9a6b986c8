"""Brings a file that is missing here back from the object store, proven, under its own name.

A file that lies here is never touched; mending a damaged one is `quarry.healing`'s business.
"""

from __future__ import annotations

from pathlib import Path

from quarry.errors import FileMissingError, IntegrityError, UsageError
from quarry.findings import Finding
from quarry.repair.proofs import local_manifest
from quarry.repair.repairing import RepairResult, repair
from quarry.storage.limits import Progress
from quarry.storage.mirror import RemoteCopy, beside
from quarry.storage.object_store import ObjectStore
from quarry.storage.outgoing import ALWAYS_WITH_MANIFEST
from quarry.trajectory.folder_lock import locked
from quarry.trajectory.manifest import manifest_path, write_manifest


def bring_back(
    path: Path,
    name: str,
    store: ObjectStore,
    *,
    deadline_s: float | None = None,
    progress: Progress | None = None,
) -> bool:
    """Fetch a missing file: a trajectory file with its proofs, any other by its digest.

    The store's version comes also where the manifest of another one is all that is left here.

    Args:
        path: where it belongs.
        name: of its object.
        store: where it may be.
        deadline_s: most seconds of each request.
        progress: called with bytes done and in all.

    Returns:
        Whether the file is here now; False where the store does not have it.

    Raises:
        IntegrityError: the store's copy is damaged; nothing is at the path.
        StorageError: the store can't be asked.
        StorageFullError: there is no room for the file.
    """
    if path.exists():
        return True
    has_manifest = store.head(beside(name, manifest_path(path)), deadline_s=deadline_s) is not None
    if has_manifest:
        result = _fetch(path, RemoteCopy(store, name, deadline_s=deadline_s))
        if not path.exists():
            raise IntegrityError(
                "A file could not be brought back",
                where=f"{store}/{name}",
                findings=result.findings,
            )
        return True
    info = store.head(name, deadline_s=deadline_s)
    if info is None:
        return False
    if info.blake3 is None or path.suffix in ALWAYS_WITH_MANIFEST:
        raise IntegrityError(
            "An object can't be proven",
            where=f"{store}/{name}",
            findings=[_unproven(f"{store}/{name}", has_digest=info.blake3 is not None)],
        )
    try:
        store.download(
            name,
            path,
            blake3=info.blake3,
            version=info.version,
            deadline_s=deadline_s,
            progress=progress,
        )
    except FileMissingError:
        return False
    return True


def _fetch(path: Path, copy: RemoteCopy) -> RepairResult:
    """Fetch a file with its proofs, in place of a manifest of another version that lost its file.

    That manifest is put back unless the file came.
    """
    try:
        return repair(path, copy)
    except UsageError:
        with locked(path.parent):
            left = None if path.exists() else local_manifest(path)
            if left is None:
                raise
            manifest_path(path).unlink()
    try:
        return repair(path, copy)
    finally:
        with locked(path.parent):
            if not path.exists() and not manifest_path(path).exists():
                write_manifest(manifest_path(path), left)


def _unproven(where: str, *, has_digest: bool) -> Finding:
    """The finding for an object that another program put there, or a kill left without proofs."""
    return Finding(
        check="remote_copy_matches",
        kind="remote_unproven",
        what="An object has no manifest or no digest, so its bytes can't be proven",
        where=where,
        expected="the BLAKE3 digest and the manifest that every upload of quarry carries",
        got="no manifest" if has_digest else "no digest: another program put it there",
        cure="download it by hand, and let `quarry adopt` examine it",
    )
