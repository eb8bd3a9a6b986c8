"""Many cells are collected in one run, and Dagster knows them as if each had run by itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from assets.check_state import grid_state
from assets.collecting import JOB, OP
from assets.collecting_plan import CollectionStep, GridPlanner
from assets.recording import CellRecord
from assets.specs import TRAJECTORIES
from assets.trajectory_checks import NAMES
from quarry.data_directory import DataDirectory
from quarry.errors import UnknownNameError
from quarry.keys import TrajectoryKey
from quarry.trajectory.manifest import manifest_path, read_manifest
from sensors.health import grid_health
from sensors.launcher import Outcome
from tests.integration.small_platform import (
    SmallPlatform,
    all_succeeded,
    open_platform,
    write_catalog,
)

ASSET = dg.AssetKey("trajectories")
POINTER = "dagster/input_event_pointer/"
OF_ONE_RUN = ("seconds", "per_second", "_per_s", "_s", "hours", "memory", "bytes", "blake3")
pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning"),
    pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning"),
]


@pytest.fixture
def grid(tmp_path: Path, tiny_model: tuple[Path, Path]) -> Iterator[SmallPlatform]:
    """A grid of two models and three benchmarks with samples and no trajectories."""
    catalog = write_catalog(tmp_path / "catalog.yaml", *tiny_model)
    with dg.instance_for_test() as instance:
        platform = open_platform(catalog, tmp_path / "data", instance)
        all_succeeded(list(platform.launcher.samples()))
        yield platform


def steps(grid: SmallPlatform, **changes: Any) -> dict[str, CollectionStep]:
    """What is due of every cell."""
    directory = DataDirectory(grid.data_dir)
    planner = GridPlanner(grid.instance, grid.catalog, directory, grid.grid, **changes)
    return {step.partition: step for step in planner.steps()}


def due(grid: SmallPlatform) -> dict[str, str]:
    return {cell: step.step for cell, step in steps(grid).items() if step.step}


def partition_statuses(grid: SmallPlatform) -> dict[str, str]:
    """How the UI shows the cells."""
    found = grid.instance.get_status_by_partition(ASSET, grid.cells, grid.grid.cells) or {}
    return {cell: status.value for cell, status in found.items() if status}


def staleness(grid: SmallPlatform) -> set[str]:
    resolver = CachingStaleStatusResolver(
        grid.instance, grid.defs.resolve_asset_graph(), LoadingContextForTest(grid.instance)
    )
    return {resolver.get_status(ASSET, cell).value for cell in grid.cells}


def latest(grid: SmallPlatform, cell: str) -> dg.AssetMaterialization:
    wanted = dg.AssetRecordsFilter(ASSET, asset_partitions=[cell])
    event = grid.instance.fetch_materializations(wanted, limit=1).records[0].asset_materialization
    assert event is not None
    return event


def materialised_in(grid: SmallPlatform, cell: str) -> list[str]:
    """The runs that made a cell, the newest first."""
    wanted = dg.AssetRecordsFilter(ASSET, asset_partitions=[cell])
    return [one.run_id for one in grid.instance.fetch_materializations(wanted, limit=9).records]


def engines_opened(grid: SmallPlatform, outcome: Outcome) -> list[str]:
    """The models whose engine a run opened, in order, from its log."""
    lines = [record.user_message for record in grid.instance.all_logs(outcome.run_id)]
    return [line.split()[2] for line in lines if line.startswith("engine of ")]


def tags_but_pointers(event: dg.AssetMaterialization) -> dict[str, str]:
    """Tags without those that name the event which an input was read from.

    Dagster's own steps name the latest of any partition there, which need not be what was read.
    """
    tags = event.tags or {}
    return {name: text for name, text in tags.items() if not name.startswith(POINTER)}


def without_those_of_one_run(names: set[str]) -> set[str]:
    return {name for name in names if not name.endswith(OF_ONE_RUN)}


def test_what_one_run_records_is_what_each_cells_own_run_records(grid: SmallPlatform):
    all_succeeded(list(grid.launcher.cells(grid.cells)))
    assert due(grid) == {}
    own = {cell: latest(grid, cell) for cell in grid.cells}

    outcome = grid.launcher.collect_grid(again=True)

    assert outcome.is_success, outcome.reason
    assert engines_opened(grid, outcome) == ["tiny_raw", "tiny_chat"]
    for cell in grid.cells:
        before, after = own[cell], latest(grid, cell)
        assert materialised_in(grid, cell)[0] == outcome.run_id
        assert tags_but_pointers(before) == tags_but_pointers(after), cell
        assert set(before.tags or {}) == set(after.tags or {})
        assert before.partition == after.partition
        assert type(before.partition) is type(after.partition)
        assert before.metadata.keys() == after.metadata.keys()
        for name in without_those_of_one_run(set(before.metadata)):
            assert before.metadata[name] == after.metadata[name], name
    assert staleness(grid) == {"FRESH"}
    state = grid_state(grid.instance, "trajectories", NAMES, grid.grid.cells)
    assert state.is_intact
    assert set(partition_statuses(grid).values()) == {"MATERIALIZED"}


def test_the_labels_follow_from_what_one_run_collected(grid: SmallPlatform):
    collected = grid.launcher.collect_grid(models=["tiny_raw"])
    assert collected.is_success, collected.reason
    assert {cell for cell in grid.cells if cell.endswith("|tiny_chat")} == set(due(grid))
    cells = [cell for cell in grid.cells if cell.endswith("|tiny_raw")]
    labelled = grid.launcher.relabel(cells, every=False)
    assert labelled.is_success, labelled.reason
    assert grid.launcher.unlabelled() == set()


def test_a_cell_that_lacks_its_samples_is_refused_and_the_others_go_on(grid: SmallPlatform):
    lacking = TrajectoryKey.from_partition(grid.cells[0])
    DataDirectory(grid.data_dir).samples(lacking).unlink()
    refused = {cell for cell in grid.cells if cell.startswith(f"{lacking.benchmark}|")}
    assert len(refused) == 2

    outcome = grid.launcher.collect_grid()

    assert not outcome.is_success
    assert "2 cells could not be collected" in outcome.reason
    assert f"benchmark_samples of {lacking.benchmark} is not there" in outcome.reason
    found = partition_statuses(grid)
    assert {cell for cell, status in found.items() if status == "MATERIALIZED"} == (
        set(grid.cells) - refused
    )
    assert refused.isdisjoint(grid.launcher.failed())  # missing, so that automation makes them
    blocked = {cell for cell, step in steps(grid).items() if step.is_blocked}
    assert blocked == refused


def test_a_cell_that_fails_is_shown_as_failed_and_the_others_go_on(grid: SmallPlatform):
    bad = grid.cells[1]
    samples = DataDirectory(grid.data_dir).samples(TrajectoryKey.from_partition(bad))
    whole = samples.read_bytes()
    samples.write_bytes(whole[: len(whole) // 2])
    benchmark = TrajectoryKey.from_partition(bad).benchmark
    failing = {cell for cell in grid.cells if cell.startswith(f"{benchmark}|")}

    outcome = grid.launcher.collect_grid()

    assert not outcome.is_success
    assert grid.launcher.failed() == failing
    assert set(due(grid)) == failing
    assert engines_opened(grid, outcome) == ["tiny_raw", "tiny_chat"]

    samples.write_bytes(whole)
    again = grid.launcher.collect_grid()
    assert again.is_success, again.reason
    assert grid.launcher.failed() == set()
    assert [cell for cell in grid.cells if materialised_in(grid, cell)[0] == again.run_id] == [
        cell for cell in grid.cells if cell in failing
    ]


def test_a_model_that_can_not_be_loaded_fails_its_cells_alone(
    tmp_path: Path, tiny_model: tuple[Path, Path]
):
    models = {
        "broken": {"path": str(tmp_path / "nowhere"), "prompt_style": "raw"},
        "tiny_raw": {"path": str(tiny_model[0]), "prompt_style": "raw"},
    }
    catalog = write_catalog(tmp_path / "catalog.yaml", *tiny_model, models=models)
    with dg.instance_for_test() as instance:
        grid = open_platform(catalog, tmp_path / "data", instance)
        all_succeeded(list(grid.launcher.samples()))
        outcome = grid.launcher.collect_grid()
        assert not outcome.is_success
        assert "3 cells could not be collected" in outcome.reason
        assert engines_opened(grid, outcome) == ["tiny_raw"]
        assert grid.launcher.failed() == {c for c in grid.cells if c.endswith("|broken")}
        assert due(grid).keys() == grid.launcher.failed()


def test_a_whole_file_that_dagster_does_not_know_is_recorded_and_not_collected(
    grid: SmallPlatform,
):
    cell = grid.cells[0]
    all_succeeded([grid.launcher.collect_grid([cell])])
    before = read_manifest(manifest_path(grid.file_of(cell)))
    with dg.instance_for_test() as other:
        unknown = open_platform(grid.data_dir.parent / "catalog.yaml", grid.data_dir, other)
        assert steps(unknown)[cell].step == "record"
        outcome = unknown.launcher.collect_grid([cell])
        all_succeeded([outcome])
        assert engines_opened(unknown, outcome) == []
        assert steps(unknown)[cell].step is None
        tags = latest(unknown, cell).tags or {}
    assert tags["dagster/data_version"] == before.content_digest
    assert read_manifest(manifest_path(grid.file_of(cell))) == before


def test_a_damaged_cell_is_due_and_keeps_its_intact_rows(grid: SmallPlatform):
    cell = grid.cells[0]
    all_succeeded([grid.launcher.collect_grid([cell])])
    content = bytearray(grid.file_of(cell).read_bytes())
    content[len(content) // 2] ^= 0xFF
    grid.file_of(cell).write_bytes(content)
    assert steps(grid)[cell].step is None  # a quick look does not read every byte
    assert not all(one.is_success for one in grid.launcher.verify([cell]))
    assert steps(grid)[cell].step == "collect"

    outcome = grid.launcher.collect_grid([cell])

    all_succeeded([outcome])
    kept = latest(grid, cell).metadata["samples_kept"].value
    assert isinstance(kept, int)
    assert kept >= 1
    assert steps(grid)[cell].step is None
    assert grid.damaged().keys().isdisjoint({cell})


def test_nothing_else_touches_the_cell_that_the_run_is_at(grid: SmallPlatform):
    cell, other = grid.cells[:2]
    job = grid.defs.resolve_job_def(JOB)
    run = grid.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    key = TrajectoryKey.from_partition(cell)
    CellRecord(TRAJECTORIES, key).announce(grid.instance, run, OP)

    directory = DataDirectory(grid.data_dir)
    health = grid_health(grid.instance, grid.grid, grid.catalog, directory, grid.store)
    assert health.busy == [cell]
    assert steps(grid)[cell].step is None
    assert steps(grid)[cell].is_left
    assert steps(grid)[other].step == "collect"

    grid.instance.report_run_failed(run)
    assert grid.launcher.failed() == {cell}
    assert steps(grid)[cell].step == "collect"


def test_names_that_do_not_exist_are_refused(grid: SmallPlatform):
    assert "not in the grid" in grid.launcher.collect_grid(["gsm8k-1shot|nobody"]).reason
    outcome = grid.launcher.collect_grid(models=["nobody"])
    assert not outcome.is_success
    assert "nobody" in outcome.reason
    planner = GridPlanner(grid.instance, grid.catalog, DataDirectory(grid.data_dir), grid.grid)
    with pytest.raises(UnknownNameError):
        planner.steps(models=["nobody"])
