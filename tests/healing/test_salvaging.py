"""A damaged cell is collected again for its lost samples alone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from quarry.benchmarks.benchmark_set import BenchmarkSet
from quarry.catalog import Catalog
from quarry.collection import collect
from quarry.healing.aside import list_aside
from quarry.healing.salvaging import SalvagedRows, salvage_first
from quarry.keys import TrajectoryKey
from quarry.salvage.salvaging import salvage, salvaged_path
from quarry.trajectory.digest_table import read_table
from quarry.trajectory.manifest import manifest_path, read_manifest
from quarry.trajectory.publication import publish
from quarry.trajectory.report import Expected
from quarry.trajectory.verification import verify
from tests.contracts.arithmetic_engine import (
    KEY,
    N_SAMPLES,
    ArithmeticEngine,
    benchmark,
    catalog,
)
from tests.trajectory.damage import flip_bit

FOREIGN = TrajectoryKey("tiny2", "gsm8k", 0)
MODELS = {
    "tiny": {"path": "tiny", "prompt_style": "raw"},
    "tiny2": {"path": "tiny2", "prompt_style": "raw"},
}


def run(
    data_dir: Path,
    key: TrajectoryKey = KEY,
    entries: Catalog | None = None,
    samples: BenchmarkSet | None = None,
) -> tuple[list[str], list[str]]:
    """Collect and publish a cell; returns the samples that were run, and the log."""
    engine, lines = ArithmeticEngine(), list[str]()
    staged = collect(
        key, entries or catalog(), samples or benchmark(), engine, data_dir, log=lines.append
    )
    publish(staged, data_dir / key.trajectory_path, expected=Expected.of_key(key))
    return engine.ran, lines


def spoil_rows(path: Path, *rows: int) -> None:
    """Flip a bit in the activations of some rows."""
    extents = read_table(path, read_manifest(manifest_path(path)).digests).extents
    for row in rows:
        index = extents["row"].tolist().index(row)
        flip_bit(path, int(extents["start"][index]) + 5)


def save(data_dir: Path, key: TrajectoryKey = KEY) -> tuple[SalvagedRows | None, list[str]]:
    lines: list[str] = []
    rows = salvage_first(data_dir / key.trajectory_path, key, data_dir, lines.append)
    return rows, lines


def staged(data_dir: Path) -> list[str]:
    return sorted(path.name for path in (data_dir / "staging").glob("*"))


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    """The file of a collected cell."""
    run(tmp_path)
    return tmp_path / KEY.trajectory_path


def test_only_lost_samples_are_run_again(tmp_path: Path, cell: Path) -> None:
    content = read_manifest(manifest_path(cell)).content_digest
    spoil_rows(cell, 2, 7)
    damaged = cell.read_bytes()
    rows, lines = save(tmp_path)
    assert rows is not None
    assert (rows.n_kept, rows.n_rows) == (N_SAMPLES - 2, N_SAMPLES)
    assert any("8 of its 10 rows are whole" in line for line in lines)
    assert cell.read_bytes() == damaged
    ran, _ = run(tmp_path)
    assert ran == ["gsm8k/test/2", "gsm8k/test/7"]
    assert verify(cell, expected=Expected.of_key(KEY)).findings == []
    assert read_manifest(manifest_path(cell)).content_digest == content
    assert staged(tmp_path) == []
    [kept] = list_aside(tmp_path / "aside")
    assert kept.path.read_bytes() == damaged


def test_a_cut_file_gives_its_rows_too(tmp_path: Path, cell: Path) -> None:
    os.truncate(cell, int(cell.stat().st_size * 0.8))
    rows, _ = save(tmp_path)
    assert rows is not None
    assert 0 < rows.n_kept < N_SAMPLES
    ran, _ = run(tmp_path)
    assert len(ran) == N_SAMPLES - rows.n_kept


@pytest.mark.parametrize("is_missing", [True, False])
def test_a_missing_or_sound_file_gives_nothing(
    tmp_path: Path, cell: Path, is_missing: bool
) -> None:
    if is_missing:
        cell.unlink()
    assert save(tmp_path) == (None, [])
    assert staged(tmp_path) == []
    assert list_aside(tmp_path / "aside") == []


def test_again_for_the_same_damage_changes_nothing(tmp_path: Path, cell: Path) -> None:
    spoil_rows(cell, 2)
    first, _ = save(tmp_path)
    before = staged(tmp_path)
    again, lines = save(tmp_path)
    assert again == first
    assert staged(tmp_path) == before
    assert any("salvaged before" in line for line in lines)
    assert len(list_aside(tmp_path / "aside")) == 1
    spoil_rows(cell, 3)
    worse, _ = save(tmp_path)
    assert worse is not None
    assert worse.n_kept == N_SAMPLES - 2
    ran, _ = run(tmp_path)
    assert ran == ["gsm8k/test/2"]  # the first salvage had row 3 still
    assert staged(tmp_path) == []


def test_nothing_is_salvaged_of_another_cells_file_and_it_is_kept(
    tmp_path: Path, cell: Path
) -> None:
    entries = catalog(models=MODELS)
    run(tmp_path, FOREIGN, entries)
    foreign = tmp_path / FOREIGN.trajectory_path
    shutil.rmtree(cell.parent)
    shutil.move(foreign.parent, cell.parent)
    rows, lines = save(tmp_path)
    assert rows is None
    assert any("another cell's" in line for line in lines)
    ran, _ = run(tmp_path)
    assert len(ran) == N_SAMPLES
    [kept] = list_aside(tmp_path / "aside")
    assert verify(kept.path, expected=Expected.of_key(FOREIGN)).findings == []


def test_another_cells_file_that_can_not_be_kept_stops_the_collection(
    tmp_path: Path, cell: Path
) -> None:
    run(tmp_path, FOREIGN, catalog(models=MODELS))
    shutil.rmtree(cell.parent)
    shutil.move((tmp_path / FOREIGN.trajectory_path).parent, cell.parent)
    foreign = cell.read_bytes()
    (tmp_path / "aside").write_text("a file in the way")
    with pytest.raises(OSError, match="aside"):
        save(tmp_path)
    assert cell.read_bytes() == foreign


def test_rows_are_salvaged_where_the_damaged_file_can_not_be_kept(
    tmp_path: Path, cell: Path
) -> None:
    spoil_rows(cell, 2)
    (tmp_path / "aside").write_text("a file in the way")
    rows, lines = save(tmp_path)
    assert rows is not None
    assert rows.n_kept == N_SAMPLES - 1
    assert any("can't be kept" in line for line in lines)


@pytest.mark.parametrize("is_cut", [True, False])
def test_a_collection_refuses_rows_that_were_salvaged_from_another_cells_file(
    tmp_path: Path, cell: Path, is_cut: bool
) -> None:
    entries = catalog(models=MODELS)
    run(tmp_path, FOREIGN, entries)
    foreign = tmp_path / FOREIGN.trajectory_path
    shutil.rmtree(cell.parent)
    shutil.move(foreign.parent, cell.parent)
    if is_cut:  # too damaged for verification to tell whose it is
        os.truncate(cell, int(cell.stat().st_size * 0.8))
        rows, _ = save(tmp_path)
        assert rows is not None
    else:
        spoil_rows(cell, 1)
        assert salvage(cell, salvaged_path(tmp_path, KEY)).n_kept == N_SAMPLES - 1
    assert len(staged(tmp_path)) == 3
    ran, lines = run(tmp_path)
    assert len(ran) == N_SAMPLES
    assert any("model was tiny2, is tiny" in line for line in lines)
    assert staged(tmp_path) == []


def test_a_salvage_that_fails_is_told_and_stops_nothing(tmp_path: Path, cell: Path) -> None:
    spoil_rows(cell, *range(N_SAMPLES))
    rows, lines = save(tmp_path)
    assert rows is None
    assert any("nothing could be salvaged" in line for line in lines)
    (tmp_path / "aside").rename(tmp_path / "elsewhere")
    (tmp_path / "aside").write_text("a file in the way")
    rows, lines = save(tmp_path)
    assert rows is None
    assert any("can't be kept" in line for line in lines)
    ran, _ = run(tmp_path)
    assert len(ran) == N_SAMPLES
