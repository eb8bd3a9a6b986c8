"""The full look at a copy proves every byte of it, names what is damaged, and holds little."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from quarry.errors import FileMissingError, StorageCancelledError
from quarry.storage.inventory import remote_findings
from quarry.storage.keeping import keep_copy
from quarry.storage.local import LocalStore
from quarry.storage.local_layout import object_folder
from quarry.storage.mirror import mirror
from quarry.storage.outgoing import outgoing
from quarry.trajectory.digest_table import read_table, table_path
from quarry.trajectory.manifest import manifest_path, read_manifest
from tests.storage.copy_places import NAME, Place


def kinds(place: Place, file: Path, name: str = NAME) -> list[str]:
    return [found.kind for found in remote_findings(file, name, place.store, level="full")]


def extent_of(file: Path, position: int) -> tuple[int, int]:
    """The byte range of the table's extent that holds a byte."""
    extents = read_table(file, read_manifest(manifest_path(file)).digests).extents
    inside = (extents["start"] <= position) & (position < extents["start"] + extents["size"])
    (start, size), *others = extents[inside][["start", "size"]].tolist()
    assert not others
    return start, start + size


def test_a_good_copy_has_no_findings(place: Place, published: Path) -> None:
    mirror(published, NAME, place.store)
    assert kinds(place, published) == []


def test_rot_anywhere_is_named_by_its_bytes(place: Place, published: Path) -> None:
    mirror(published, NAME, place.store)
    size = published.stat().st_size
    for position in (3000, size // 2, size - 1):
        place.rot(NAME, position)
        (found,) = remote_findings(published, NAME, place.store, level="full")
        first, behind = extent_of(published, position)
        version = place.current(NAME).version
        assert found.kind == "remote_damaged"
        assert found.where == f"{place.store}/{NAME}, version {version}, bytes {first}-{behind}"
        assert "again" in found.cure
        place.rot(NAME, position)
    assert kinds(place, published) == []


def test_damaged_neighbours_are_one_range_and_others_are_apart(
    place: Place, published: Path
) -> None:
    mirror(published, NAME, place.store)
    size = published.stat().st_size
    first, behind = extent_of(published, size // 2)
    _, end = extent_of(published, behind)
    for position in (first, behind, size - 1):
        place.rot(NAME, position)
    found = remote_findings(published, NAME, place.store, level="full")
    assert [one.where.rpartition(" ")[2] for one in found] == [
        f"{first}-{end}",
        "-".join(map(str, extent_of(published, size - 1))),
    ]


def test_rot_in_the_proofs_is_found(place: Place, published: Path) -> None:
    mirror(published, NAME, place.store)
    for one in outgoing(published, NAME)[1:]:
        place.rot(one.name, one.size_bytes // 2)
        (found,) = remote_findings(published, NAME, place.store, level="full")
        assert (found.kind, found.where.partition(",")[0]) == (
            "remote_damaged",
            f"{place.store}/{one.name}",
        )
        place.rot(one.name, one.size_bytes // 2)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_each_object_that_is_gone_is_named(place: Place, published: Path, index: int) -> None:
    mirror(published, NAME, place.store)
    gone = outgoing(published, NAME)[index].name
    place.lose(gone)
    (found,) = remote_findings(published, NAME, place.store, level="full")
    assert (found.kind, found.where) == ("remote_missing", f"{place.store}/{gone}")


def test_the_manifest_alone_is_enough_to_compare_with(place: Place, published: Path) -> None:
    mirror(published, NAME, place.store)
    place.rot(NAME, published.stat().st_size // 2)
    size = published.stat().st_size
    table = table_path(published, read_manifest(manifest_path(published)).digests)
    published.unlink()
    table.unlink()
    (found,) = remote_findings(published, NAME, place.store, level="full")
    assert found.kind == "remote_damaged"
    place.lose(next(info.name for info in place.store.objects(f"{NAME}.digests")))
    table_gone = remote_findings(published, NAME, place.store, level="full")
    assert [one.kind for one in table_gone] == ["remote_damaged", "remote_missing"]
    assert table_gone[0].where.endswith(f"bytes 0-{size}")


def test_a_table_without_a_manifest_is_compared_as_a_whole(place: Place, tmp_path: Path) -> None:
    file, name = tmp_path / "labels.parquet", "labels/labels.parquet"
    file.write_bytes(bytes(range(256)) * 100)
    keep_copy(file, name, place.store, place.ledger)
    assert kinds(place, file, name) == []
    place.rot(name, 20_000)
    assert remote_findings(file, name, place.store) == []
    assert kinds(place, file, name) == ["remote_damaged"]
    file.unlink()
    with pytest.raises(FileMissingError):
        remote_findings(file, name, place.store)


def test_a_directory_that_lost_the_end_of_an_object_says_so(
    published: Path, tmp_path: Path
) -> None:
    store = LocalStore(tmp_path / "store")
    version = mirror(published, NAME, store).version
    size = published.stat().st_size
    os.truncate(object_folder(store.root, NAME) / version, size - 10)
    (found,) = remote_findings(published, NAME, store, level="full")
    assert found.kind == "remote_damaged"
    assert found.where.endswith(f"-{size}")
    os.truncate(object_folder(store.root, NAME) / version, 100)
    assert [one.kind for one in remote_findings(published, NAME, store)] == ["truncated"]


def test_the_bytes_are_read_once_and_in_ranges(b2_place: Place, published: Path) -> None:
    assert b2_place.server is not None
    mirror(published, NAME, b2_place.store)
    total = sum(info.size_bytes for info in b2_place.store.objects(NAME))
    before = len(b2_place.server.requests)
    assert kinds(b2_place, published) == []
    read = [
        one
        for one in b2_place.server.requests[before:]
        if one.operation.startswith("download") and one.requested_range
    ]
    assert total <= sum(one.bytes_out for one in read) <= total + 3 * 2048


def test_a_full_look_can_be_cancelled(place: Place, published: Path) -> None:
    mirror(published, NAME, place.store)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(StorageCancelledError):
        remote_findings(published, NAME, place.store, level="full", cancel=cancel)
