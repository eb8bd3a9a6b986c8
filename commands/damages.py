"""Ways of damaging a cell of the demo on purpose, each as it happens to real files."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quarry.keys import TrajectoryKey
from quarry.storage.object_store import ObjectStore
from quarry.trajectory.digest_table import table_path
from quarry.trajectory.manifest import manifest_path, read_manifest

PAGE_BYTES = 4096


@dataclass(frozen=True)
class Damage:
    """One way.

    Args:
        name: in a few words.
        n_cells: how many cells it takes.
        do: damages the files of these cells.
    """

    name: str
    n_cells: int
    do: Callable[[list[TrajectoryKey], Path, ObjectStore], None]


def files_of(path: Path) -> list[Path]:
    """A published file with its manifest and its table of digests."""
    manifest = manifest_path(path)
    return [path, manifest, table_path(path, read_manifest(manifest).digests)]


def _truncate(keys: list[TrajectoryKey], root: Path, store: ObjectStore) -> None:
    """The last fifth of a file is gone, as after a full disk."""
    path = root / keys[0].trajectory_path
    os.truncate(path, path.stat().st_size * 4 // 5)


def _zero_page(keys: list[TrajectoryKey], root: Path, store: ObjectStore) -> None:
    """A page in the middle reads as zeros, as after an interrupted parallel download."""
    path = root / keys[0].trajectory_path
    with path.open("rb+") as file:
        file.seek(path.stat().st_size // 2 // PAGE_BYTES * PAGE_BYTES)
        file.write(bytes(PAGE_BYTES))


def _delete_local(keys: list[TrajectoryKey], root: Path, store: ObjectStore) -> None:
    """File, manifest and digests are gone from this machine."""
    for path in files_of(root / keys[0].trajectory_path):
        path.unlink()


def _delete_remote(keys: list[TrajectoryKey], root: Path, store: ObjectStore) -> None:
    """The second copy is gone with all its versions."""
    folder = keys[0].trajectory_path.parent
    for path in files_of(root / keys[0].trajectory_path):
        name = str(folder / path.name)
        for info in store.versions(name):
            store.delete(name, info.version)


def _swap(keys: list[TrajectoryKey], root: Path, store: ObjectStore) -> None:
    """Two models' files of one benchmark have changed places, proofs and all."""
    first, second = (root / key.trajectory_path for key in keys)
    pairs = [(path, second.parent / path.name) for path in files_of(first)]
    pairs += [(path, first.parent / path.name) for path in files_of(second)]
    moving = [(path.rename(path.with_name(f"{path.name}.moving")), to) for path, to in pairs]
    for path, to in moving:
        path.rename(to)


def _last_copy(keys: list[TrajectoryKey], root: Path, store: ObjectStore) -> None:
    """A page reads as zeros, and there is no second copy to mend it from."""
    _delete_remote(keys, root, store)
    _zero_page(keys, root, store)


DAMAGES = (
    Damage("truncated", 1, _truncate),
    Damage("a page zeroed", 1, _zero_page),
    Damage("deleted here", 1, _delete_local),
    Damage("deleted in the store", 1, _delete_remote),
    Damage("swapped with each other", 2, _swap),
    Damage("a page zeroed, no copy left", 1, _last_copy),
)
