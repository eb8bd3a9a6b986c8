"""The whole grid is labelled again in one run, and Dagster knows it as if each asset had run."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from assets.check_state import grid_state
from assets.label_changes import CHANGE_CHECKS
from assets.label_checks import CURRENT, LABEL_CHECKS
from assets.relabelling_plan import CellPlan, plan_cells
from quarry.data_directory import DataDirectory
from quarry.errors import UnknownNameError
from quarry.keys import TrajectoryKey
from quarry.label_changes import comparison_of
from quarry.label_history import history_path
from quarry.relabelling import regrade
from quarry.sandbox.limits import Limits
from quarry.tables import read_table, write_table
from quarry.trajectory.digests import file_digest
from quarry.trajectory.manifest import manifest_path
from tests.integration.small_platform import (
    SmallPlatform,
    all_succeeded,
    open_platform,
    write_catalog,
)

DERIVED = ("correctness_labels", "labelled_trajectories", "label_changes", "remote_labels")
POINTER = "dagster/input_event_pointer/"
OF_ONE_RUN = {"bytes_sent", "seconds", "megabytes_per_second", "version"}
pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning"),
    pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def grid(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: tuple[Path, Path]
) -> Iterator[SmallPlatform]:
    """A grid of three cells that is collected, labelled and copied."""
    folder = tmp_path_factory.mktemp("relabelling")
    models = {"tiny_raw": {"path": str(tiny_model[0]), "prompt_style": "raw"}}
    catalog = write_catalog(folder / "catalog.yaml", *tiny_model, models=models)
    with dg.instance_for_test() as instance:
        platform = open_platform(catalog, folder / "data", instance, store=str(folder / "store"))
        all_succeeded(list(platform.launcher.samples()))
        all_succeeded(list(platform.launcher.cells(platform.cells)))
        yield platform


@pytest.fixture
def settled(grid: SmallPlatform) -> SmallPlatform:
    """The grid with nothing due."""
    assert due(grid) == {}
    return grid


def plans(grid: SmallPlatform, cells: Sequence[str] = ()) -> list[CellPlan]:
    directory = DataDirectory(grid.data_dir)
    return plan_cells(grid.instance, directory, grid.grid, cells, every=False, has_store=True)


def due(grid: SmallPlatform) -> dict[str, tuple[str, ...]]:
    """Steps of every cell that has any."""
    return {plan.partition: plan.steps for plan in plans(grid) if plan.steps}


def relabel(grid: SmallPlatform, *cells: str, every: bool = False) -> None:
    outcome = grid.launcher.relabel(cells, every=every)
    assert outcome.is_success, outcome.reason


def labels_path(grid: SmallPlatform, cell: str) -> Path:
    return grid.data_dir / TrajectoryKey.from_partition(cell).labels_path


def age(grid: SmallPlatform, cell: str) -> str:
    """Make labels those of an older grader: another version, a column less, a verdict wrong.

    Returns:
        The sample whose verdict is another one.
    """
    labels = read_table(labels_path(grid, cell))
    labels["grader_version"] = "0"
    labels.loc[0, "verdict"] = "timeout"
    write_table(labels.drop(columns="is_officially_correct"), labels_path(grid, cell))
    return str(labels.loc[0, "sample_id"])


def latest(grid: SmallPlatform, asset: str, cell: str) -> dg.AssetMaterialization:
    wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[cell])
    event = grid.instance.fetch_materializations(wanted, limit=1).records[0].asset_materialization
    assert event is not None
    return event


def times_materialised(grid: SmallPlatform, cell: str) -> int:
    wanted = dg.AssetRecordsFilter(dg.AssetKey("correctness_labels"), asset_partitions=[cell])
    return len(grid.instance.fetch_materializations(wanted, limit=100).records)


def statuses(grid: SmallPlatform) -> set[str]:
    """How the UI shows all that is derived from outputs."""
    resolver = CachingStaleStatusResolver(
        grid.instance, grid.defs.resolve_asset_graph(), LoadingContextForTest(grid.instance)
    )
    return {
        resolver.get_status(dg.AssetKey(name), cell).value
        for name in DERIVED
        for cell in grid.cells
    }


def unverified(grid: SmallPlatform) -> list[str]:
    """Cells with a check that has not looked at them since they were made."""
    labels, changes = (*LABEL_CHECKS, CURRENT), CHANGE_CHECKS
    return [
        cell
        for asset, checks in (("correctness_labels", labels), ("label_changes", changes))
        for cell in grid_state(
            grid.instance, asset, [check.name for check in checks], grid.grid.cells
        ).unverified
    ]


def test_after_the_assets_own_runs_nothing_is_due(settled: SmallPlatform):
    assert {plan.labelling for plan in plans(settled)} == {"current"}


def test_what_one_run_records_is_what_each_assets_own_run_records(settled: SmallPlatform):
    cell = settled.cells[0]
    age(settled, cell)
    job = settled.defs.resolve_job_def("relabel_cells")
    assert job.execute_in_process(instance=settled.instance, partition_key=cell).success
    assert history_path(labels_path(settled, cell), "0").exists()
    own = {asset: latest(settled, asset, cell) for asset in DERIVED}
    relabel(settled, cell, every=True)
    for asset in DERIVED:
        before, after = own[asset], latest(settled, asset, cell)
        assert after is not before
        pointers = [
            {name: text for name, text in (event.tags or {}).items() if name.startswith(POINTER)}
            for event in (before, after)
        ]
        assert pointers[0].keys() == pointers[1].keys()
        rest = [
            {name: text for name, text in (event.tags or {}).items() if name not in pointers[0]}
            for event in (before, after)
        ]
        assert rest[0] == rest[1], asset
        assert before.partition == after.partition
        assert before.metadata.keys() == after.metadata.keys(), asset
        for name in before.metadata.keys() - OF_ONE_RUN - {"balance"}:
            assert before.metadata[name] == after.metadata[name], name
    assert statuses(settled) == {"FRESH"}
    assert unverified(settled) == []


def test_only_cells_with_labels_of_an_older_grader_are_graded(settled: SmallPlatform):
    aged, other = settled.cells[0], settled.cells[1]
    sample = age(settled, aged)
    (plan,) = (plan for plan in plans(settled) if plan.steps)
    assert (plan.partition, plan.labelling) == (aged, "stale")
    assert plan.steps == ("grade", "record", "check", "copy")
    assert "another version of the grader" in plan.sentence()
    assert "no is_officially_correct" in plan.sentence()
    untouched = times_materialised(settled, other)

    relabel(settled)

    assert due(settled) == {}
    assert times_materialised(settled, other) == untouched
    kept = read_table(history_path(labels_path(settled, aged), "0"))
    assert kept["verdict"].tolist()[0] == "timeout"
    changes = read_table(settled.data_dir / TrajectoryKey.from_partition(aged).changes_path)
    assert changes["sample_id"].tolist() == [sample]
    assert changes["verdict_before"].tolist() == ["timeout"]
    figures = comparison_of(changes)
    assert (figures.version_before, figures.n_rows, figures.n_verdicts_moved) == ("0", 5, 1)
    shown = latest(settled, "label_changes", aged).metadata
    assert shown["verdicts_moved"] == dg.IntMetadataValue(1)
    flood = grid_state(settled.instance, "label_changes", ["few_labels_moved"], settled.grid.cells)
    assert list(flood.failed) == [aged]
    assert statuses(settled) == {"FRESH"}
    copies = {copy.name: copy.blake3 for copy in settled.store.open().objects("labels/")}
    name = str(TrajectoryKey.from_partition(aged).labels_path)
    assert copies[name] == file_digest(labels_path(settled, aged))


def test_labels_that_were_published_and_not_recorded_are_recorded_and_not_graded(
    settled: SmallPlatform,
):
    cell = settled.cells[1]
    age(settled, cell)
    key, directory = TrajectoryKey.from_partition(cell), DataDirectory(settled.data_dir)
    relabel(settled, cell)
    age(settled, cell)
    labels = read_table(directory.labels(key))
    labels["target"] = "0"  # so that the labels have another data version than those on record
    write_table(labels, directory.labels(key))
    regrade(directory, key, Limits(), log=lambda _: None)
    settled.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            "correctness_labels", partition=cell, tags={"dagster/data_version": "older"}
        )
    )
    assert due(settled) == {cell: ("record", "check", "copy")}
    before = labels_path(settled, cell).stat().st_mtime_ns
    relabel(settled)
    assert due(settled) == {}
    assert labels_path(settled, cell).stat().st_mtime_ns == before
    assert statuses(settled) == {"FRESH"}


def test_a_kill_before_the_copy_of_labels_that_say_the_same_leaves_the_copy_due(
    settled: SmallPlatform,
):
    cell = settled.cells[1]
    key, directory = TrajectoryKey.from_partition(cell), DataDirectory(settled.data_dir)
    assert key.task == "humaneval"
    before = file_digest(directory.labels(key))
    labels = read_table(directory.labels(key))
    evidence = [json.dumps({**json.loads(text), "wall_s": 9.5}) for text in labels["evidence"]]
    write_table(labels.assign(evidence=evidence), directory.labels(key))
    assert file_digest(directory.labels(key)) != before
    assert due(settled) == {cell: ("copy",)}
    relabel(settled)
    assert due(settled) == {}
    copies = {copy.name: copy.blake3 for copy in settled.store.open().objects("labels/")}
    assert copies[str(key.labels_path)] == file_digest(directory.labels(key))


def test_a_cell_that_can_not_be_done_fails_the_run_after_all_others_are_done(
    settled: SmallPlatform,
):
    aged, broken = settled.cells[0], settled.cells[2]
    age(settled, aged)
    manifest = manifest_path(settled.file_of(broken))
    aside = manifest.rename(manifest.with_suffix(".aside"))
    try:
        outcome = settled.launcher.relabel((), every=False)
        assert not outcome.is_success
        assert broken in outcome.reason
        assert "1 cells" in outcome.reason
        assert [plan.partition for plan in plans(settled) if plan.is_blocked] == [broken]
        assert due(settled) == {}
    finally:
        aside.rename(manifest)


def test_an_outage_of_the_store_costs_the_copies_and_no_labels(settled: SmallPlatform):
    for cell in settled.cells[:2]:
        age(settled, cell)
        settled.instance.report_runless_asset_event(
            dg.AssetMaterialization("remote_labels", partition=cell)
        )
    store = Path(settled.store.place)
    aside = store.rename(store.with_name("aside"))
    store.write_text("no directory")
    try:
        outcome = settled.launcher.relabel((), every=False)
        assert not outcome.is_success
        assert due(settled) == dict.fromkeys(settled.cells[:2], ("copy",))
    finally:
        store.unlink()
        aside.rename(store)
    relabel(settled)
    assert due(settled) == {}


def test_a_cell_that_is_not_in_the_grid_is_refused(settled: SmallPlatform):
    with pytest.raises(UnknownNameError, match="not in the grid"):
        plans(settled, ["gsm8k-1shot|nobody"])
    assert not settled.launcher.relabel(["gsm8k-1shot|nobody"], every=False).is_success
