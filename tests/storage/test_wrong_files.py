"""A file of another cell takes no copy's place; a good copy behind a wrong one still mends."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarry.errors import IntegrityError
from quarry.healing.restoring import restore
from quarry.storage.keeping import examine_copy, keep_copy
from quarry.storage.mirror import RemoteCopy, mirror, older_copies
from quarry.trajectory.report import Expected
from tests.healing.cells import KEY, NAME, OTHER, Cell
from tests.storage.copy_places import Place


def test_another_cells_file_is_not_kept_as_the_copy(place: Place, tmp_path: Path) -> None:
    right, wrong = Cell(tmp_path / "right"), Cell(tmp_path / "wrong", OTHER)
    right.publish()
    wrong.publish(seed=1)
    kept = keep_copy(right.path, NAME, place.store, place.ledger, expected=right.expected)
    with pytest.raises(IntegrityError, match="demo_math"):
        keep_copy(wrong.path, NAME, place.store, place.ledger, expected=Expected.of_key(KEY))
    assert len(place.store.versions(NAME)) == 1
    assert place.ledger.entry(place.store, NAME) == kept.entry


def test_a_copy_is_not_condemned_for_another_cells_file_in_its_place(
    place: Place, tmp_path: Path
) -> None:
    right, wrong = Cell(tmp_path / "right"), Cell(tmp_path / "wrong", OTHER)
    right.publish()
    wrong.publish(seed=1)
    kept = keep_copy(right.path, NAME, place.store, place.ledger, expected=right.expected)
    with pytest.raises(IntegrityError, match="another cell's file"):
        examine_copy(wrong.path, NAME, place.store, place.ledger, expected=right.expected)
    assert place.ledger.entry(place.store, NAME) == kept.entry
    args = right.path, NAME, place.store, place.ledger
    assert examine_copy(*args, expected=right.expected) == []
    place.rot(NAME, 100)
    assert [one.kind for one in examine_copy(*args, expected=right.expected)] == ["remote_damaged"]
    assert place.ledger.entry(place.store, NAME) is None


def test_a_good_copy_behind_a_wrong_one_still_mends_the_file(place: Place, tmp_path: Path) -> None:
    right, wrong = Cell(tmp_path / "right"), Cell(tmp_path / "wrong", OTHER)
    right.publish()
    wrong.publish(seed=1)
    good = right.path.read_bytes()
    mirror(right.path, NAME, place.store)
    mirror(wrong.path, NAME, place.store)
    for path in right.path.parent.iterdir():
        path.unlink()
    remote = RemoteCopy(place.store, NAME)
    copies = [remote, *older_copies(place.store, NAME)]
    restored = restore(right.path, right.expected, copies, right.aside, log=right.lines.append)
    assert right.path.read_bytes() == good
    assert "an older version" in restored.sources[-1]


def test_a_store_without_a_past_has_no_older_copies(place: Place, published: Path) -> None:
    assert older_copies(place.store, NAME) == []
    mirror(published, NAME, place.store)
    assert older_copies(place.store, NAME) == []
