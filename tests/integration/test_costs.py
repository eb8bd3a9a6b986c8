"""What a cell cost is on its page and in the log, and what the next one costs is told from that."""

from datetime import UTC, datetime
from statistics import median

import dagster as dg
import pytest

from quarry.audit.cell import CellStatus
from quarry.audit.survey import survey
from quarry.costs.grid import GridCosts
from quarry.costs.log import CostLog
from quarry.data_directory import DataDirectory
from quarry.healing.health import CellHealth
from quarry.healing.policy import plan_healing
from quarry.keys import TrajectoryKey
from sensors.attempts import attempts
from sensors.health import grid_health
from tests.integration.small_platform import SmallPlatform, all_succeeded

RATES = {"output_tokens_per_s", "total_tokens_per_s", "samples_per_s"}
COSTS = {"wall_hours", "engine_start_s", "peak_memory_bytes"}


def metadata_of(platform: SmallPlatform, asset: str, cell: str | None = None) -> dict[str, object]:
    """Plain values of an asset's latest materialisation, of one partition."""
    (record,) = platform.instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[cell] if cell else None),
        limit=1,
    ).records
    event = record.asset_materialization
    assert event is not None
    return {name: value.value for name, value in event.metadata.items()}


def health_of(platform: SmallPlatform) -> list[CellHealth]:
    directory = DataDirectory(platform.data_dir)
    return grid_health(
        platform.instance, platform.grid, platform.catalog, directory, platform.store
    ).cells


def test_a_cells_page_shows_rates_hours_and_memory_as_numbers(platform: SmallPlatform):
    for cell in platform.cells:
        shown = metadata_of(platform, "trajectories", cell)
        assert all(float(str(shown[name])) > 0 for name in RATES | COSTS)
        assert shown["gpu_hours"] == 0.0
        assert "engine_remarks" not in shown


def test_every_cell_left_one_record_of_what_its_page_shows(platform: SmallPlatform):
    records = CostLog(DataDirectory(platform.data_dir).costs).read().records
    assert sorted(one.key.partition for one in records) == sorted(platform.cells)
    for one in records:
        shown = metadata_of(platform, "trajectories", one.key.partition)
        assert (one.outcome, one.n_samples, one.engine) == ("staged", 5, "transformers")
        assert one.output_tokens / one.run_s == pytest.approx(shown["output_tokens_per_s"], rel=0.1)
        assert one.written_bytes == shown["size_bytes"]


def test_the_run_log_says_how_the_engine_started_and_how_fast_it_is(platform: SmallPlatform):
    lines = [
        entry.user_message
        for run in platform.instance.get_runs()
        for entry in platform.instance.all_logs(run.run_id)
    ]
    assert sum(line.startswith("engine transformers on cpu: started in") for line in lines) == 6
    assert sum(line.endswith("output tokens/s") for line in lines) == 6


def test_a_lost_cell_is_planned_and_healed_at_what_it_cost(platform: SmallPlatform):
    cell = platform.cells[0]
    key = TrajectoryKey.from_partition(cell)
    kept = platform.file_of(cell).read_bytes()
    platform.file_of(cell).unlink()
    audit = survey(platform.catalog, platform.data_dir)
    (row,) = [row for row in audit.plan if row.status is CellStatus.MISSING]
    assert (row.action, row.cost.basis) == ("collect", "1 earlier run of this cell")
    assert row.gpu_hours == 0.0
    records = CostLog(DataDirectory(platform.data_dir).costs).read().records
    run_s = next(one.run_s for one in records if one.key == key)
    start_s = median(one.start_s for one in records if one.model == key.model)
    assert row.cost.wall_hours is not None
    assert row.cost.wall_hours.likely == pytest.approx((run_s + start_s) / 3600)
    assert next(one for one in health_of(platform) if one.key == key).gpu_hours == 0.0
    all_succeeded([platform.launcher.audit()])
    shown = metadata_of(platform, "collection_audit")
    assert shown["plan_gpu_hours"] == 0.0
    assert shown["plan_wall_hours"] == pytest.approx(row.cost.wall_hours.likely)
    assert "1 earlier run of this cell" in str(shown["audit"])
    platform.file_of(cell).write_bytes(kept)


def test_a_cell_that_was_never_run_costs_what_others_did(platform: SmallPlatform):
    never = TrajectoryKey(platform.catalog.cells()[0].model, platform.catalog.cells()[0].task, 7)
    estimate = GridCosts(platform.catalog, platform.data_dir).of(never)
    assert estimate.source == "model and task"


def test_healing_counts_what_a_run_really_took(platform: SmallPlatform):
    cell, now = platform.cells[1], datetime.now(UTC)
    DataDirectory(platform.data_dir).costs.unlink()
    platform.file_of(cell).unlink()
    (step,) = plan_healing(health_of(platform), [], platform.catalog.heal, now).steps
    assert (step.action, step.gpu_hours) == ("recollect", 1.5)
    all_succeeded([platform.launcher.heal(step)])
    (attempt,) = attempts(platform.instance, datetime.now(UTC))
    assert (attempt.outcome, attempt.gpu_hours) == ("healed", 0.0)
