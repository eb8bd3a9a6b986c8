"""`quarry relabel`: a killed one goes on, and exit codes and JSON say what is left to do."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.relabelling_plan import plan_cells
from quarry.data_directory import DataDirectory
from quarry.keys import TrajectoryKey
from quarry.tables import read_table, write_table
from tests.integration.commands import CLEAN, FINDINGS, ROOT, WRONG_USE, call, start
from tests.integration.small_platform import (
    SmallPlatform,
    all_succeeded,
    open_platform,
    write_catalog,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def grid(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: tuple[Path, Path]
) -> Iterator[SmallPlatform]:
    """A grid of six cells that is collected and labelled, on an instance of its own folder."""
    folder = tmp_path_factory.mktemp("command")
    (folder / "home").mkdir()
    shutil.copy(ROOT / "dagster.yaml", folder / "home")
    catalog = write_catalog(folder / "catalog.yaml", *tiny_model)
    with dg.DagsterInstance.from_config(str(folder / "home")) as instance:
        platform = open_platform(catalog, folder / "data", instance)
        all_succeeded(list(platform.launcher.samples()))
        all_succeeded(list(platform.launcher.cells(platform.cells)))
        yield platform


def age(grid: SmallPlatform) -> None:
    """Make all labels those of an older grader."""
    for cell in grid.cells:
        path = labels_path(grid, cell)
        write_table(read_table(path).assign(grader_version="0", extracted="another"), path)


def labels_path(grid: SmallPlatform, cell: str) -> Path:
    return grid.data_dir / TrajectoryKey.from_partition(cell).labels_path


def due(grid: SmallPlatform) -> set[str]:
    """The cells with something due."""
    directory = DataDirectory(grid.data_dir)
    plans = plan_cells(grid.instance, directory, grid.grid, every=False, has_store=False)
    return {plan.partition for plan in plans if plan.steps}


def test_a_killed_relabelling_goes_on_where_it_stopped(grid: SmallPlatform):
    age(grid)
    assert due(grid) == set(grid.cells)
    child = start("relabel", grid)
    assert child.stderr is not None
    for line in child.stderr:
        if "1 of 6 cells" in line:
            child.kill()
    child.communicate()
    left = due(grid)
    assert 0 < len(left) < len(grid.cells)
    done = {cell: labels_path(grid, cell).stat().st_mtime_ns for cell in grid.cells}

    code, out, err = call("relabel", grid, "--json")

    assert code == CLEAN, err
    graded = json.loads(out)["changes"]
    assert set(graded) <= left
    assert all(figures["version_before"] == "0" for figures in graded.values())
    again = {cell: labels_path(grid, cell).stat().st_mtime_ns for cell in grid.cells}
    assert {cell for cell in grid.cells if done[cell] != again[cell]} == set(graded)
    assert due(grid) == set()


def test_a_cell_that_is_not_there_is_wrong_use(grid: SmallPlatform):
    code, out, err = call("relabel", grid, "--cell", "gsm8k-1shot|nobody", "--plan")
    assert (code, out) == (WRONG_USE, "")
    assert "not in the grid" in err


def test_a_plan_does_nothing_and_its_exit_code_says_that_something_is_due(grid: SmallPlatform):
    age(grid)
    before = labels_path(grid, grid.cells[0]).read_bytes()
    code, out, err = call("relabel", grid, "--plan", "--json", "--cell", grid.cells[0])
    assert code == FINDINGS, err
    (plan,) = json.loads(out)["plan"]
    assert (plan["partition"], plan["labelling"]) == (grid.cells[0], "stale")
    assert labels_path(grid, grid.cells[0]).read_bytes() == before


def test_one_cell_can_be_graded_again_and_what_moved_is_told(grid: SmallPlatform):
    cell = grid.cells[0]
    code, out, err = call("relabel", grid, "--cell", cell, "--all")
    assert code == CLEAN, err
    assert out.startswith(cell)
    assert "1 of 1 cells" in err
