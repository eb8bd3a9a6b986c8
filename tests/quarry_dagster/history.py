"""A history of one asset with partitioned checks, written through Dagster as runs write it."""

from __future__ import annotations

from random import Random
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.events import DagsterEvent, DagsterEventType

ASSET = dg.AssetKey("files")
NAMES = "intact", "sane"
KEYS = [dg.AssetCheckKey(ASSET, name) for name in NAMES]
COLOURS = dg.StaticPartitionsDefinition(["red", "green", "blue"])
SIZES = dg.StaticPartitionsDefinition(["s", "m"])
GRID = dg.MultiPartitionsDefinition({"colour": COLOURS, "size": SIZES})
SMALLER = dg.MultiPartitionsDefinition(
    {"colour": dg.StaticPartitionsDefinition(["red", "blue"]), "size": SIZES}
)
CELLS = [str(key) for key in GRID.get_partition_keys()]
GONE = "yellow|s"


class History:
    """Writes events as runs and people cause them.

    Args:
        instance: takes them.
        recorded: run, check and partition of every verdict; two writers of an instance share it.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        recorded: set[tuple[str, str, str | None]] | None = None,
    ) -> None:
        self.instance = instance
        self.live: list[dg.DagsterRun] = []
        self.past: list[dg.DagsterRun] = []
        self.recorded = set[tuple[str, str, str | None]]() if recorded is None else recorded

    def run(self) -> dg.DagsterRun:
        """A run that has begun."""
        run = self.instance.create_run_for_job(_JOB)
        self.live.append(run)
        return run

    def materialize(self, partition: str | None) -> None:
        """The asset is made, of one partition or none."""
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(ASSET, partition=partition)
        )

    def plan(self, run: dg.DagsterRun, name: str, partition: str | None) -> None:
        """A run is going to check."""
        if (run.run_id, name, partition) in self.recorded:
            return
        self.recorded.add((run.run_id, name, partition))
        subset = None
        if partition is not None:
            subset = GRID.empty_subset().with_partition_keys([partition])
        planned = AssetCheckEvaluationPlanned(
            asset_key=ASSET, check_name=name, partitions_subset=subset
        )
        self._report(run, DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED, planned)

    def judge(
        self, run: dg.DagsterRun | None, name: str, partition: str | None, *, passed: bool
    ) -> None:
        """A check has come to a verdict, within a run or without."""
        evaluation = dg.AssetCheckEvaluation(
            asset_key=ASSET,
            check_name=name,
            passed=passed,
            metadata={},
            target_materialization_data=self._target(partition),
            partition=partition,
        )
        if run is None:
            self.instance.report_runless_asset_event(evaluation)
        else:
            self.recorded.add((run.run_id, name, partition))
            self._report(run, DagsterEventType.ASSET_CHECK_EVALUATION, evaluation)

    def finish(self, run: dg.DagsterRun, event: DagsterEventType) -> None:
        """A run ends."""
        self.live.remove(run)
        self.past.append(run)
        self.instance.report_dagster_event(
            DagsterEvent(event_type_value=event.value, job_name=run.job_name), run.run_id
        )

    def step(self, random: Random) -> str:
        """Something happens; returns what."""
        run = random.choice(self.live) if self.live and random.random() < 0.7 else self.run()
        name, partition = random.choice(NAMES), random.choice([*CELLS, *CELLS, GONE])
        what = random.choices(
            ("plan", "judge", "materialize", "finish", "runless", "none", "delete", "wipe"),
            (6, 6, 3, 3, 1, 1, 1, 0.3),
        )[0]
        if what == "plan":
            for one in random.sample(CELLS, 2):
                self.plan(run, name, one)
        elif what == "judge":
            self.judge(run, name, partition, passed=random.random() < 0.6)
        elif what == "materialize":
            self.materialize(partition)
        elif what == "finish":
            self.finish(run, random.choice(_ENDS))
        elif what == "runless" and ("", name, partition) not in self.recorded:
            self.recorded.add(("", name, partition))  # Dagster refuses a second one
            self.judge(None, name, partition, passed=random.random() < 0.6)
        elif what == "none":
            random.choice((self.materialize, lambda _: self.plan(run, name, None)))(None)
        elif what == "delete":
            found = random.choice([*self.past, *self.live])
            (self.live if found in self.live else self.past).remove(found)
            self.instance.delete_run(found.run_id)
        elif what == "wipe":
            self.instance.wipe_assets([ASSET])
        return what

    def _target(
        self, partition: str | None
    ) -> AssetCheckEvaluationTargetMaterializationData | None:
        """The materialisation that a check looks at: the latest."""
        wanted = dg.AssetRecordsFilter(ASSET, asset_partitions=[partition] if partition else None)
        for record in self.instance.fetch_materializations(wanted, limit=1).records:
            return AssetCheckEvaluationTargetMaterializationData(
                storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
            )
        return None

    def _report(self, run: dg.DagsterRun, kind: DagsterEventType, data: Any) -> None:
        event = DagsterEvent(
            event_type_value=kind.value, job_name=run.job_name, event_specific_data=data
        )
        self.instance.report_dagster_event(event, run.run_id)


@dg.job
def _JOB() -> None:
    """Has nothing to do."""


_ENDS = (
    DagsterEventType.PIPELINE_SUCCESS,
    DagsterEventType.PIPELINE_FAILURE,
    DagsterEventType.PIPELINE_CANCELED,
)
