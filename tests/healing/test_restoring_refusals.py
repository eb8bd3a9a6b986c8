"""Where restoring can't be done, nothing changes, and the error says which next step is due."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from quarry.errors import (
    CopyUnusableError,
    IntegrityError,
    StorageError,
    StorageFullError,
    UsageError,
)
from quarry.healing.aside import list_aside
from quarry.healing.restoring import restore
from quarry.repair.good_copy import LocalCopy
from quarry.storage.b2 import B2Store
from quarry.storage.mirror import RemoteCopy
from quarry.trajectory.manifest import Manifest, manifest_path, read_manifest
from quarry.trajectory.report import Expected
from tests.b2_server import B2Server
from tests.healing.cells import NAME, NAMES_OF_ONE, Cell, EmptyCopy, middle
from tests.storage.store_hooks import no_file_above
from tests.trajectory.damage import flip_bit
from tests.trajectory.examples import publish_example


def rotten(cell: Cell, good: Path) -> list[LocalCopy]:
    flip_bit(good, middle(good), 3)
    return [LocalCopy(good)]


def of_another_cell(cell: Cell, good: Path) -> list[LocalCopy]:
    other, _ = publish_example(good.parent / "other", model="demo_math")
    return [LocalCopy(other)]


def gone(cell: Cell, good: Path) -> list[EmptyCopy]:
    return [EmptyCopy()]


def none_at_all(cell: Cell, good: Path) -> list[LocalCopy]:
    return []


@pytest.mark.parametrize("copies", [rotten, of_another_cell, gone, none_at_all])
@pytest.mark.parametrize("is_missing", [False, True], ids=["damaged", "missing"])
def test_where_no_copy_can_help_nothing_changes(
    cell: Cell, good: Path, copies: Callable[[Cell, Path], list[LocalCopy]], is_missing: bool
) -> None:
    flip_bit(cell.path, middle(cell.path))
    if is_missing:
        shutil.rmtree(cell.path.parent)
    before = cell.everything()
    with pytest.raises(CopyUnusableError, match="No copy can give the bytes") as caught:
        cell.restore(*copies(cell, good))
    assert caught.value.got
    assert str(cell.path) in (caught.value.where or "")
    assert cell.everything() == before


def test_a_rotten_object_is_named(cell: Cell, bucket: B2Store, server: B2Server) -> None:
    cell.mirror(bucket)
    server.rot(NAME, middle(cell.path))
    flip_bit(cell.path, middle(cell.path), 3)
    with pytest.raises(CopyUnusableError, match="damaged there, too"):
        cell.restore(RemoteCopy(bucket, NAME))


def test_a_store_that_can_not_be_asked_is_no_unusable_copy(
    cell: Cell, bucket: B2Store, server: B2Server, good: Path
) -> None:
    cell.mirror(bucket)
    flip_bit(cell.path, middle(cell.path))
    before = cell.everything()
    server.close()
    remote = RemoteCopy(bucket, NAME, deadline_s=0.3)
    with pytest.raises(StorageError):
        cell.restore(remote)
    after = cell.everything()
    assert before.items() <= after.items()
    assert all(".restore/" in name for name in after.keys() - before.keys())
    done = cell.restore(remote, LocalCopy(good))
    assert done.sources == (str(good),)
    assert cell.path.read_bytes() == good.read_bytes()


@pytest.mark.parametrize("is_missing", [False, True], ids=["damaged", "missing"])
def test_without_room_nothing_changes(cell: Cell, good: Path, is_missing: bool) -> None:
    flip_bit(cell.path, middle(cell.path))
    if is_missing:
        shutil.rmtree(cell.path.parent)
    before = cell.everything()
    with no_file_above(good.stat().st_size // 2), pytest.raises(StorageFullError):
        cell.restore(LocalCopy(good))
    assert cell.everything() == before
    assert cell.restore(LocalCopy(good)).report.is_clean


class MeddlingCopy(LocalCopy):
    """A copy; while it is read, something else happens."""

    def __init__(self, path: Path, meddle: Callable[[], None]) -> None:
        super().__init__(path)
        self.meddle = meddle

    def read_range(self, offset: int, size: int) -> bytes:
        self.meddle()
        return super().read_range(offset, size)


def test_a_file_that_is_published_meanwhile_is_left_alone(cell: Cell, good: Path) -> None:
    flip_bit(cell.path, middle(cell.path))
    published: list[Manifest] = []

    def publish_once() -> None:
        if not published:
            published.append(cell.publish(seed=5))

    done = cell.restore(MeddlingCopy(good, publish_once))
    assert done.how == "none needed"
    assert read_manifest(manifest_path(cell.path)) == published[0]
    assert not list_aside(cell.aside)
    assert cell.names() == NAMES_OF_ONE


def test_a_disk_that_can_not_be_read_in_one_go_is_read_around(cell: Cell, good: Path) -> None:
    whole, failed = cell.path.read_bytes(), list[str]()
    flip_bit(cell.path, middle(cell.path))

    def fail_once() -> None:
        if not failed:
            failed.append("once")
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    done = cell.restore(MeddlingCopy(good, fail_once))
    assert done.how == "ranges"
    assert cell.path.read_bytes() == whole


def test_a_file_that_could_not_be_read_to_the_end_is_not_called_lost(cell: Cell) -> None:
    before = cell.everything()
    with pytest.raises(IntegrityError, match="could not be verified"):
        restore(cell.path, cell.expected, [], cell.aside, log=cell.lines.append, deadline_s=0.001)
    assert cell.everything() == before


def test_the_cell_must_be_named(cell: Cell) -> None:
    with pytest.raises(UsageError, match="without its cell"):
        restore(cell.path, Expected(model="demo_base"), [], cell.aside, log=cell.lines.append)
