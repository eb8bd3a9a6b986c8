"""A grid from end to end through Dagster: collected, damaged, found, restored."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import h5py
import numpy as np
import pandas as pd
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from assets.check_state import grid_state
from assets.trajectory_checks import NAMES
from quarry.audit.cell import CellStatus
from quarry.keys import TrajectoryKey
from tests.integration.small_platform import SmallPlatform, all_succeeded


def zero_a_page(platform: SmallPlatform, cell: str) -> None:
    """Zero 4 KiB inside stored activations; the size stays."""
    path = platform.file_of(cell)
    with h5py.File(path) as file:
        chunk = file["trajectories"].id.get_chunk_info(0)
    with path.open("r+b") as file:
        file.seek(chunk.byte_offset + chunk.size // 4)
        file.write(bytes(4096))


def truncate(platform: SmallPlatform, cell: str) -> None:
    """Cut the last tenth of a file off."""
    path = platform.file_of(cell)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size * 9 // 10)


def test_every_cell_is_collected_verified_and_labelled(platform: SmallPlatform):
    grid = platform.defs.resolve_assets_def("trajectories").partitions_def
    assert grid is not None
    assert len(platform.cells) == 6
    assert grid_state(platform.instance, "trajectories", NAMES, grid).is_intact
    assert platform.damaged() == {}
    assert not platform.launcher.unlabelled()


def test_every_cell_says_which_device_was_leased_for_it(platform: SmallPlatform):
    made = platform.instance.fetch_materializations(dg.AssetKey("trajectories"), limit=100).records
    facts = [
        record.asset_materialization.metadata for record in made if record.asset_materialization
    ]
    leases = {(str(one["device"].value), Path(str(one["lease"].value)).name) for one in facts}
    assert leases == {("cpu", "cpu.lock")}
    log = [one.user_message for one in platform.instance.all_logs(made[0].run_id)]
    assert [line for line in log if line.startswith("leased cpu")]


def test_plain_h5py_reads_the_six_datasets_with_the_newest_labels(platform: SmallPlatform):
    cell = platform.cells[0]
    key = TrajectoryKey.from_partition(cell)
    labels = pd.read_parquet(platform.data_dir / key.labels_path)
    with h5py.File(platform.file_of(cell)) as file:
        assert file["trajectories"].shape[0] == file["sequence_lengths"].shape[0] == 5
        assert file["is_correct"][:].tolist() == labels["is_correct"].tolist()
        assert file["prompts"].asstr()[0].startswith("Question:")
    with h5py.File(platform.data_dir / key.labelled_path) as view:
        length = view["sequence_lengths"][0]
        assert np.isfinite(view["trajectories"][0, :length]).all()
        assert view["is_correct"].shape == (5,)


@pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning")
def test_damage_is_found_marked_and_restored_exactly_where_it_is(platform: SmallPlatform):
    cut, zeroed, deleted = platform.cells[1], platform.cells[3], platform.cells[4]
    truncate(platform, cut)
    zero_a_page(platform, zeroed)
    platform.file_of(deleted).unlink()

    failed = [o.partition for o in platform.launcher.verify(platform.cells) if not o.is_success]
    assert set(failed) == {cut, zeroed, deleted}
    assert platform.damaged() == {
        cut: CellStatus.CORRUPTED,
        zeroed: CellStatus.CORRUPTED,
        deleted: CellStatus.MISSING,
    }
    assert asked_by_sensor(platform, "mark_damaged_cells") == {cut, zeroed, deleted}
    assert set(platform.launcher.mark_damaged()) == {cut, zeroed, deleted}
    assert asked_by_sensor(platform, "mark_damaged_cells") == set()
    assert platform.launcher.failed() == {cut, zeroed, deleted}
    assert not platform.launcher.roll_up().is_success or _roll_up_failed(platform)

    all_succeeded(list(platform.launcher.cells(sorted(platform.launcher.failed()))))
    assert platform.damaged() == {}
    assert platform.launcher.failed() == set()
    platform.launcher.roll_up()
    assert not _roll_up_failed(platform)


def asked_by_sensor(platform: SmallPlatform, sensor: str) -> set[str]:
    """Partitions that a sensor would launch now."""
    repository = platform.defs.get_repository_def()
    with dg.build_sensor_context(instance=platform.instance, repository_def=repository) as context:
        tick = repository.get_sensor_def(sensor).evaluate_tick(context)
    return {str(request.partition_key) for request in tick.run_requests or []}


def test_the_schedule_asks_for_the_checks_of_every_collected_cell(platform: SmallPlatform):
    repository = platform.defs.get_repository_def()
    now = datetime.now(UTC)
    with dg.build_schedule_context(platform.instance, now, repository_def=repository) as context:
        tick = repository.get_schedule_def("verify_every_cell").evaluate_tick(context)
    requests = tick.run_requests or []
    assert {request.tags["dagster/partition"] for request in requests} == set(platform.cells)
    assert {len(request.asset_check_keys or []) for request in requests} == {6}


def _roll_up_failed(platform: SmallPlatform) -> bool:
    """Whether the last verdict of `all_partitions_intact` is a failure."""
    key = dg.AssetCheckKey(dg.AssetKey("trajectories"), "all_partitions_intact")
    history = platform.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert history[0].event is not None
    evaluation = history[0].event.get_dagster_event().asset_check_evaluation_data
    return not evaluation.passed


def test_a_repeated_collection_has_the_same_data_version(platform: SmallPlatform):
    cell = platform.cells[2]
    key = dg.AssetKey("trajectories")

    def version() -> str:
        record = platform.instance.fetch_materializations(
            dg.AssetRecordsFilter(key, asset_partitions=[cell]), limit=1
        ).records[0]
        assert record.asset_materialization is not None
        return (record.asset_materialization.tags or {})["dagster/data_version"]

    before = version()
    all_succeeded(list(platform.launcher.cells([cell])))
    assert version() == before


def test_the_audit_asset_writes_its_four_files(platform: SmallPlatform):
    all_succeeded([platform.launcher.audit()])
    written = {path.name for path in (platform.data_dir / "audit").iterdir()}
    assert written == {"audit.md", "audit.csv", "audit.html", "audit.json"}


def stale_statuses(defs: dg.Definitions, instance: dg.DagsterInstance, cell: str) -> dict[str, str]:
    """Stale status of every asset of a cell."""
    resolver = CachingStaleStatusResolver(
        instance, defs.resolve_asset_graph(), LoadingContextForTest(instance)
    )
    names = ("trajectories", "correctness_labels", "labelled_trajectories", "label_changes")
    return {name: resolver.get_status(dg.AssetKey(name), cell).value for name in names}


@pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")
@pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning")
def test_a_new_grader_version_makes_labels_stale_and_not_trajectories(platform: SmallPlatform):
    cell = platform.cells[0]
    fresh = StaleStatus.FRESH.value
    assert set(stale_statuses(platform.defs, platform.instance, cell).values()) == {fresh}
    raised = platform.defs.map_resolved_asset_specs(
        func=lambda spec: spec.replace_attributes(code_version=f"{spec.code_version}, next"),
        selection="correctness_labels",
    )
    after = stale_statuses(raised, platform.instance, cell)
    assert after["correctness_labels"] == StaleStatus.STALE.value
    assert after["trajectories"] == fresh
