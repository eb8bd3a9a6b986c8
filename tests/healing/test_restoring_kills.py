"""Whenever restoring is killed, the old or the new state is there, and the next run ends well."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from quarry.healing.aside import list_aside
from quarry.healing.salvaging import salvage_first
from quarry.healing.swapping import Step
from quarry.repair.good_copy import LocalCopy
from quarry.trajectory.manifest import manifest_path, pending_path, read_manifest
from quarry.trajectory.publication import recover
from quarry.trajectory.verification import verify
from tests.healing.cells import KEY, NAMES_OF_ONE, Cell
from tests.soak.system_calls import NotTraceableError, run_traced
from tests.trajectory.damage import flip_bit

STEPS: tuple[Step, ...] = get_args(Step)
N_TRACED_KILLS = 10


class DyingCopy(LocalCopy):
    """A copy; whoever asks it for the second range is killed."""

    n_asked = 0

    def read_range(self, offset: int, size: int) -> bytes:
        self.n_asked += 1
        if self.n_asked == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read_range(offset, size)


class CountingCopy(LocalCopy):
    """A copy that counts what it gives."""

    n_bytes = 0

    def read_range(self, offset: int, size: int) -> bytes:
        data = super().read_range(offset, size)
        self.n_bytes += len(data)
        return data


def killed(work: Callable[[], object]) -> None:
    """Run something in a child that is killed in the middle of it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(7)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def kill_at(step: Step) -> Callable[[Step], None]:
    def on_step(reached: Step) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_step


def spoil(cell: Cell, how: str) -> bytes | None:
    """Damage a cell; returns the bytes that are there now."""
    if how == "missing":
        shutil.rmtree(cell.path.parent)
        return None
    if how == "another cell's":
        shutil.rmtree(cell.path.parent)
        other = Cell(cell.data_dir / "elsewhere")
        other.publish(seed=4, model="demo_math")
        shutil.copytree(
            other.data_dir / "trajectories/0shot/demo_math", cell.path.parent, dirs_exist_ok=True
        )
        shutil.rmtree(other.data_dir)
    else:
        flip_bit(cell.path, cell.path.stat().st_size // 2)
    return cell.path.read_bytes()


def check_old_or_new(cell: Cell, old: bytes | None, new: bytes) -> bool:
    """Assert it; returns whether it is the new state."""
    recover(cell.path)
    assert not pending_path(cell.path).exists()
    now = cell.path.read_bytes() if cell.path.exists() else None
    if now == new:
        assert verify(cell.path, expected=cell.expected).findings == []
        return True
    assert now == old
    return False


def check_finished(cell: Cell, good: Path, old: bytes | None) -> None:
    cell.restore(LocalCopy(good))
    assert cell.path.read_bytes() == good.read_bytes()
    assert verify(cell.path, expected=cell.expected).findings == []
    assert (
        read_manifest(manifest_path(cell.path)).digests
        == read_manifest(manifest_path(good)).digests
    )
    assert cell.names() == NAMES_OF_ONE
    kept = list_aside(cell.aside)
    assert [one.path.read_bytes() for one in kept] == ([] if old is None else [old])
    assert all(one.key == KEY for one in kept)
    assert cell.path.stat().st_nlink == 1
    folders = [path for path in cell.aside.glob("*/*") if path.name.startswith(".")]
    assert folders == []


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("how", ["damaged", "missing", "another cell's"])
def test_a_kill_after_any_step_leaves_the_old_or_the_new_file(
    cell: Cell, good: Path, step: Step, how: str
) -> None:
    new, old = good.read_bytes(), spoil(cell, how)
    killed(lambda: cell.restore(LocalCopy(good), on_step=kill_at(step)))
    is_new = check_old_or_new(cell, old, new)
    assert is_new == (STEPS.index(step) >= STEPS.index("file_renamed"))
    check_finished(cell, good, old)


def test_a_killed_fetch_of_a_missing_file_is_gone_on_with(tmp_path: Path) -> None:
    cell = Cell(tmp_path / "data")
    cell.publish(d_model=512, max_seq_len=800)
    good = shutil.copytree(cell.path.parent, tmp_path / "good") / cell.path.name
    shutil.rmtree(cell.path.parent)
    killed(lambda: cell.restore(DyingCopy(good)))
    assert not cell.path.exists()
    copy = CountingCopy(good)
    assert cell.restore(copy).how == "file"
    assert 0 < copy.n_bytes < good.stat().st_size
    assert cell.path.read_bytes() == good.read_bytes()
    assert cell.names() == NAMES_OF_ONE


def test_the_next_publication_is_not_disturbed_by_what_a_kill_left(cell: Cell, good: Path) -> None:
    spoil(cell, "damaged")
    killed(lambda: cell.restore(LocalCopy(good), on_step=kill_at("mended")))
    cell.publish(seed=6)
    assert verify(cell.path, expected=cell.expected).findings == []
    assert len(list(cell.path.parent.glob(".*.restore"))) == 1
    salvage_first(cell.path, KEY, cell.data_dir, cell.lines.append)
    assert cell.names() == NAMES_OF_ONE


@pytest.mark.slow
def test_a_kill_before_any_system_call_that_writes_leaves_the_old_or_the_new_file(
    tmp_path: Path,
) -> None:
    def fresh(name: str) -> tuple[Cell, Path, bytes | None]:
        cell = Cell(tmp_path / name)
        cell.publish()
        good = shutil.copytree(cell.path.parent, tmp_path / f"{name}-good") / cell.path.name
        return cell, good, spoil(cell, "damaged")

    cell, good, _ = fresh("all")
    try:
        calls, _ = run_traced(lambda: cell.restore(LocalCopy(good)))
    except NotTraceableError as error:
        pytest.skip(str(error))
    assert verify(cell.path).findings == []
    for number in range(0, len(calls), max(1, len(calls) // N_TRACED_KILLS)):
        cell, good, old = fresh(f"kill{number}")
        run_traced(lambda cell=cell, good=good: cell.restore(LocalCopy(good)), kill_at=number)
        check_old_or_new(cell, old, good.read_bytes())
        check_finished(cell, good, old)
