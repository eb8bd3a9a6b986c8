"""A missing file comes back proven, also where another version's manifest was left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarry.errors import IntegrityError
from quarry.storage.fallback import bring_back
from quarry.storage.mirror import mirror
from quarry.trajectory.manifest import manifest_path, read_manifest
from quarry.trajectory.verification import verify
from tests.storage.copy_places import NAME, Place
from tests.trajectory.examples import publish_example


def left_manifest(data_dir: Path) -> tuple[Path, bytes]:
    """A cell whose newer file is gone while its manifest lies there."""
    path, _ = publish_example(data_dir, seed=9)
    path.unlink()
    return path, manifest_path(path).read_bytes()


def test_the_stores_version_takes_the_place_of_a_manifest_without_its_file(
    place: Place, published: Path, tmp_path: Path
) -> None:
    mirror(published, NAME, place.store)
    path, _ = left_manifest(tmp_path / "data")
    assert bring_back(path, NAME, place.store)
    assert path.read_bytes() == published.read_bytes()
    assert read_manifest(manifest_path(path)) == read_manifest(manifest_path(published))
    assert verify(path).findings == []


def test_what_can_not_be_proven_leaves_the_manifest_that_was_there(
    place: Place, published: Path, tmp_path: Path
) -> None:
    mirror(published, NAME, place.store)
    place.rot(NAME, published.stat().st_size // 2)
    path, manifest = left_manifest(tmp_path / "data")
    with pytest.raises(IntegrityError, match="brought back"):
        bring_back(path, NAME, place.store)
    assert not path.exists()
    assert manifest_path(path).read_bytes() == manifest


def test_a_file_that_nobody_has_stays_missing(place: Place, tmp_path: Path) -> None:
    assert not bring_back(tmp_path / "data" / "gsm8k_trajectories.h5", NAME, place.store)
    assert not (tmp_path / "data" / "gsm8k_trajectories.h5").exists()


def test_a_file_that_is_here_is_not_fetched(place: Place, published: Path) -> None:
    assert bring_back(published, NAME, place.store)
    assert list(place.store.objects("")) == []
