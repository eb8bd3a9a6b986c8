"""Following backfills in the instance: no end of a run is missed, and retries count."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.dagster_run import DagsterRunStatus
from dagster._core.storage.tags import BACKFILL_ID_TAG, PARTITION_NAME_TAG
from dagster._core.test_utils import create_run_for_test

from sensors.backfill_watch import BackfillWatch

CELLS = ("gsm8k-1shot|small", "logiqa-1shot|small")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def backfill(instance: dg.DagsterInstance) -> PartitionBackfill:
    """One that goes on."""
    found = PartitionBackfill(
        "ours",
        BulkActionStatus.REQUESTED,
        from_failure=False,
        tags={},
        backfill_timestamp=1.0,
        asset_selection=[dg.AssetKey("trajectories")],
    )
    instance.add_backfill(found)
    return found


def run(
    instance: dg.DagsterInstance, partition: str, status: DagsterRunStatus, *assets: str
) -> dg.DagsterRun:
    return create_run_for_test(
        instance,
        "made",
        status=status,
        tags={BACKFILL_ID_TAG: "ours", PARTITION_NAME_TAG: partition},
        asset_selection=frozenset(map(dg.AssetKey, assets)) or None,
    )


def end(instance: dg.DagsterInstance, run: dg.DagsterRun, at: datetime) -> None:
    """What a worker's event of success does, at the worker's own time."""
    event = dg.DagsterEvent(event_type_value="PIPELINE_SUCCESS", job_name="made")
    instance.run_storage.handle_run_event(run.run_id, event, at)


@pytest.mark.parametrize("is_over", [False, True])
def test_an_end_is_seen_whatever_the_clock_of_its_worker_says(
    instance: dg.DagsterInstance, is_over: bool
):
    ours, now = backfill(instance), datetime.now(UTC)
    runs = [run(instance, cell, DagsterRunStatus.STARTED) for cell in CELLS]
    watch = BackfillWatch(instance, ["ours"], CELLS)
    assert watch.look().n_running == 2
    end(instance, runs[0], now + timedelta(seconds=20))
    assert watch.look().n_done == 1
    end(instance, runs[1], now - timedelta(seconds=10))
    if is_over:
        instance.update_backfill(ours.with_status(BulkActionStatus.COMPLETED_SUCCESS))
    standing = watch.look()
    assert (standing.n_done, standing.is_over) == (2, is_over)
    assert watch.failures() == []


def test_a_run_of_a_worker_whose_clock_is_ahead_hides_no_new_run(instance: dg.DagsterInstance):
    backfill(instance)
    first = run(instance, CELLS[0], DagsterRunStatus.STARTED)
    watch = BackfillWatch(instance, ["ours"], CELLS)
    watch.look()
    end(instance, first, datetime.now(UTC) + timedelta(hours=1))
    assert watch.look().n_done == 1
    run(instance, CELLS[1], DagsterRunStatus.STARTED)
    assert watch.look().n_running == 1


def test_a_prerequisite_that_was_tried_again_with_success_has_not_failed(
    instance: dg.DagsterInstance,
):
    watch = BackfillWatch(instance, ["ours"], CELLS[:1])
    for status in (DagsterRunStatus.FAILURE, DagsterRunStatus.SUCCESS):
        run(instance, "gsm8k-1shot", status, "benchmark_samples")
    run(instance, CELLS[0], DagsterRunStatus.SUCCESS, "trajectories")
    assert watch.look().is_over
    assert watch.failures() == []


def test_a_prerequisite_that_failed_is_not_covered_by_another_of_the_same_name(
    instance: dg.DagsterInstance,
):
    watch = BackfillWatch(instance, ["ours"], CELLS[:1])
    run(instance, "small", DagsterRunStatus.FAILURE, "model_checkpoints")
    run(instance, "small", DagsterRunStatus.SUCCESS, "benchmark_samples")
    watch.look()
    assert [(one.partition, one.is_success) for one in watch.failures()] == [
        ("small", False),
        (CELLS[0], False),
    ]


def test_all_unfinished_runs_are_read_in_turn(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sensors.backfill_watch._RE_READ", 1)
    backfill(instance)
    runs = [run(instance, cell, DagsterRunStatus.STARTED) for cell in CELLS]
    watch, early = BackfillWatch(instance, ["ours"], CELLS), datetime.now(UTC) - timedelta(hours=1)
    watch.look()
    for one in runs:
        end(instance, one, early)
    # nothing changed by the clock, and one is read a look
    assert [watch.look().n_done for _ in CELLS] == [1, 2]
