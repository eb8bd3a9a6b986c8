"""A cell's file is made whole from whatever copy can give the bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from quarry.healing.aside import list_aside
from quarry.healing.restoring import restore
from quarry.repair.good_copy import LocalCopy
from quarry.storage.b2 import B2Store
from quarry.storage.mirror import RemoteCopy, mirror
from quarry.storage.object_store import ObjectStore
from quarry.trajectory.digest_table import table_path
from quarry.trajectory.manifest import manifest_path, read_manifest
from quarry.trajectory.report import Expected
from quarry.trajectory.verification import verify
from tests.b2_server import B2Server
from tests.healing.cells import KEY, NAME, NAMES_OF_ONE, Cell, NoCopy, middle
from tests.soak.corpus import make_old
from tests.soak.old_files import Container
from tests.trajectory.damage import append_bytes, flip_bit, overwrite


def test_a_sound_file_is_not_touched_and_no_copy_is_asked(cell: Cell) -> None:
    before, names = cell.path.stat(), cell.everything()
    done = cell.restore(NoCopy())
    assert (done.how, done.bytes_fetched, done.kept_aside) == ("none needed", 0, None)
    assert done.report.is_clean
    assert done.manifest == read_manifest(manifest_path(cell.path))
    after = cell.path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert cell.everything() == names


def test_damaged_ranges_come_from_the_store_and_the_damaged_file_goes_aside(
    cell: Cell, store: ObjectStore
) -> None:
    good, manifest = cell.path.read_bytes(), read_manifest(manifest_path(cell.path))
    cell.mirror(store)
    flip_bit(cell.path, middle(cell.path))
    overwrite(cell.path, middle(cell.path) // 2, bytes(500))
    damaged = cell.path.read_bytes()
    done = cell.restore(RemoteCopy(store, NAME))
    assert cell.path.read_bytes() == good
    assert done.how == "ranges"
    assert 0 < done.bytes_fetched < len(good) / 4
    assert done.manifest == manifest == read_manifest(manifest_path(cell.path))
    assert done.report.path == cell.path
    assert verify(cell.path, expected=cell.expected).findings == []
    assert cell.names() == NAMES_OF_ONE
    [kept] = list_aside(cell.aside)
    assert done.kept_aside == kept.path
    assert kept.path.read_bytes() == damaged
    assert (kept.key, kept.blake3, kept.why) == (KEY, manifest.blake3, "dataset_changed") or (
        kept.why == "states_changed"
    )
    assert kept.path.stat().st_nlink == cell.path.stat().st_nlink == 1


def test_little_more_than_the_damage_is_asked_of_b2(
    cell: Cell, bucket: B2Store, server: B2Server
) -> None:
    cell.mirror(bucket)
    flip_bit(cell.path, middle(cell.path))
    before = server.bytes_out
    done = cell.restore(RemoteCopy(bucket, NAME))
    assert server.bytes_out - before < done.bytes_fetched + 20_000 < cell.path.stat().st_size / 4


def test_a_missing_file_is_fetched_whole(cell: Cell, store: ObjectStore) -> None:
    good = cell.path.read_bytes()
    cell.mirror(store)
    shutil.rmtree(cell.path.parent)
    done = cell.restore(RemoteCopy(store, NAME))
    assert (done.how, done.kept_aside) == ("file", None)
    assert done.bytes_fetched >= len(good)
    assert cell.path.read_bytes() == good
    assert cell.names() == NAMES_OF_ONE
    assert not cell.aside.exists()


@pytest.mark.parametrize("lost", [["manifest"], ["manifest", "table"]])
def test_lost_proofs_are_put_back_and_an_intact_file_stays(
    cell: Cell, store: ObjectStore, lost: list[str]
) -> None:
    cell.mirror(store)
    manifest = read_manifest(manifest_path(cell.path))
    places = {
        "manifest": manifest_path(cell.path),
        "table": table_path(cell.path, manifest.digests),
    }
    for name in lost:
        places[name].unlink()
    inode = cell.path.stat().st_ino
    done = cell.restore(RemoteCopy(store, NAME))
    assert done.how == "ranges"
    assert done.kept_aside is None
    assert cell.path.stat().st_ino == inode
    assert verify(cell.path, expected=cell.expected).findings == []
    assert cell.names() == NAMES_OF_ONE


def test_what_a_file_proves_itself_needs_no_copy(cell: Cell) -> None:
    good = cell.path.read_bytes()
    append_bytes(cell.path)
    done = cell.restore()
    assert (done.how, done.bytes_fetched, done.sources) == ("ranges", 0, ())
    assert cell.path.read_bytes() == good


def test_two_copies_that_are_damaged_in_different_places_are_enough_together(
    cell: Cell, good: Path, tmp_path: Path
) -> None:
    whole = cell.path.read_bytes()
    second = shutil.copytree(good.parent, tmp_path / "second") / good.name
    for path, share in ((good, 3), (second, 4)):
        overwrite(path, len(whole) // share, b"\xff" * 64)
    shutil.rmtree(cell.path.parent)
    done = cell.restore(LocalCopy(good), LocalCopy(second))
    assert cell.path.read_bytes() == whole
    assert len(done.sources) == 2


def test_a_file_whose_table_is_lost_everywhere_is_fetched_by_its_digest(
    cell: Cell, store: ObjectStore
) -> None:
    manifest, good = read_manifest(manifest_path(cell.path)), cell.path.read_bytes()
    cell.mirror(store)
    for info in list(store.objects("")):
        if ".digests-" in info.name:
            store.delete(info.name, info.version)
    table_path(cell.path, manifest.digests).unlink()
    flip_bit(cell.path, middle(cell.path))
    done = cell.restore(RemoteCopy(store, NAME))
    assert (done.how, done.bytes_fetched) == ("file", len(good))
    assert cell.path.read_bytes() == good
    assert verify(cell.path, expected=cell.expected).findings == []


def test_an_original_outside_is_not_changed(cell: Cell, good: Path, tmp_path: Path) -> None:
    original = tmp_path / "original.h5"
    original.hardlink_to(cell.path)
    flip_bit(cell.path, middle(cell.path))
    damaged = original.read_bytes()
    cell.restore(LocalCopy(good))
    assert original.read_bytes() == damaged


def test_an_adopted_file_of_an_older_pipeline_is_restored_too(
    tmp_path: Path, store: ObjectStore
) -> None:
    container = Container({"libver": "earliest"}, {"chunks": (4, 8, 1, 32), "compression": "gzip"})
    old = make_old(tmp_path, "adopted", container, is_adopted=True, seed=1)
    good = old.path.read_bytes()
    mirror(old.path, NAME, store)
    flip_bit(old.path, middle(old.path))
    lines: list[str] = []
    done = restore(
        old.path,
        Expected.of_key(KEY),
        [RemoteCopy(store, NAME)],
        tmp_path / "aside",
        log=lines.append,
    )
    assert done.how == "ranges"
    assert old.path.read_bytes() == good
    assert verify(old.path, expected=Expected.of_key(KEY)).is_clean
