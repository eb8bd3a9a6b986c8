"""The small grid with every kind of asset that automation asks for, and a clock for its ticks."""

import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor

from assets.automation import AUDIT, COLLECT, FOLLOW, MISSING
from assets.check_state import partition_tags
from tests.dagster_side.small_grid import CELLS, GRID, INTACT

BENCHMARKS = ["gsm8k-0shot", "logiqa-0shot"]
MODELS = ["m1", "m2"]
SOURCES = ("samples", "checkpoints")
FUTURE = datetime(2100, 3, 1, 10, 5, tzinfo=UTC)
PAST = datetime(2020, 3, 1, 10, 5, tzinfo=UTC)
"""Dagster compares the times of verdicts with those of ticks: before `PAST` there are none, all are
before `FUTURE`."""
Requests = dict[str, set[str]]


@dataclass
class World:
    """What runs find: which cells fail, which are damaged, what version data and grader have."""

    failing: set[str] = field(default_factory=set)
    damaged: set[str] = field(default_factory=set)
    versions: dict[str, str] = field(default_factory=dict)
    grader: str = "1"
    grader_on_disk: str = ""


def automated_grid(
    world: World, grader: str, *, has_own_checkpoints: bool = True
) -> dg.Definitions:
    """Definitions with the conditions of the real assets on bodies that do nothing."""
    by_benchmark = dg.StaticPartitionsDefinition(BENCHMARKS)
    by_model = dg.StaticPartitionsDefinition(MODELS)

    @dg.asset(partitions_def=by_benchmark, automation_condition=MISSING)
    def samples(context: dg.AssetExecutionContext) -> None:
        _fail(world, f"samples {context.partition_key}")

    @dg.asset(partitions_def=by_model, automation_condition=MISSING)
    def checkpoints() -> None:
        return None

    @dg.asset(partitions_def=GRID, deps=[samples, "checkpoints"], automation_condition=COLLECT)
    def files(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        cell = str(context.partition_key)
        _fail(world, f"files {cell}")
        return dg.MaterializeResult(data_version=dg.DataVersion(world.versions.get(cell, "1")))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)

        @dg.asset_check(asset=files, blocking=True, partitions_def=GRID)
        def intact(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
            return dg.AssetCheckResult(
                passed=context.op_execution_context.partition_key not in world.damaged
            )

    @dg.asset(
        partitions_def=GRID,
        deps=[files, samples],
        code_version=grader,
        automation_condition=FOLLOW,
    )
    def labels(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        cell = str(context.partition_key)
        _fail(world, f"labels {cell}")
        version = f"{grader} on {world.versions.get(cell, '1')}"
        return dg.MaterializeResult(data_version=dg.DataVersion(version))

    @dg.asset(partitions_def=GRID, deps=[labels, files], automation_condition=FOLLOW)
    def views() -> None:
        return None

    everything = [
        dg.AssetDep(asset, partition_mapping=dg.AllPartitionMapping()) for asset in (files, labels)
    ]

    @dg.asset(deps=everything, automation_condition=AUDIT)
    def audit() -> None:
        return None

    models = (
        checkpoints if has_own_checkpoints else dg.AssetSpec("checkpoints", partitions_def=by_model)
    )
    return dg.Definitions(
        assets=[samples, models, files, labels, views, audit],
        asset_checks=[intact],
        jobs=[dg.define_asset_job("verify", selection=dg.AssetSelection.checks(INTACT))],
    )


def _fail(world: World, what: str) -> None:
    """Fail a step for good."""
    if what in world.failing:
        raise dg.Failure(what, allow_retries=False)


class Automation:
    """Ticks of automation over the grid, a minute apart, and runs of what they asked for."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        *,
        has_own_checkpoints: bool = True,
        start: datetime = FUTURE,
    ) -> None:
        self.instance, self.world = instance, World()
        self.has_own_checkpoints = has_own_checkpoints
        self.now = start
        self._cursor: AssetDaemonCursor | None = None
        self._loaded: dict[str, dg.Definitions] = {}

    def defs(self, grader: str = "") -> dg.Definitions:
        """The grid as the code location has loaded it, or with another grader."""
        version = grader or self.world.grader
        if version not in self._loaded:
            self._loaded[version] = automated_grid(
                self.world, version, has_own_checkpoints=self.has_own_checkpoints
            )
        return self._loaded[version]

    def forget(self) -> None:
        """Lose what earlier ticks have seen, as when automation is switched on only now."""
        self._cursor = None

    def tick(self, minutes: int = 1) -> Requests:
        """What is asked for at the next tick, by asset."""
        self.now += timedelta(minutes=minutes)
        result = dg.evaluate_automation_conditions(
            self.defs(),
            self.instance,
            dg.AssetSelection.all(),
            evaluation_time=self.now,
            cursor=self._cursor,
        )
        self._cursor = result.cursor
        asked = {one.key.to_user_string(): set[str]() for one in result.results}
        for name, partitions in asked.items():
            found = result.get_requested_partitions(dg.AssetKey(name))
            partitions.update(str(partition or "all") for partition in found)
        return {name: partitions for name, partitions in asked.items() if partitions}

    def run(self, asked: Requests) -> None:
        """Run what was asked for, one run a partition, in the order of the graph.

        Sources that do not fail are only recorded, which is much faster.
        """
        by_partition: dict[str, list[str]] = {}
        for name in ("samples", "checkpoints", "files", "labels", "views", "audit"):
            for partition in sorted(asked.get(name, ())):
                if name in SOURCES and f"{name} {partition}" not in self.world.failing:
                    made = dg.AssetMaterialization(name, partition=partition)
                    self.instance.report_runless_asset_event(made)
                else:
                    by_partition.setdefault(partition, []).append(name)
        job = self.defs(self.world.grader_on_disk).resolve_implicit_global_asset_job_def()
        for partition, names in by_partition.items():
            job.execute_in_process(
                instance=self.instance,
                partition_key=None if partition == "all" else partition,
                asset_selection=[dg.AssetKey(name) for name in names],
                raise_on_error=False,
            )

    def settle(self, most: int = 12) -> list[Requests]:
        """Tick and run until nothing is asked for any more; what was asked for, tick by tick."""
        asked: list[Requests] = []
        for _ in range(most):
            asked.append(self.tick())
            if not asked[-1]:
                return asked
            self.run(asked[-1])
        raise AssertionError(f"still asking after {most} ticks: {asked}")

    def check(self, cell: str) -> None:
        """Run the check of one cell alone."""
        self.defs().resolve_job_def("verify").execute_in_process(
            instance=self.instance, tags=partition_tags(cell), raise_on_error=False
        )


EVERY_CELL = set(CELLS)
