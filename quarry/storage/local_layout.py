"""How `LocalStore` lays objects out in its folder, and the small file that makes a version one.

An object `a/b` is the folder `objects/a/b,v`; the mark at its end keeps it apart from the folders
that are only parts of names, and those that end like a mark themselves get one more: `a,v/b` is
`objects/a,v,d/b,v`. A version is a file of data and, once it is whole, a sidecar beside
it that carries a digest of itself. Data without a sidecar is an unfinished upload.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from quarry.errors import IntegrityError
from quarry.findings import Finding
from quarry.storage.download import sync_folder
from quarry.storage.names import require_name, require_prefix
from quarry.storage.object_store import ObjectInfo
from quarry.trajectory.digests import canonical_digest
from quarry.trajectory.staging import owner_mark

MARK = ",v"
_PARENT_MARK = ",d"
SIDECAR = ".json"
TEMPORARY = "upload"
_DIGEST = "digest"


def object_folder(root: Path, name: str) -> Path:
    """Where the versions of an object lie."""
    *parents, last = require_name(name).split("/")
    return root.joinpath("objects", *map(_parent_folder, parents), last + MARK)


def _parent_folder(segment: str) -> str:
    """The folder of a segment that is not the last; never one that an object's versions lie in."""
    return segment + _PARENT_MARK if segment.endswith((MARK, _PARENT_MARK)) else segment


def _name_of(root: Path, folder: Path) -> str:
    """The inverse of `object_folder`."""
    *parents, last = folder.relative_to(root / "objects").parts
    return "/".join([*(one.removesuffix(_PARENT_MARK) for one in parents), last.removesuffix(MARK)])


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, durably."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in reversed(missing):
        sync_folder(path.parent)


def object_folders(root: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """Names that begin with a prefix, in the order of names, with their folders.

    Only folders that can hold such names are read.
    """
    parents = require_prefix(prefix).split("/")[:-1]
    top = root.joinpath("objects", *map(_parent_folder, parents))
    found: list[tuple[str, Path]] = []
    for here, folders, _ in os.walk(top):
        for folder in [folder for folder in folders if folder.endswith(MARK)]:
            path = Path(here, folder)
            name = _name_of(root, path)
            if name.startswith(prefix):
                found.append((name, path))
    yield from sorted(found)


def new_version(folder: Path) -> str:
    """An id for the next version: it sorts after the others and is never used again."""
    numbers = [int(version.partition("-")[0]) for version in version_ids(folder)]
    return f"{max(numbers, default=0) + 1:08d}-{os.urandom(6).hex()}"


def version_ids(folder: Path) -> list[str]:
    """Ids of the versions in an object's folder, newest first."""
    if not folder.is_dir():
        return []
    names = [path.name for path in folder.glob(f"*{SIDECAR}") if not path.name.startswith(".")]
    return sorted((name.removesuffix(SIDECAR) for name in names), reverse=True)


def write_sidecar(folder: Path, info: ObjectInfo) -> None:
    """Make data a version: the sidecar appears whole and durable, or not at all."""
    values = {
        "name": info.name,
        "version": info.version,
        "size_bytes": info.size_bytes,
        "blake3": info.blake3,
        "sha1": info.sha1,
        "metadata": dict(info.metadata),
        "uploaded_at": info.uploaded_at.isoformat(),
    }
    path = folder / f"{info.version}{SIDECAR}"
    temporary = folder / f".{info.version}{owner_mark()}{TEMPORARY}"
    with temporary.open("x", encoding="utf-8") as file:
        json.dump(values | {_DIGEST: canonical_digest(values)}, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_sidecar(folder: Path, version: str) -> ObjectInfo | None:
    """What a version is; none if it does not exist.

    Raises:
        IntegrityError: the sidecar is damaged.
    """
    path = folder / f"{version}{SIDECAR}"
    try:
        values = cast("dict[str, Any]", json.loads(path.read_bytes()))
        digest = values.pop(_DIGEST)
        uploaded_at = datetime.fromisoformat(values.pop("uploaded_at"))
        info = ObjectInfo(**values, uploaded_at=uploaded_at)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path, str(error)) from error
    if canonical_digest(values | {"uploaded_at": uploaded_at.isoformat()}) != digest:
        raise _damaged(path, "a digest that does not fit the values")
    return info


def _damaged(path: Path, got: str) -> IntegrityError:
    """The error for a sidecar that proves nothing any more."""
    found = Finding(
        check="remote_copy_matches",
        kind="remote_metadata_damaged",
        what="What is known of a stored version is damaged",
        where=str(path),
        expected="the values that were stored, with their digest",
        got=got[:200],
        cure="delete this version, then upload the file again",
    )
    return IntegrityError("A stored version can't be trusted", where=str(path), findings=[found])
