"""What was replaced is kept, found, and removed only when nobody can need it any more."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quarry.healing.aside import aside_of, keep_aside, list_aside, sweep_aside
from quarry.salvage.salvaging import salvage
from quarry.trajectory.manifest import manifest_path
from quarry.trajectory.staging import owner_mark
from quarry.trajectory.verification import verify
from tests.healing.cells import KEY, OTHER, Cell, middle
from tests.trajectory.damage import flip_bit, truncate

LATER = datetime.now(UTC) + timedelta(days=1)


def replaced(cell: Cell, why: str = "states_changed", seed: int = 7) -> Path:
    """Put the damaged file of a cell aside, and publish a new one."""
    flip_bit(cell.path, cell.path.stat().st_size // 2)
    kept = keep_aside(cell.path, cell.key, cell.aside, why)
    cell.publish(seed)
    return kept


def test_a_name_tells_cell_time_and_why(cell: Cell) -> None:
    kept = keep_aside(cell.path, KEY, cell.aside, "Bad Superblock!")
    [one] = list_aside(cell.aside)
    assert (one.path, one.key, one.why) == (kept, KEY, "bad_superblock")
    assert abs(one.kept_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert one.size_bytes == cell.path.stat().st_size
    assert kept.relative_to(cell.aside).parts[0] == "demo_base+gsm8k-0shot"
    assert kept.samefile(cell.path)


def test_the_same_file_is_kept_once(cell: Cell) -> None:
    first = keep_aside(cell.path, KEY, cell.aside, "truncated")
    assert keep_aside(cell.path, KEY, cell.aside, "truncated") == first
    assert len(aside_of(cell.aside, KEY)) == 1
    assert aside_of(cell.aside, OTHER) == []


def test_tools_work_on_what_is_kept(cell: Cell, tmp_path: Path) -> None:
    assert verify(keep_aside(cell.path, KEY, cell.aside, "x")).findings == []
    truncate(cell.path)
    [one] = list_aside(cell.aside)
    assert "truncated" in verify(one.path).kinds()
    result = salvage(one.path, tmp_path / "salvaged.h5")
    assert result.is_proven
    assert result.n_kept > 0


def test_a_damaged_manifest_is_kept_as_it_is(cell: Cell) -> None:
    manifest_path(cell.path).write_text("no JSON")
    kept = keep_aside(cell.path, KEY, cell.aside, "manifest_damaged")
    assert manifest_path(kept).read_text() == "no JSON"
    [one] = list_aside(cell.aside)
    assert one.blake3 is None


def test_another_file_system_gets_a_copy(
    cell: Cell, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system on this machine")
    elsewhere = memory / f"quarry-aside-{os.getpid()}"
    request.addfinalizer(lambda: shutil.rmtree(elsewhere, ignore_errors=True))
    kept = keep_aside(cell.path, KEY, elsewhere, "truncated")
    assert kept.read_bytes() == cell.path.read_bytes()
    assert verify(kept).findings == []


def test_what_a_killed_process_was_putting_aside_is_swept(cell: Cell) -> None:
    child = os.fork()
    if child == 0:
        half = cell.aside / "demo_base+gsm8k-0shot" / f".20260301T000000Z-x{owner_mark()}tmp"
        half.mkdir(parents=True)
        (half / "gsm8k_trajectories.replaced.h5").hardlink_to(cell.path)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert list_aside(cell.aside) == []
    assert len(list(cell.aside.glob("*/.*"))) == 1
    sweep_aside(cell.aside, cell.data_dir, older_than=LATER)
    assert list(cell.aside.iterdir()) == []
    assert verify(cell.path).findings == []


def test_what_was_kept_long_enough_goes_once_its_cell_is_whole(cell: Cell) -> None:
    kept = replaced(cell)
    long_ago = datetime.now(UTC) - timedelta(days=7)
    assert sweep_aside(cell.aside, cell.data_dir, older_than=long_ago) == []
    assert kept.exists()
    os.truncate(cell.path, cell.path.stat().st_size - 1)
    assert sweep_aside(cell.aside, cell.data_dir, older_than=LATER) == []
    cell.path.unlink()
    assert sweep_aside(cell.aside, cell.data_dir, older_than=LATER) == []
    cell.publish(seed=8)
    [removed] = sweep_aside(cell.aside, cell.data_dir, older_than=LATER)
    assert removed.path == kept
    assert list(cell.aside.iterdir()) == []
    assert verify(cell.path).findings == []


def test_the_last_copy_of_a_sound_file_stays_however_old_it_is(cell: Cell) -> None:
    other = Cell(cell.data_dir, OTHER)
    version = other.publish(seed=3).blake3
    keep_aside(other.path, KEY, cell.aside, "wrong_partition")
    proofs = {path.name: path.read_bytes() for path in other.path.parent.iterdir()}
    shutil.rmtree(other.path.parent)
    assert sweep_aside(cell.aside, cell.data_dir, older_than=LATER) == []

    def has_copy(digest: str) -> bool:
        return digest == version

    other.path.parent.mkdir()
    for name, data in proofs.items():
        (other.path.parent / name).write_bytes(data)
    os.truncate(other.path, 1000)
    assert sweep_aside(cell.aside, cell.data_dir, older_than=LATER) == []
    other.path.write_bytes(proofs[other.path.name])
    assert len(sweep_aside(cell.aside, cell.data_dir, older_than=LATER)) == 1

    keep_aside(other.path, KEY, cell.aside, "wrong_partition")
    shutil.rmtree(other.path.parent)
    assert len(sweep_aside(cell.aside, cell.data_dir, older_than=LATER, has_copy=has_copy)) == 1


def test_a_damaged_file_does_not_stand_for_the_whole_one_that_is_kept(cell: Cell) -> None:
    other = Cell(cell.data_dir, OTHER)
    other.publish(seed=3)
    good = other.path.read_bytes()
    kept = keep_aside(other.path, KEY, cell.aside, "wrong_partition")
    other.path.unlink()  # the second name goes on
    other.path.write_bytes(good)
    flip_bit(other.path, middle(other.path))
    assert verify(other.path, level="light").is_clean
    assert sweep_aside(cell.aside, cell.data_dir, older_than=LATER) == []
    assert kept.read_bytes() == good


def test_a_file_without_its_own_proofs_stays_where_a_manifest_elsewhere_names_it(
    cell: Cell,
) -> None:
    other = Cell(cell.data_dir, OTHER)
    other.publish(seed=3)
    good = other.path.read_bytes()
    other.path.replace(cell.path)
    kept = keep_aside(cell.path, KEY, cell.aside, "manifest_mismatch")
    cell.publish(seed=5)
    assert sweep_aside(cell.aside, cell.data_dir, older_than=LATER) == []
    assert kept.read_bytes() == good


def test_names_that_are_not_ours_are_left_alone(cell: Cell) -> None:
    replaced(cell)
    mine = cell.aside / "notes" / "today" / "x.replaced.h5"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    assert len(list_aside(cell.aside)) == 1
    assert len(sweep_aside(cell.aside, cell.data_dir, older_than=LATER)) == 1
    assert mine.exists()


def test_nothing_is_kept_where_there_is_no_folder(tmp_path: Path) -> None:
    assert list_aside(tmp_path / "aside") == []
    assert sweep_aside(tmp_path / "aside", tmp_path, older_than=LATER) == []
