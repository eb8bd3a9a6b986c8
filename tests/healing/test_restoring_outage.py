"""A store that fails in the middle of every attempt is no end, and no disk is without a name."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from quarry.errors import DiskError, StorageError
from quarry.repair import byte_repair
from quarry.repair.good_copy import LocalCopy
from quarry.storage.local import LocalStore
from quarry.storage.mirror import RemoteCopy
from quarry.trajectory.verification import verify
from tests.healing.cells import NAME, NAMES_OF_ONE, Cell, middle
from tests.trajectory.damage import flip_bit


class FailingCopy(RemoteCopy):
    """A copy whose store gives five ranges and is then gone."""

    left = 5

    def read_range(self, offset: int, size: int) -> bytes:
        if not self.left:
            raise StorageError("The store is gone", where=NAME)
        self.left -= 1
        return super().read_range(offset, size)


def is_restored_by_a_child(cell: Cell, store: LocalStore) -> bool:
    """One attempt in a process of its own, as each run of the platform has."""
    child = os.fork()
    if child == 0:
        try:
            cell.restore(FailingCopy(store, NAME))
            os._exit(0)
        except StorageError:
            os._exit(1)
        finally:
            os._exit(2)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 1)
    return code == 0


def test_attempts_that_break_off_get_on_together(
    cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(byte_repair, "_MOST_BYTES_A_RANGE", 16 << 10)
    store, good = LocalStore(tmp_path / "store"), cell.path.read_bytes()
    cell.mirror(store)
    cell.path.unlink()
    assert not is_restored_by_a_child(cell, store)
    assert not cell.path.exists()
    assert any(is_restored_by_a_child(cell, store) for _ in range(10))
    assert cell.path.read_bytes() == good
    assert cell.names() == NAMES_OF_ONE


def test_an_intact_file_that_may_not_be_written_gets_its_proofs_back(
    cell: Cell, good: Path
) -> None:
    for proof in set(cell.path.parent.iterdir()) - {cell.path}:
        proof.unlink()
    inode = cell.path.stat().st_ino

    def refuse(event: str, args: tuple[Any, ...]) -> None:  # a mode says nothing to root
        is_to_be_written = event == "open" and "+" in (args[1] or "")
        if is_to_be_written and Path(args[0]).stat().st_ino == inode:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), args[0])

    child = os.fork()
    if child == 0:
        try:
            sys.addaudithook(refuse)
            cell.restore(LocalCopy(good))
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert verify(cell.path, expected=cell.expected).findings == []
    assert cell.path.stat().st_ino == inode


def test_a_folder_that_can_not_be_made_is_named(cell: Cell, good: Path) -> None:
    flip_bit(cell.path, middle(cell.path))
    cell.aside.write_text("a file in the way")
    before = cell.everything()
    with pytest.raises(DiskError, match="refused to read or write") as raised:
        cell.restore(LocalCopy(good))
    assert str(cell.aside) in (raised.value.where or "")
    assert cell.everything() == before


def test_a_data_directory_that_is_a_file_is_named(tmp_path: Path, good: Path) -> None:
    (tmp_path / "other").write_text("a file in the way")
    with pytest.raises(DiskError) as raised:
        Cell(tmp_path / "other").restore(LocalCopy(good))
    assert str(tmp_path / "other") in (raised.value.where or "")
