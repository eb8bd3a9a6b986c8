"""What ticks read of a grid is what Dagster says of it, and a second tick reads it from memory."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.definitions.temporal_context import TemporalContext
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionResolvedStatus
from dagster._core.storage.event_log.base import AssetRecord, EventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._time import get_current_datetime

import bench.large_grid_events
import quarry.unchanged_files
from assets.check_state import GridState, grid_state, proofs
from assets.latest import latest_materializations
from assets.partitions import build_grid
from assets.specs import BENCHMARK_SAMPLES, CORRECTNESS_LABELS, LABEL_CHANGES, TRAJECTORIES
from assets.staleness import stale_among, stale_partitions
from assets.trajectory_checks import NAMES
from bench.large_grid_events import make_instance
from bench.large_grid_files import make_files, open_grid
from bench.large_grid_measures import Platform
from quarry.adoption.cell_files import files_in_place
from quarry.trajectory.looks import light_look
from quarry.trajectory.manifest import manifest_path

MADE_OF_OTHERS = (TRAJECTORIES.name, CORRECTNESS_LABELS.name, LABEL_CHANGES.name)
ROOT = Path(__file__).resolve().parents[2]
STATUS = AssetCheckExecutionResolvedStatus


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """Eight cells: one was never collected, two have rotted, one of which was marked."""
    monkeypatch.setattr(bench.large_grid_events, "EVERY_ROTTEN", 4)
    grid = open_grid(tmp_path, n_models=2, n_benchmarks=4)
    make_files(grid, 1)
    with make_instance(grid, tmp_path / "dagster", ROOT / "dagster.yaml") as instance:
        yield Platform.of(grid, instance)


def told_by_dagster(platform: Platform) -> GridState:
    """The verdicts by Dagster's own, slow way."""
    cells = build_grid(platform.grid.catalog).cells
    keys = [dg.AssetCheckKey(dg.AssetKey(TRAJECTORIES.name), name) for name in NAMES]
    log = platform.instance.event_log_storage  # asked past our own way in quarry_dagster
    states = EventLogStorage.get_asset_check_state(log, [(key, cells) for key in keys])
    made = platform.instance.get_materialized_partitions(dg.AssetKey(TRAJECTORIES.name))
    failed: dict[str, list[str]] = {}
    unverified: dict[str, list[str]] = {}
    for key in keys:
        by_status = {
            status: set(subset.subset_value.get_partition_keys())
            for status, subset in states[key].subsets.items()
        }
        settled = by_status[STATUS.FAILED] | by_status[STATUS.SUCCEEDED]
        for partition in by_status[STATUS.FAILED]:
            failed.setdefault(partition, []).append(key.name)
        for partition in made - settled - by_status[STATUS.IN_PROGRESS]:
            unverified.setdefault(partition, []).append(key.name)
    return GridState(failed, unverified)


def told_here(platform: Platform) -> GridState:
    """The verdicts as sensors read them."""
    cells = build_grid(platform.grid.catalog).cells
    return grid_state(platform.instance, TRAJECTORIES.name, NAMES, cells)


def looking(platform: Platform) -> tuple[AssetGraphView, CachingStaleStatusResolver]:
    """What a tick looks with, which begins now."""
    graph, log = platform.defs.resolve_asset_graph(), platform.instance.event_log_storage
    moment = TemporalContext(
        effective_dt=get_current_datetime(), last_event_id=log.get_maximum_record_id()
    )
    view = AssetGraphView(temporal_context=moment, instance=platform.instance, asset_graph=graph)
    return view, CachingStaleStatusResolver(platform.instance, graph, view)


def stale_by_dagster(platform: Platform, asset: str) -> list[str]:
    """Cells that are out of date by Dagster's own, slow way."""
    _, resolver = looking(platform)
    cells = (cell.partition for cell in platform.grid.catalog.cells())
    key = dg.AssetKey(asset)
    return [cell for cell in cells if resolver.get_status(key, cell) == StaleStatus.STALE]


def stale_here(platform: Platform, asset: str) -> list[str]:
    """The same as sensors and commands read it."""
    graph = platform.defs.resolve_asset_graph()
    cells = [cell.partition for cell in platform.grid.catalog.cells()]
    return stale_partitions(graph, platform.instance, asset, cells)


def materialize(
    platform: Platform, asset: str, partition: str, version: str, made_of: Mapping[str, str] = {}
) -> None:
    """Record that a partition was made again."""
    tags = {**made_of, "dagster/data_version": version}
    event = dg.AssetMaterialization(asset, partition=partition, tags=tags)
    platform.instance.report_runless_asset_event(event)


def test_verdicts_are_those_of_dagster_before_and_after_a_change(platform: Platform) -> None:
    before = told_here(platform)
    assert before == told_by_dagster(platform)
    assert len(before.failed) == 2
    cell = platform.grid.collected[0].partition
    materialize(platform, TRAJECTORIES.name, cell, "new")
    assert told_here(platform) == told_by_dagster(platform)
    assert told_here(platform).unverified == {cell: list(NAMES)}


@pytest.mark.parametrize(
    ("changed", "version"), [("trajectories", "new"), ("samples", "new"), ("nothing", "")]
)
def test_stale_partitions_are_those_of_dagster(
    platform: Platform, changed: str, version: str
) -> None:
    key = platform.grid.collected[0]
    if changed == "trajectories":
        materialize(platform, TRAJECTORIES.name, key.partition, version)
    elif changed == "samples":
        materialize(platform, BENCHMARK_SAMPLES.name, key.benchmark, version)
    n_stale = 0
    for asset in MADE_OF_OTHERS:
        expected = stale_by_dagster(platform, asset)
        assert stale_here(platform, asset) == expected
        n_stale += len(expected)
    assert bool(n_stale) == (changed != "nothing")


def test_what_dagster_said_of_a_partition_holds_until_an_event_concerns_it(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[AssetKeyPartitionKey] = []
    cell = platform.grid.collected[0]
    labels = CORRECTNESS_LABELS.name
    newest = latest_materializations(platform.instance, TRAJECTORIES.name)[cell.partition]
    same = newest.tags["dagster/data_version"]
    steps = (
        lambda: materialize(platform, TRAJECTORIES.name, cell.partition, same),
        lambda: materialize(platform, TRAJECTORIES.name, cell.partition, "new"),
        lambda: materialize(platform, TRAJECTORIES.name, cell.partition, same),
        lambda: materialize(platform, BENCHMARK_SAMPLES.name, cell.benchmark, "new"),
        lambda: materialize(platform, labels, cell.partition, "without what it was made from"),
        lambda: platform.instance.wipe_assets([dg.AssetKey(labels)]),
    )
    real = CachingStaleStatusResolver._get_status

    def counted(resolver: CachingStaleStatusResolver, key: AssetKeyPartitionKey) -> StaleStatus:
        asked.append(key)
        return real(resolver, key)

    said: list[bool] = []
    for step in steps:
        step()
        expected = stale_by_dagster(platform, labels)
        with monkeypatch.context() as patched:
            patched.setattr(CachingStaleStatusResolver, "_get_status", counted)
            assert stale_here(platform, labels) == expected
            n_asked = len(asked)
            assert stale_here(platform, labels) == expected
            assert len(asked) == n_asked
        said.append(cell.partition in expected)
    assert asked
    assert {True, False} == set(said)


def test_the_deletion_of_a_run_is_noticed_whose_event_was_compared_with(platform: Platform) -> None:
    cell, labels = platform.grid.collected[0].partition, CORRECTNESS_LABELS.name
    old = latest_materializations(platform.instance, TRAJECTORIES.name)[cell]
    tags = latest_materializations(platform.instance, labels)[cell].tags
    materialize(platform, labels, cell, "labels", made_of=tags)
    materialize(platform, TRAJECTORIES.name, cell, old.tags["dagster/data_version"])
    assert stale_here(platform, labels) == stale_by_dagster(platform, labels) == []
    platform.instance.delete_run(old.run_id)
    assert stale_here(platform, labels) == stale_by_dagster(platform, labels) == [cell]


def test_what_is_first_made_during_a_tick_is_asked_again_by_the_next(platform: Platform) -> None:
    cell, labels = platform.grid.collected[0].partition, dg.AssetKey(CORRECTNESS_LABELS.name)
    platform.instance.wipe_assets([labels])
    view, resolver = looking(platform)
    AssetRecord.blocking_get(view, labels)  # as a tick does at once, and keeps it
    materialize(platform, CORRECTNESS_LABELS.name, cell, "without what it was made from")
    materialize(platform, TRAJECTORIES.name, cell, "new")
    others = [one.partition for one in platform.grid.collected]
    assert stale_among(view, resolver, labels, others) == []
    expected = stale_by_dagster(platform, CORRECTNESS_LABELS.name)
    assert stale_here(platform, CORRECTNESS_LABELS.name) == expected == [cell]


def test_events_are_read_once_and_new_ones_alone(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    fetch = SqliteEventLogStorage.fetch_materializations

    def counted(storage: Any, *arguments: Any, **named: Any) -> Any:
        result = fetch(storage, *arguments, **named)
        read.append(len(result.records))
        return result

    monkeypatch.setattr(SqliteEventLogStorage, "fetch_materializations", counted)
    first = latest_materializations(platform.instance, TRAJECTORIES.name)
    assert latest_materializations(platform.instance, TRAJECTORIES.name) == first
    cell = platform.grid.collected[0].partition
    materialize(platform, TRAJECTORIES.name, cell, "new")
    again = latest_materializations(platform.instance, TRAJECTORIES.name)
    assert read == [len(platform.grid.collected), 1]
    assert again[cell].tags["dagster/data_version"] == "new"


def test_a_wiped_asset_has_no_verdicts(platform: Platform) -> None:
    told_here(platform)
    platform.instance.wipe_assets([dg.AssetKey(TRAJECTORIES.name)])
    assert told_here(platform) == told_by_dagster(platform)
    assert latest_materializations(platform.instance, TRAJECTORIES.name) == {}


def test_every_cell_was_proven_by_its_latest_verdict(platform: Platform) -> None:
    cells = build_grid(platform.grid.catalog).cells
    known = proofs(platform.instance, TRAJECTORIES.name, "chunks_intact", cells)
    assert known.keys() == {key.partition for key in platform.grid.collected}
    assert all(proof.checked_at is not None for proof in known.values())


def test_a_steady_look_at_the_grid_opens_no_file(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarry.unchanged_files, "_RACY_NS", -(10**9))
    grid = platform.grid
    paths = [grid.directory.trajectory(key) for key in grid.collected]
    opened: list[str] = []
    for name in ("open", "read_bytes"):
        real = getattr(Path, name)

        def counted(path: Path, *arguments: Any, real: Any = real, **named: Any) -> Any:
            opened.append(path.name)
            return real(path, *arguments, **named)

        monkeypatch.setattr(Path, name, counted)

    def look() -> None:
        files_in_place(grid.directory.root, grid.collected)
        for path in paths:
            light_look(path)

    look()
    n_first = len(opened)
    look()
    assert n_first > 0
    assert len(opened) == n_first
    manifest_path(paths[0]).write_text("{}")
    assert not light_look(paths[0]).is_clean
    assert files_in_place(grid.directory.root, grid.collected[:1])[0].manifest is None
