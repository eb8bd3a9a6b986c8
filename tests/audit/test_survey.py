"""The survey of real files: each kind of damage shows as exactly its cell's status."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from quarry.audit.cell import CellStatus
from quarry.audit.survey import survey
from quarry.catalog import load_catalog
from quarry.grading.grader import GRADER_VERSIONS
from quarry.keys import TrajectoryKey, samples_path
from quarry.trajectory.report import Level
from tests.audit.grid_on_disk import CATALOG_YAML, N_SAMPLES, write_grid, write_labels

A_GSM8K = TrajectoryKey("tiny_a", "gsm8k", 0)
A_LOGIQA = TrajectoryKey("tiny_a", "logiqa", 0)
B_GSM8K = TrajectoryKey("tiny_b", "gsm8k", 0)
B_LOGIQA = TrajectoryKey("tiny_b", "logiqa", 0)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("survey")
    (folder / "catalog.yaml").write_text(CATALOG_YAML)
    write_grid(folder / "data", load_catalog(folder / "catalog.yaml"), GRADER_VERSIONS)
    return folder


@pytest.fixture
def grid(pristine, tmp_path) -> Path:
    return shutil.copytree(pristine, tmp_path / "grid")


def statuses(grid: Path, level: Level = "structure") -> dict[TrajectoryKey, CellStatus]:
    audit = survey(load_catalog(grid / "catalog.yaml"), grid / "data", level=level)
    return {cell.key: cell.status for cell in audit.cells}


@pytest.mark.parametrize("level", ["light", "structure", "full"])
def test_a_sound_and_labelled_grid_is_clean_at_every_level(pristine, level):
    audit = survey(load_catalog(pristine / "catalog.yaml"), pristine / "data", level=level)
    assert audit.is_clean
    assert {cell.n_correct for cell in audit.cells} == {N_SAMPLES // 2}
    assert {cell.n_samples for cell in audit.cells} == {N_SAMPLES}
    assert all(cell.size_bytes for cell in audit.cells)
    assert len(audit.usable.h2) == 2


def test_four_kinds_of_damage_show_as_four_statuses(grid):
    data = grid / "data"
    cut = data / A_GSM8K.trajectory_path
    cut.write_bytes(cut.read_bytes()[:-2048])
    (data / A_LOGIQA.trajectory_path).unlink()
    (data / B_GSM8K.labels_path).unlink()
    write_labels(data, B_LOGIQA, 0, GRADER_VERSIONS["logiqa"])
    assert statuses(grid, "light") == {
        A_GSM8K: CellStatus.CORRUPTED,
        A_LOGIQA: CellStatus.MISSING,
        B_GSM8K: CellStatus.UNLABELLED,
        B_LOGIQA: CellStatus.IMBALANCED,
    }


def test_a_zeroed_page_is_found_at_the_full_level(grid):
    path = grid / "data" / B_GSM8K.trajectory_path
    content = bytearray(path.read_bytes())
    pages = range(4096, len(content) - 4096, 4096)
    fullest = min(pages, key=lambda start: content[start : start + 4096].count(0))
    content[fullest : fullest + 4096] = bytes(4096)
    path.write_bytes(content)
    found = statuses(grid, "full")
    assert found.pop(B_GSM8K) is CellStatus.CORRUPTED
    assert set(found.values()) == {CellStatus.OK}


def test_labels_of_an_older_grader_make_a_cell_unlabelled_and_not_corrupted(grid):
    write_labels(grid / "data", A_GSM8K, 4, "an-older-version")
    audit = survey(load_catalog(grid / "catalog.yaml"), grid / "data", level="light")
    cell = next(cell for cell in audit.cells if cell.key == A_GSM8K)
    assert cell.status is CellStatus.UNLABELLED
    assert "an-older-version" in cell.note
    assert audit.plan[0].action == "relabel"
    assert audit.plan[0].gpu_hours == 0


def test_labels_of_another_cell_do_not_fit(grid):
    data = grid / "data"
    shutil.copy(data / A_LOGIQA.labels_path, data / A_GSM8K.labels_path)
    assert statuses(grid, "light")[A_GSM8K] is CellStatus.UNLABELLED


def test_fewer_rows_than_were_drawn_is_a_corrupted_cell(grid):
    path = grid / "data" / samples_path("gsm8k", 0)
    path.parent.mkdir(parents=True)
    pd.DataFrame({"role": ["graded"] * (N_SAMPLES + 1) + ["exemplar"] * 3}).to_parquet(path)
    found = statuses(grid)
    assert found[A_GSM8K] is CellStatus.CORRUPTED
    assert found[A_LOGIQA] is CellStatus.OK


def test_an_empty_directory_is_a_grid_of_missing_cells(pristine, tmp_path):
    audit = survey(load_catalog(pristine / "catalog.yaml"), tmp_path)
    assert {cell.status for cell in audit.cells} == {CellStatus.MISSING}
    assert [row.priority for row in audit.plan] == ["LOW", "LOW"]


def test_progress_names_every_cell_once(pristine):
    told: list[tuple[int, int, str]] = []
    catalog = load_catalog(pristine / "catalog.yaml")
    survey(catalog, pristine / "data", level="light", progress=lambda *step: told.append(step))
    assert told == [(done, 4, str(key)) for done, key in enumerate(catalog.cells())]
