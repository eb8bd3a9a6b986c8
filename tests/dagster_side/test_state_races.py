"""A remembered verdict between the two writes with which Dagster ends a run."""

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from dagster._core.test_utils import create_run_for_test

from assets.check_state import GridState, grid_state

CELLS = dg.StaticPartitionsDefinition(["x"])
CHECK = dg.AssetCheckKey(dg.AssetKey("files"), "intact")


def state(instance: dg.DagsterInstance) -> GridState:
    return grid_state(instance, "files", ["intact"], CELLS)


def test_a_check_whose_run_died_is_unverified_though_a_tick_looked_too_early(monkeypatch):
    with dg.instance_for_test() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("files", partition="x"))
        run = create_run_for_test(instance, "job", status=dg.DagsterRunStatus.STARTED)
        planned = AssetCheckEvaluationPlanned(
            asset_key=CHECK.asset_key,
            check_name=CHECK.name,
            partitions_subset=CELLS.subset_with_partition_keys(["x"]),
        )
        instance.report_dagster_event(
            run_id=run.run_id,
            dagster_event=dg.DagsterEvent(
                event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value,
                job_name="job",
                event_specific_data=planned,
            ),
        )
        store, seen = instance.run_storage.handle_run_event, list[GridState]()

        def late(*arguments, **named):
            seen.append(state(instance))  # the event is stored, the status of the run is not
            return store(*arguments, **named)

        monkeypatch.setattr(instance.run_storage, "handle_run_event", late)
        instance.report_run_failed(run)
        assert [one.unverified for one in seen] == [{}]
        assert state(instance).unverified == {"x": ["intact"]}
