"""`Launcher`: runs assets and checks through Dagster in this process, for the terminal.

Runs land in the same instance as those of the UI and show there. Which cells to run is decided by
the caller; how a long list is shown lives in `commands`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.utils import make_new_run_id

from assets import collecting
from assets.check_state import cells_to_mark, partition_tags
from assets.partitions import Grid
from assets.relabelling import JOB, OP
from assets.semantic_check import SEMANTIC_OP
from assets.specs import (
    BENCHMARK_SAMPLES,
    COLLECTION_AUDIT,
    MODEL_CHECKPOINTS,
    REMOTE_TRAJECTORIES,
    TRAJECTORIES,
)
from assets.staleness import stale_partitions
from assets.trajectory_checks import NAMES
from quarry.healing.plan import HealStep
from resources.run_workers import host_tags
from sensors.healing import JOBS, config_of, tags_of
from sensors.interruption import interruptible
from sensors.jobs import (
    CHECK_SEMANTICS,
    COLLECT,
    COPY,
    INVENTORY,
    LABELS,
    MARK,
    RELABEL,
    ROLL_UP_JOB,
    VERIFY,
    VERIFY_COPIES,
    VERIFY_ONLY,
)
from sensors.outcome import Outcome, first_reason

__all__ = ["Launcher", "Outcome"]

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Console logging of in-process runs: the run's own log keeps everything."""
SPOKEN = {"loggers": {"console": {"config": {"log_level": "INFO"}}}}
"""For a run that takes minutes: its progress is told."""


class Launcher:
    """Runs parts of the graph one after another in this process.

    Args:
        defs: the definitions to run.
        grid: their partitions.
        instance: the Dagster instance that records the runs.
    """

    def __init__(self, defs: dg.Definitions, grid: Grid, instance: dg.DagsterInstance) -> None:
        """Keep what every run needs."""
        self._defs = defs
        self._grid = grid
        self._instance = instance

    def samples(self) -> Iterator[Outcome]:
        """Materialise the drawn samples of every benchmark."""
        for partition in self._grid.benchmarks.get_partition_keys():
            yield self._materialise([BENCHMARK_SAMPLES.name], partition)

    def checkpoints(self) -> Iterator[Outcome]:
        """Materialise the checkpoints that can be; none where all models are external."""
        if MODEL_CHECKPOINTS.name not in self._materialisable():
            return
        for partition in self._grid.models.get_partition_keys():
            yield self._materialise([MODEL_CHECKPOINTS.name], partition)

    def cells(self, partitions: Sequence[str]) -> Iterator[Outcome]:
        """Collect, verify and label cells."""
        for partition in partitions:
            yield self._run(COLLECT, partition, partition_key=partition)

    def collect_grid(
        self, cells: Sequence[str] = (), models: Sequence[str] = (), *, again: bool = False
    ) -> Outcome:
        """Collect cells in one run, or all that need it; progress shows on the console."""
        wanted = {"cells": list(cells), "models": list(models), "again": again}
        config = {"ops": {collecting.OP: {"config": wanted}}}
        return self._run(collecting.JOB, "", config={**config, **SPOKEN})

    def labels(self, partitions: Sequence[str]) -> Iterator[Outcome]:
        """Label cells again, a run each."""
        for partition in partitions:
            yield self._run(RELABEL, partition, partition_key=partition)

    def copy(self, partitions: Sequence[str]) -> Iterator[Outcome]:
        """Copy the published files of cells to the object store."""
        for partition in partitions:
            yield self._run(COPY, partition, partition_key=partition)

    def verify(self, partitions: Sequence[str]) -> Iterator[Outcome]:
        """Run the integrity checks of cells."""
        for partition in partitions:
            yield self._run(VERIFY, partition, tags=partition_tags(partition))

    def semantics(self, **settings: int) -> Outcome:
        """Compare rows of every collected cell with their models; progress shows on the console.

        Args:
            settings: `rows` and `seed`, see `SemanticConfig`.
        """
        config = {"ops": {SEMANTIC_OP: {"config": settings}}}
        return self._run(CHECK_SEMANTICS, "", config={**config, **SPOKEN})

    def heal(self, step: HealStep) -> Outcome:
        """Do one step of a heal plan."""
        return self._run(
            JOBS[step.action],
            step.key.partition,
            partition_key=step.key.partition,
            tags=tags_of(step),
            config=config_of(step),
        )

    def verify_copies(self, partitions: Sequence[str]) -> Iterator[Outcome]:
        """Run the check of second copies."""
        for partition in partitions:
            yield self._run(VERIFY_COPIES, partition, tags=partition_tags(partition))

    def relabel(self, cells: Sequence[str], *, every: bool) -> Outcome:
        """Label cells again in one run, or all of them; progress shows on the console."""
        config = {"ops": {OP: {"config": {"cells": list(cells), "every": every}}}}
        return self._run(JOB, "", config={**config, **SPOKEN})

    def inventory(self) -> Outcome:
        """Observe what the object store holds."""
        return self._run(INVENTORY, "")

    def mark_damaged(self) -> list[str]:
        """Fail every partition that a check condemned; returns their keys."""
        cells = cells_to_mark(self._instance, TRAJECTORIES.name, NAMES, self._grid.cells)
        for partition, _ in cells:
            self._run(MARK, partition, partition_key=partition)
        return [partition for partition, _ in cells]

    def roll_up(self) -> Outcome:
        """Run the check that rolls all cells up."""
        return self._run(ROLL_UP_JOB, "")

    def audit(self) -> Outcome:
        """Materialise the audit."""
        return self._materialise([COLLECTION_AUDIT.name], "")

    def collected(self) -> set[str]:
        """Partitions of trajectories that were ever materialised."""
        return self._materialised(TRAJECTORIES.name)

    def unlabelled(self) -> set[str]:
        """Partitions that lack labels though their trajectories exist."""
        return self.collected() - self._materialised(LABELS[0])

    def uncopied(self) -> set[str]:
        """Partitions that lack a second copy though their trajectories exist."""
        return self.collected() - self._materialised(REMOTE_TRAJECTORIES.name)

    def failed(self) -> set[str]:
        """Partitions of trajectories whose last run failed."""
        statuses = self._instance.get_status_by_partition(
            dg.AssetKey(TRAJECTORIES.name), self._grid.cells.get_partition_keys(), self._grid.cells
        )
        return {
            key for key, status in (statuses or {}).items() if status and status.value == "FAILED"
        }

    def materialise(
        self, asset: str, partition: str = "", settings: Mapping[str, object] | None = None
    ) -> Outcome:
        """Materialise one asset, or a partition of it, and run its checks.

        Args:
            asset: its name.
            partition: empty for an asset without partitions.
            settings: its run config.
        """
        return self._materialise([asset], partition, settings)

    def checks_of(self, assets: Collection[str]) -> dict[str, list[str]]:
        """Names of the checks of assets, of those that have any."""
        found: dict[str, list[str]] = {}
        for key in sorted(self._defs.resolve_asset_graph().asset_check_keys):
            if (asset := key.asset_key.to_user_string()) in assets:
                found.setdefault(asset, []).append(key.name)
        return found

    def is_stale(self, asset: str, partition: str) -> bool:
        """Whether a partition is out of date, as the UI's mark "Unsynced" says."""
        graph = self._defs.resolve_asset_graph()
        return bool(stale_partitions(graph, self._instance, asset, [partition]))

    def _materialised(self, asset: str) -> set[str]:
        return self._instance.get_materialized_partitions(dg.AssetKey(asset))

    def _materialisable(self) -> set[str]:
        graph = self._defs.resolve_asset_graph()
        return {key.to_user_string() for key in graph.materializable_asset_keys}

    def _materialise(
        self, assets: list[str], partition: str, settings: Mapping[str, object] | None = None
    ) -> Outcome:
        config = {"ops": {name: {"config": dict(settings)} for name in assets}} if settings else {}
        return self._execute(
            self._defs.resolve_implicit_global_asset_job_def(),
            partition,
            run_config={**QUIET, **config},
            partition_key=partition or None,
            tags=host_tags(),
            asset_selection=[dg.AssetKey(name) for name in assets],
        )

    def _run(
        self,
        job: str,
        partition: str,
        *,
        partition_key: str | None = None,
        tags: dict[str, str] | None = None,
        config: dict[str, object] | None = None,
    ) -> Outcome:
        return self._execute(
            self._defs.resolve_job_def(job),
            partition,
            run_config={**QUIET, **(VERIFY_ONLY if job == MARK else {}), **(config or {})},
            partition_key=partition_key,
            tags={**host_tags(), **(tags or {})},
        )

    def _execute(self, job: dg.JobDefinition, partition: str, **how: Any) -> Outcome:
        """Run a job in this process; Ctrl-C ends more than the run."""
        run_id = make_new_run_id()
        with interruptible(self._instance, run_id):
            result = job.execute_in_process(
                instance=self._instance, raise_on_error=False, run_id=run_id, **how
            )
        return self._outcome(result, partition)

    @staticmethod
    def _outcome(result: dg.ExecuteInProcessResult, partition: str) -> Outcome:
        reason = first_reason(result.all_events)
        return Outcome(partition, result.success, reason, result.run_id)
