"""The sensor that rolls verdicts up asks for it when something changed, and after the last cell."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent
from dagster._core.utils import make_new_run_id

from definitions import Deployment, build_defs
from tests.adoption.conftest import CATALOG_YAML

ASSET = dg.AssetKey("trajectories")
FIRST = dg.MultiPartitionKey({"benchmark": "gsm8k-0shot", "model": "olmo3_base"})
SECOND = dg.MultiPartitionKey({"benchmark": "gsm8k-8shot", "model": "olmo3_base"})


class Watched:
    """An instance whose trajectories are recorded without runs, and the sensor's ticks on it."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        (folder / "catalog.yaml").write_text(CATALOG_YAML)
        self.instance, self.cursor = instance, None
        defs = build_defs(Deployment(folder / "catalog.yaml", folder / "data"))
        self.repository = defs.get_repository_def()

    def record(self, partition: str) -> None:
        """A materialisation."""
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(ASSET, partition=partition)
        )

    def begin(self, partition: str) -> str:
        """A run that is about to make a partition."""
        run = self.instance.create_run_for_job(
            self.repository.get_job("collect_cells"),
            run_id=make_new_run_id(),
            tags={"dagster/partition": partition},
            status=dg.DagsterRunStatus.STARTED,
        )
        planned = AssetMaterializationPlannedData(ASSET, partition=partition)
        event = DagsterEvent.build_asset_materialization_planned_event(
            run.job_name, "trajectories", planned
        )
        self.instance.report_dagster_event(event, run.run_id)
        return run.run_id

    def end(self, run_id: str) -> None:
        """Let a run end well."""
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        self.instance.report_dagster_event(
            DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name), run_id
        )

    def asks(self) -> bool:
        """Whether a tick asks for the roll-up."""
        with dg.build_sensor_context(
            self.instance, repository_def=self.repository, cursor=self.cursor
        ) as context:
            made = self.repository.get_sensor_def("roll_up_verdicts").evaluate_tick(context)
        self.cursor = made.cursor or self.cursor
        return bool(made.run_requests)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Nothing is recorded yet, and that was rolled up."""
    with dg.instance_for_test() as instance:
        made = Watched(tmp_path, instance)
        assert made.asks()
        yield made


def test_nothing_is_asked_for_while_nothing_changes(watched: Watched):
    assert not watched.asks()


def test_a_changed_verdict_is_rolled_up_once(watched: Watched):
    watched.record(FIRST)
    assert watched.asks()
    assert not watched.asks()


def test_a_cell_made_again_is_rolled_up_though_no_verdict_changed(watched: Watched):
    watched.record(FIRST)
    assert watched.asks()
    watched.record(FIRST)
    assert watched.asks()


def test_cells_of_a_backfill_are_rolled_up_when_the_last_one_is_made(watched: Watched):
    watched.record(FIRST)
    assert watched.asks()
    run = watched.begin(SECOND)
    watched.record(FIRST)
    assert not watched.asks()
    watched.end(run)
    assert watched.asks()
    assert not watched.asks()
