"""Which files on this machine may be a cell's: nobody else's, and the newest version first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from quarry.errors import CopyUnusableError
from quarry.healing.local_copies import good_copies
from quarry.repair.good_copy import GoodCopy
from quarry.storage.mirror import RemoteCopy
from quarry.storage.object_store import ObjectStore
from quarry.trajectory.describe import describe_file
from quarry.trajectory.digests import file_digest
from quarry.trajectory.manifest import manifest_path, write_manifest
from tests.healing.cells import OTHER, Cell
from tests.trajectory.examples import write_legacy


def copies_of(cell: Cell, store: ObjectStore | None = None) -> list[GoodCopy]:
    remote = None if store is None else RemoteCopy(store, str(cell.key.trajectory_path))
    log = cell.lines.append
    return good_copies(cell.path, cell.expected, cell.data_dir, cell.aside, remote, log=log)


def test_an_older_file_of_another_model_is_not_taken_for_the_cells(tmp_path: Path) -> None:
    other, cell = Cell(tmp_path, OTHER), Cell(tmp_path)
    write_legacy(other.path)
    with h5py.File(other.path, "r+") as file:
        file.attrs["model"] = "Org/Other-Model-7B"  # verification can't hold it against a cell
    manifest, _ = describe_file(other.path, origin="adopted")
    proven = replace(manifest, blake3=file_digest(other.path))
    write_manifest(manifest_path(other.path), proven)
    assert copies_of(cell) == []
    with pytest.raises(CopyUnusableError):
        cell.restore()
    assert not cell.path.exists()


def test_a_newer_version_that_was_moved_without_its_proofs_goes_before_an_older_copy(
    cell: Cell, store: ObjectStore
) -> None:
    other = Cell(cell.data_dir, OTHER)
    other.publish(seed=3)
    right = other.path.read_bytes()
    cell.mirror(store)
    other.mirror(store)
    cell.publish(seed=9)
    newer = cell.path.read_bytes()
    cell.path.replace(other.path)
    for one in (cell, other):
        one.restore(*copies_of(one, store))
    assert cell.path.read_bytes() == newer
    assert other.path.read_bytes() == right
