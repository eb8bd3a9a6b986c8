"""Copies that are there only in part, or whose own records are damaged: none stops the others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from quarry.errors import CopyUnusableError
from quarry.storage.fallback import bring_back
from quarry.storage.inventory import take_inventory
from quarry.storage.keeping import examine_copy, keep_copy
from quarry.storage.ledger import Ledger
from quarry.storage.local import LocalStore
from quarry.storage.local_layout import object_folder
from quarry.storage.mirror import RemoteCopy
from quarry.storage.reconciliation import reconcile
from tests.healing.cells import NAME, OTHER, Cell
from tests.storage.copy_places import Place

OTHER_NAME = str(OTHER.trajectory_path)


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    made = Cell(tmp_path / "data")
    made.publish()
    return made


@pytest.fixture
def directory(tmp_path: Path) -> Place:
    return Place(LocalStore(tmp_path / "store"), Ledger(tmp_path / "copies.sqlite"), None)


def files_of(place: Place, name: str) -> tuple[Path, Path]:
    """The file of an object's current version, and the sidecar beside it."""
    assert isinstance(place.store, LocalStore)
    data = object_folder(place.store.root, name) / place.current(name).version
    return data, data.with_name(f"{data.name}.json")


def state(place: Place, cell: Cell) -> str:
    entries = take_inventory({NAME: cell.path}, place.store, ledger=place.ledger).entries
    return next(one.state for one in entries if one.name == NAME)


def test_a_copy_without_its_proofs_is_stored_anew(place: Place, cell: Cell) -> None:
    digest = keep_copy(cell.path, NAME, place.store, place.ledger).entry.blake3
    proofs = {info.name for info in place.store.objects("")} - {NAME}
    assert state(place, cell) == "matching"
    for name in proofs:
        place.lose(name)
        assert state(place, cell) == "different"
        keep_copy(cell.path, NAME, place.store, place.ledger)
        assert state(place, cell) == "matching"
    assert place.current(NAME).blake3 == digest


def test_a_copy_without_its_proofs_never_gets_the_final_name(place: Place, cell: Cell) -> None:
    manifest = cell.publish()
    place.store.put(cell.path, NAME, blake3=manifest.blake3)  # and a kill
    shutil.rmtree(cell.path.parent)
    with pytest.raises(CopyUnusableError):
        cell.restore(RemoteCopy(place.store, NAME))
    with pytest.raises(ValueError, match="can't be proven"):
        bring_back(cell.path, NAME, place.store)
    assert not cell.path.exists()


def test_an_object_whose_data_are_gone_is_damaged_and_stored_anew(
    directory: Place, cell: Cell
) -> None:
    args = cell.path, NAME, directory.store, directory.ledger
    first = keep_copy(*args).entry
    files_of(directory, NAME)[0].unlink()
    assert [found.kind for found in examine_copy(*args)] == ["remote_damaged"]
    assert directory.ledger.entry(directory.store, NAME) is None
    assert keep_copy(*args).entry.version != first.version
    assert examine_copy(*args, level="full") == []


def test_one_damaged_sidecar_stops_nothing(directory: Place, cell: Cell) -> None:
    other = Cell(cell.data_dir, OTHER)
    other.publish(seed=3)
    files = {NAME: cell.path, OTHER_NAME: other.path}
    store, ledger = directory.store, directory.ledger
    for name, path in files.items():
        keep_copy(path, name, store, ledger)
    sidecar = files_of(directory, OTHER_NAME)[1]
    sidecar.write_text(sidecar.read_text().replace("blake3", "blake4", 1))
    states = {one.name: one.state for one in take_inventory(files, store, ledger=ledger).entries}
    assert states == {NAME: "matching", OTHER_NAME: "different"}
    found = reconcile(files, store, ledger)
    assert [one.name for one in found.confirmed] == [NAME]
    assert found.to_keep == (OTHER_NAME,)
    keep_copy(other.path, OTHER_NAME, store, ledger)
    assert reconcile(files, store, ledger).counts()["confirmed"] == 2


def test_rot_in_a_version_that_another_machine_stored_is_sent_anew(
    place: Place, cell: Cell
) -> None:
    args = cell.path, NAME, place.store, place.ledger
    digest = keep_copy(*args).entry.blake3
    theirs = place.store.put(cell.path, NAME, blake3=digest, again=True)
    place.rot(NAME, cell.path.stat().st_size // 2)
    assert [found.kind for found in examine_copy(*args, level="full")] == ["remote_damaged"]
    assert [one.version for one in place.ledger.condemned(place.store, NAME)] == [theirs.version]
    assert keep_copy(*args).entry.version != theirs.version
    assert examine_copy(*args, level="full") == []


def test_a_hidden_copy_is_found_by_its_recorded_version_and_restored(
    b2_place: Place, cell: Cell
) -> None:
    other = Cell(cell.data_dir, OTHER)
    other.publish(seed=3)
    good = cell.path.read_bytes()
    for one in (cell, other):
        keep_copy(one.path, str(one.key.trajectory_path), b2_place.store, b2_place.ledger)
    assert b2_place.server is not None
    for info in list(b2_place.store.objects("")):
        if "demo_base" in info.name:
            b2_place.server.client_bucket().hide_file(info.name)
    shutil.rmtree(cell.path.parent)
    assert state(b2_place, cell) == "remote_only"
    cell.restore(RemoteCopy(b2_place.store, NAME))
    assert cell.path.read_bytes() == good
