"""A backfill outlives its Dagster: killed in the midst and started again, all of it is made."""

import json
import shutil
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus

from quarry.trajectory.verification import verify
from tests.integration.commands import CLEAN, ROOT, call
from tests.integration.running_dagster import running_ui
from tests.integration.small_platform import (
    SmallPlatform,
    all_succeeded,
    open_platform,
    write_catalog,
)
from tests.live_processes import wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning"),
]
PATIENCE_S = 600


def due(grid: SmallPlatform) -> dict[str, str]:
    """The cells that the plan names, each with what its price is told from."""
    code, out, err = call("plan", grid, "--json")
    assert code == CLEAN, err
    return {one["partition"]: one["basis"] for one in json.loads(out)["due"]}


def rows_written(grid: SmallPlatform) -> int:
    """Rows that the journals in staging name."""
    journals = (grid.data_dir / "staging").glob("*.journal")
    return sum(path.read_bytes().count(b"\n") - 1 for path in journals)


def launched(grid: SmallPlatform, cells: list[str]) -> str:
    """Launch what is due; the backfill's id."""
    code, out, err = call("backfill", grid, "--no-wait", "--json")
    assert code == CLEAN, err
    document = json.loads(out)
    assert sorted(one["partition"] for one in document["plan"]["due"]) == sorted(cells)
    [found] = document["backfills"]
    return found["id"]


def left_out(grid: SmallPlatform) -> set[str]:
    """The cells that a second command leaves to the backfill, and launches nothing for."""
    code, out, err = call("backfill", grid, "--no-wait", "--json")
    assert code == CLEAN, err
    document = json.loads(out)
    assert (document["plan"]["due"], document["backfills"]) == ([], [])
    return {one["partition"] for one in document["plan"]["left_out"]}


def test_a_backfill_whose_dagster_was_killed_is_made_to_the_end(
    tmp_path: Path, tiny_model: tuple[Path, Path]
):
    (tmp_path / "home").mkdir()
    shutil.copy(ROOT / "dagster.yaml", tmp_path / "home")
    model = {"path": str(tiny_model[0]), "prompt_style": "raw", "batch_size": 1}
    catalog = write_catalog(
        tmp_path / "catalog.yaml",
        *tiny_model,
        n_samples=24,
        models={"tiny_raw": model, "tiny_chat": {**model, "prompt_style": "chat"}},
        generation={"max_new_tokens": 60},
    )
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        grid = open_platform(catalog, tmp_path / "data", instance)
        all_succeeded(list(grid.launcher.samples()))
        all_succeeded(list(grid.launcher.cells(grid.cells)))
        lost = [grid.cells[0], grid.cells[-1]]
        for cell in lost:
            grid.file_of(cell).unlink()
        assert due(grid) == dict.fromkeys(lost, "1 earlier run of this cell")

        with running_ui(grid):
            backfill_id = launched(grid, lost)
            assert left_out(grid) == set(lost)
            wait_for(lambda: rows_written(grid) >= 3, "a cell under way", PATIENCE_S)
        backfill = instance.get_backfill(backfill_id)
        assert backfill is not None
        assert (backfill.title, backfill.status) == (
            "quarry: 2 missing",
            BulkActionStatus.REQUESTED,
        )
        assert not all(grid.file_of(cell).exists() for cell in lost)

        with running_ui(grid):
            wait_for(lambda: status(grid, backfill_id) != "REQUESTED", "its end", PATIENCE_S)
            assert status(grid, backfill_id) == "COMPLETED_SUCCESS"
            assert due(grid) == {}
        assert all(verify(grid.file_of(cell)).is_clean for cell in grid.cells)
        assert len(instance.get_backfills()) == 1


def status(grid: SmallPlatform, backfill_id: str) -> str:
    backfill = grid.instance.get_backfill(backfill_id)
    return backfill.status.value if backfill else "deleted"
