"""Files in wrong places and of other versions: the cell's own copy decides what lies where."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from quarry.healing.aside import list_aside
from quarry.healing.local_copies import good_copies
from quarry.repair.good_copy import LocalCopy
from quarry.storage.b2 import B2Store
from quarry.storage.mirror import RemoteCopy
from quarry.storage.object_store import ObjectStore
from quarry.trajectory.manifest import manifest_path, read_manifest, write_manifest
from quarry.trajectory.verification import verify
from tests.healing.cells import NAME, OTHER, Cell, middle
from tests.trajectory.damage import flip_bit


def test_of_a_swapped_file_the_cells_own_copy_decides(cell: Cell, store: ObjectStore) -> None:
    cell.mirror(store)
    good = cell.path.read_bytes()
    other = Cell(cell.data_dir, OTHER)
    other.publish(seed=3)
    foreign = other.path.read_bytes()
    shutil.rmtree(cell.path.parent)
    shutil.move(other.path.parent, cell.path.parent)
    assert verify(cell.path).is_clean
    done = cell.restore(RemoteCopy(store, NAME))
    assert done.how == "file"
    assert cell.path.read_bytes() == good
    [kept] = list_aside(cell.aside)
    assert (kept.path.read_bytes(), kept.why) == (foreign, "wrong_partition")
    assert verify(kept.path, expected=other.expected).findings == []


@pytest.mark.parametrize(
    ("has_remote", "is_swapped_with_proofs"), [(True, True), (True, False), (False, True)]
)
def test_two_swapped_files_are_put_back_without_the_network(
    cell: Cell, bucket: B2Store, has_remote: bool, is_swapped_with_proofs: bool
) -> None:
    other = Cell(cell.data_dir, OTHER)
    other.publish(seed=3)
    right = {one.key: one.path.read_bytes() for one in (cell, other)}
    cell.mirror(bucket)
    other.mirror(bucket)
    for here, there in zip(
        sorted(cell.path.parent.iterdir()), sorted(other.path.parent.iterdir()), strict=True
    ):
        if is_swapped_with_proofs or here == cell.path:
            swapped = here.with_name(there.name), there.with_name(here.name)
            data = here.read_bytes(), there.read_bytes()
            here.unlink()
            there.unlink()
            swapped[1].write_bytes(data[0])
            swapped[0].write_bytes(data[1])
    for one in (cell, other):
        remote = RemoteCopy(bucket, str(one.key.trajectory_path)) if has_remote else None
        found = good_copies(
            one.path, one.expected, one.data_dir, one.aside, remote, log=one.lines.append
        )
        done = one.restore(*found)
        assert one.path.read_bytes() == right[one.key]
        most_bytes = len(right[one.key]) // 10 if has_remote and not is_swapped_with_proofs else 0
        assert done.bytes_fetched <= most_bytes  # at most the table
    assert len(list_aside(cell.aside)) == 2


def test_a_damaged_newer_version_is_kept_aside_where_only_an_older_one_is_copied(
    cell: Cell, store: ObjectStore
) -> None:
    older = cell.path.read_bytes()
    first = read_manifest(manifest_path(cell.path))
    made_before = replace(first, created_at="2026-01-02T03:04:05+00:00")
    write_manifest(manifest_path(cell.path), made_before)
    cell.mirror(store)
    newer = cell.publish(seed=9)
    flip_bit(cell.path, middle(cell.path))
    done = cell.restore(RemoteCopy(store, NAME))
    assert done.how == "file"
    assert cell.path.read_bytes() == older
    [kept] = list_aside(cell.aside)
    assert kept.blake3 == newer.blake3
    assert done.is_older
    assert any("older version: made at 2026-01-02T03:04:05" in line for line in cell.lines)


def test_a_copy_of_the_same_version_goes_before_one_of_another(
    cell: Cell, store: ObjectStore, tmp_path: Path
) -> None:
    cell.mirror(store)
    cell.publish(seed=9)
    newer = shutil.copytree(cell.path.parent, tmp_path / "newer") / cell.path.name
    flip_bit(cell.path, middle(cell.path))
    done = cell.restore(RemoteCopy(store, NAME), LocalCopy(newer))
    assert (done.how, done.bytes_fetched, done.sources) == ("ranges", 0, (str(newer),))
    assert not done.is_older
    assert cell.path.read_bytes() == newer.read_bytes()
