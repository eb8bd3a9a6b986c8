"""A mirrored file mends its original, from a directory and from B2, for little traffic."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from quarry.errors import FileMissingError, IntegrityError
from quarry.repair.repairing import repair
from quarry.storage.local import LocalStore
from quarry.storage.mirror import RemoteCopy, mirror
from quarry.storage.object_store import ObjectStore
from quarry.trajectory.manifest import manifest_path
from quarry.trajectory.verification import verify
from tests.b2_server import B2Server
from tests.storage.b2_stores import b2_store
from tests.trajectory.damage import append_bytes, flip_bit, overwrite
from tests.trajectory.examples import publish_example

NAME = "trajectories/0shot/demo_base/gsm8k_trajectories.h5"


@pytest.fixture
def server() -> Iterator[B2Server]:
    with B2Server() as running:
        yield running


@pytest.fixture(params=["directory", "b2"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "directory":
        return LocalStore(tmp_path / "store")
    return b2_store(request.getfixturevalue("server"), tmp_path / "locks")


def test_three_objects_are_stored_once(store: ObjectStore, published: Path) -> None:
    sent = mirror(published, NAME, store)
    assert sent == mirror(published, NAME, store)
    names = [info.name for info in store.objects("trajectories/")]
    assert [name.rpartition("/")[2] for name in names] == sorted(
        path.name for path in published.parent.iterdir()
    )
    assert all(len(store.versions(name)) == 1 for name in names)


def test_damage_is_mended_from_the_store(store: ObjectStore, published: Path) -> None:
    good = published.read_bytes()
    mirror(published, NAME, store)
    size = len(good)
    flip_bit(published, size // 2)
    overwrite(published, size // 3, bytes(5000))
    os.truncate(published, size - 1000)
    result = repair(published, RemoteCopy(store, NAME))
    assert result.is_whole
    assert published.read_bytes() == good
    assert 0 < result.bytes_fetched <= sum(length for _, length in result.damaged)


def test_only_damaged_ranges_are_asked_of_b2(server: B2Server, published: Path) -> None:
    store = b2_store(server, published.parent / "locks")
    mirror(published, NAME, store)
    flip_bit(published, published.stat().st_size // 2)
    before = server.bytes_out
    result = repair(published, RemoteCopy(store, NAME))
    assert result.is_whole
    damaged = sum(length for _, length in result.damaged)
    assert server.bytes_out - before < damaged + 20_000 < published.stat().st_size / 4


def test_a_lost_file_comes_back_with_its_proofs(store: ObjectStore, published: Path) -> None:
    mirror(published, NAME, store)
    for path in list(published.parent.iterdir()):
        path.unlink()
    assert repair(published, RemoteCopy(store, NAME)).is_whole
    assert verify(published).findings == []


def test_a_rotten_mirror_changes_nothing(server: B2Server, published: Path) -> None:
    store = b2_store(server, published.parent / "locks")
    mirror(published, NAME, store)
    middle = published.stat().st_size // 2
    server.rot(NAME, middle)
    flip_bit(published, middle, 3)
    damaged = published.read_bytes()
    result = repair(published, RemoteCopy(store, NAME))
    assert not result.is_whole
    assert published.read_bytes() == damaged
    assert "not_repaired" in {found.kind for found in result.findings}


def test_the_version_that_the_manifest_describes_is_read(
    store: ObjectStore, published: Path, tmp_path: Path
) -> None:
    mirror(published, NAME, store)
    other, manifest = publish_example(tmp_path / "other", seed=1)
    store.put(other, NAME, blake3=manifest.blake3)  # an upload that was killed before its manifest
    flip_bit(published, published.stat().st_size // 2)
    assert repair(published, RemoteCopy(store, NAME)).is_whole


def test_a_file_that_is_not_what_was_published_is_not_mirrored(
    store: ObjectStore, published: Path
) -> None:
    append_bytes(published)
    with pytest.raises(IntegrityError):
        mirror(published, NAME, store)
    os.truncate(published, published.stat().st_size - 1)
    manifest_path(published).unlink()
    with pytest.raises(FileMissingError):
        mirror(published, NAME, store)
    assert list(store.objects("")) == []


def test_a_store_that_never_had_the_file_says_so(store: ObjectStore, published: Path) -> None:
    with pytest.raises(FileMissingError, match="object is missing"):
        RemoteCopy(store, NAME).manifest()
