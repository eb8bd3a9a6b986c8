"""The plan of a real grid: what Dagster recorded and what lies on the disk, together."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.definitions.selector import PartitionsByAssetSelector
from dagster._core.execution.backfill import PartitionBackfill

from assets.staleness import stale_partitions
from assets.what_moved import Movements
from quarry.data_directory import DataDirectory
from quarry.planning.known import KnownGrid
from quarry.planning.making import make_plan
from quarry.planning.plan import BackfillPlan
from quarry.planning.selection import PlanSelection
from sensors.backfills import backfill_params
from sensors.known_grid import known_grid
from tests.integration.small_platform import SmallPlatform, all_succeeded

pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning"),
]
ASSETS = ("trajectories", "correctness_labels", "labelled_trajectories", "label_changes")


def known(platform: SmallPlatform, defs: dg.Definitions | None = None) -> KnownGrid:
    graph = (defs or platform.defs).resolve_asset_graph()
    return known_grid(platform.instance, graph, platform.grid, has_store=False)


def plan(
    platform: SmallPlatform, *kinds: str, defs: dg.Definitions | None = None, is_deep: bool = False
) -> BackfillPlan:
    selection = PlanSelection(kinds=kinds, is_deep=is_deep)  # pyright: ignore[reportArgumentType]
    directory = DataDirectory(platform.data_dir)
    return make_plan(platform.catalog, directory, known(platform, defs), selection)


def with_next_version(platform: SmallPlatform, asset: str) -> dg.Definitions:
    """The definitions after the code of an asset has changed."""
    return platform.defs.map_resolved_asset_specs(
        func=lambda spec: spec.replace_attributes(code_version=f"{spec.code_version}, next"),
        selection=asset,
    )


@pytest.fixture
def lost(platform: SmallPlatform) -> Iterator[str]:
    """A cell whose file is gone for the time of the test."""
    cell = platform.cells[1]
    kept = platform.file_of(cell).read_bytes()
    platform.file_of(cell).unlink()
    yield cell
    platform.file_of(cell).write_bytes(kept)


def test_nothing_is_due_of_a_whole_grid(platform: SmallPlatform):
    found = plan(platform, is_deep=True)
    assert (found.rows, found.left_out, found.title) == ((), (), "nothing due")


def test_a_lost_file_is_due_and_priced_by_what_it_took(platform: SmallPlatform, lost: str):
    (row,) = plan(platform).rows
    assert (row.partition, row.action, row.why) == (lost, "collect", "missing: no file")
    assert row.estimate is not None
    assert row.estimate.basis == "1 earlier run of this cell"
    assert row.written is not None
    assert row.written.likely > 1000
    assert plan(platform, "failed", "corrupt", "stale").rows == ()


def test_lost_labels_are_made_from_the_file(platform: SmallPlatform):
    cell = platform.cells[2]
    path = DataDirectory(platform.data_dir).path_of("correctness_labels", cell)
    kept = path.read_bytes()
    path.unlink()
    (row,) = plan(platform).rows
    assert (row.partition, row.action, row.estimate) == (cell, "label", None)
    path.write_bytes(kept)


@pytest.mark.parametrize("asset", ASSETS)
def test_what_has_moved_is_what_the_ui_calls_unsynced(platform: SmallPlatform, asset: str):
    defs = with_next_version(platform, asset)
    for name in ASSETS:
        graph = defs.resolve_asset_graph()
        theirs = stale_partitions(graph, platform.instance, name, platform.cells)
        ours = Movements(platform.instance, graph).of(name)
        if name == asset:
            assert sorted(ours) == sorted(theirs) == sorted(platform.cells)
        else:  # Dagster says of what follows, too, that it is stale; here the cause alone counts
            assert ours == {}


def test_a_new_grader_asks_for_labels_and_for_nothing_else(platform: SmallPlatform):
    found = plan(platform, defs=with_next_version(platform, "correctness_labels"))
    assert found.partitions() == platform.cells
    assert {row.action for row in found.rows} == {"label"}
    assert all("an older grader made the labels" in row.why for row in found.rows)
    assert found.total.n_cells == 0


def test_samples_that_were_drawn_otherwise_make_their_cells_stale(platform: SmallPlatform):
    instance, benchmark = platform.instance, platform.grid.benchmarks.get_partition_keys()[0]
    tags = {"dagster/data_version": "another draw"}
    instance.report_runless_asset_event(
        dg.AssetMaterialization("benchmark_samples", partition=benchmark, tags=tags)
    )
    stale = [cell for cell in platform.cells if cell.startswith(f"{benchmark}|")]
    unnamed = plan(platform)
    assert unnamed.rows == (), "an intact file is collected anew only by name"
    assert [one.partition for one in unnamed.left_out] == stale
    assert all("only `--stale` by name" in one.why for one in unnamed.left_out)
    found = plan(platform, "stale")
    assert found.partitions() == stale
    assert {row.action for row in found.rows} == {"collect"}
    assert all("benchmark_samples have changed since" in row.why for row in found.rows)
    theirs = stale_partitions(
        platform.defs.resolve_asset_graph(), instance, "trajectories", platform.cells
    )
    assert sorted(theirs) == sorted(stale)
    all_succeeded([platform.launcher.materialise("benchmark_samples", benchmark)])
    assert plan(platform).rows == ()


def test_a_flipped_byte_is_found_by_reading_and_by_what_a_check_has_said(platform: SmallPlatform):
    cell = platform.cells[3]
    path = platform.file_of(cell)
    kept = path.read_bytes()
    damaged = bytearray(kept)
    damaged[len(kept) // 2] ^= 1
    path.write_bytes(damaged)
    assert plan(platform).rows == ()
    (row,) = plan(platform, is_deep=True).rows
    assert (row.partition, row.action, row.reasons[0].kind) == (cell, "collect", "corrupt")

    list(platform.launcher.verify([cell]))
    (row,) = plan(platform).rows
    assert row.why == "corrupt: chunks_intact failed"
    path.write_bytes(kept)
    all_succeeded(list(platform.launcher.verify([cell])))
    assert plan(platform).rows == ()


def test_a_cell_whose_run_failed_is_due_whatever_lies_there(platform: SmallPlatform, lost: str):
    list(platform.launcher.verify([lost]))
    assert platform.launcher.mark_damaged() == [lost]
    (row,) = plan(platform).rows
    assert [one.kind for one in row.reasons] == ["missing", "failed"]
    assert plan(platform, "failed").partitions() == [lost]


def test_cells_of_a_live_backfill_are_left_out_and_named(platform: SmallPlatform, lost: str):
    instance, graph = platform.instance, platform.defs.resolve_asset_graph()
    found = plan(platform)
    params = backfill_params(found, "collect", platform.grid, has_store=False)
    selectors = params["partitionsByAssets"]
    backfill = PartitionBackfill.from_partitions_by_assets(
        "waiting",
        graph,
        backfill_timestamp=1.0,
        tags={},
        dynamic_partitions_store=instance,
        partitions_by_assets=list(map(PartitionsByAssetSelector.from_graphql_input, selectors)),
        title=params["title"],
        description=params["description"],
        run_config=None,
    )
    instance.add_backfill(backfill)
    found = plan(platform)
    assert found.rows == ()
    assert [(one.partition, one.why) for one in found.left_out] == [
        (lost, "backfill waiting has it")
    ]


def test_what_dagster_does_not_know_is_not_collected_again(platform: SmallPlatform):
    with dg.instance_for_test() as other:
        known_elsewhere = known_grid(
            other, platform.defs.resolve_asset_graph(), platform.grid, has_store=False
        )
    directory = DataDirectory(platform.data_dir)
    found = make_plan(platform.catalog, directory, known_elsewhere, PlanSelection())
    assert found.rows == ()
    assert len(found.left_out) == len(platform.cells)
    assert all("`quarry collect` records it" in one.why for one in found.left_out)
