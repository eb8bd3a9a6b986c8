"""How Dagster behaves where quarry's design depends on it; when one fails, read decision 3."""

import dagster as dg
import pytest

from assets.check_state import cells_to_mark, grid_state, partition_tags
from tests.dagster_side.small_grid import (
    CELLS,
    FILES,
    GRID,
    INTACT,
    check_state,
    grid_with_real_runner,
    small_grid,
    statuses,
)


@pytest.fixture
def instance():
    with dg.instance_for_test() as instance:
        yield instance


def materialise_all(defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
    job = defs.resolve_implicit_global_asset_job_def()
    for cell in CELLS:
        job.execute_in_process(partition_key=cell, instance=instance, raise_on_error=False)


def verify(defs: dg.Definitions, instance: dg.DagsterInstance, cell: str) -> bool:
    job = defs.resolve_job_def("verify")
    return job.execute_in_process(
        tags=partition_tags(cell), instance=instance, raise_on_error=False
    ).success


def test_a_check_has_a_verdict_for_each_partition(instance):
    defs = small_grid(damaged={CELLS[0]})
    materialise_all(defs, instance)
    assert check_state(instance) == {"FAILED": {CELLS[0]}, "SUCCEEDED": set(CELLS[1:])}


def test_a_failed_blocking_check_stops_what_depends_on_it(instance):
    materialise_all(small_grid(damaged={CELLS[0]}), instance)
    assert instance.get_materialized_partitions(dg.AssetKey("labels")) == set(CELLS[1:])


def test_a_failed_blocking_check_leaves_its_partition_materialised(instance):
    materialise_all(small_grid(damaged={CELLS[0]}), instance)
    assert statuses(instance)[CELLS[0]] == "MATERIALIZED"


def test_a_check_only_run_gets_its_partition_from_tags_and_not_from_a_partition_key(instance):
    damaged: set[str] = set()
    defs = small_grid(damaged)
    materialise_all(defs, instance)
    damaged.add(CELLS[1])
    with pytest.raises(Exception, match="no PartitionsDefinition shared"):
        defs.resolve_job_def("verify").execute_in_process(partition_key=CELLS[1], instance=instance)
    assert not verify(defs, instance, CELLS[1])
    assert check_state(instance)["FAILED"] == {CELLS[1]}


def test_a_verify_only_run_without_checks_fails_the_partition_and_keeps_the_verdict(instance):
    damaged: set[str] = set()
    defs = small_grid(damaged)
    materialise_all(defs, instance)
    damaged.add(CELLS[2])
    verify(defs, instance, CELLS[2])
    assert [cell for cell, _ in cells_to_mark(instance, "files", ["intact"], GRID)] == [CELLS[2]]
    defs.resolve_job_def("mark").execute_in_process(
        partition_key=CELLS[2],
        run_config={"ops": {"files": {"config": {"verify_only": True}}}},
        instance=instance,
        raise_on_error=False,
    )
    assert statuses(instance)[CELLS[2]] == "FAILED"
    assert check_state(instance)["FAILED"] == {CELLS[2]}
    assert cells_to_mark(instance, "files", ["intact"], GRID) == []


def test_a_new_materialisation_clears_failure_and_verdict(instance):
    damaged = {CELLS[0]}
    defs = small_grid(damaged)
    materialise_all(defs, instance)
    damaged.clear()
    job = defs.resolve_implicit_global_asset_job_def()
    job.execute_in_process(partition_key=CELLS[0], instance=instance)
    assert check_state(instance) == {"SUCCEEDED": set(CELLS)}
    assert grid_state(instance, "files", ["intact"], GRID).is_intact


def test_the_state_of_the_grid_names_failed_and_unverified_partitions(instance):
    defs = small_grid(damaged={CELLS[0]})
    materialise_all(defs, instance)
    job = defs.resolve_implicit_global_asset_job_def()
    job.execute_in_process(partition_key=CELLS[3], asset_selection=[FILES], instance=instance)
    instance.report_runless_asset_event(dg.AssetMaterialization(FILES, partition=CELLS[3]))
    state = grid_state(instance, "files", ["intact"], GRID)
    assert state.failed == {CELLS[0]: ["intact"]}
    assert state.unverified == {CELLS[3]: ["intact"]}


def test_the_last_execution_of_a_check_hides_earlier_failures_of_other_partitions(instance):
    materialise_all(small_grid(damaged={CELLS[0]}), instance)
    records = instance.event_log_storage.get_asset_check_execution_history(INTACT, limit=1)
    assert records[0].status.value == "SUCCEEDED"


def test_a_run_without_a_partition_can_write_a_verdict_for_every_partition(instance):
    damaged: set[str] = set()
    defs = grid_with_real_runner(damaged)
    materialise_all(defs, instance)
    damaged.add(CELLS[1])
    result = defs.resolve_job_def("verify").execute_in_process(
        instance=instance, raise_on_error=False
    )
    assert not result.success
    assert check_state(instance) == {
        "FAILED": {CELLS[1]},
        "SUCCEEDED": set(CELLS) - {CELLS[1]},
    }
    latest = instance.event_log_storage.get_asset_check_execution_history(INTACT, limit=1)[0]
    assert latest.partition == CELLS[1]
    assert latest.status.value == "FAILED"
    assert [cell for cell, _ in cells_to_mark(instance, "files", ["intact"], GRID)] == [CELLS[1]]
