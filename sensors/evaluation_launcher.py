"""`EvaluationLauncher`: makes evaluation sets through Dagster in this process."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import dagster as dg
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from assets.check_state import grid_state
from assets.evaluation_specs import (
    EVALUATION,
    FINETUNED_CHECKPOINTS,
    GRADED_COMPLETIONS,
    SAMPLED_COMPLETIONS,
)
from assets.partitions import CHECKPOINT_PARTITIONS, build_checkpoint_partitions
from quarry.catalog import EvaluationSpec
from quarry.data_directory import DataDirectory
from quarry.equivalence.completions import has_unanswered
from quarry.sampling.runs import find_runs, trained_keys
from sensors.launcher import Launcher, Outcome
from sensors.runs import changed_checkpoints, unknown_partitions


class EvaluationLauncher:
    """Runs parts of the group `evaluation` one after another.

    Args:
        launcher: of the deployment.
        instance: the Dagster instance that records the runs.
        spec: runs and domains.
        files: where everything is.
        base_dir: where relative paths of the catalog start.
    """

    def __init__(
        self,
        launcher: Launcher,
        instance: dg.DagsterInstance,
        spec: EvaluationSpec,
        files: DataDirectory,
        base_dir: Path,
    ) -> None:
        """Keep what every run needs."""
        self._launcher = launcher
        self._instance = instance
        self._spec = spec
        self._files = files
        self._base_dir = base_dir

    def checkpoints(self) -> list[str]:
        """Partitions of all checkpoints, found now; new ones are added and recorded."""
        found = find_runs(self._spec, self._files.root, self._base_dir).checkpoints
        keys = [*trained_keys(self._spec), *(one.key for one in found)]
        partitions = list(dict.fromkeys(key.partition for key in keys))
        new = unknown_partitions(self._instance, partitions)
        if new:
            self._instance.add_dynamic_partitions(CHECKPOINT_PARTITIONS, new)
        for event in changed_checkpoints(self._instance, found):
            self._instance.report_runless_asset_event(event)
        return partitions

    def lacking(self, partitions: Sequence[str], *, again: bool) -> list[tuple[str, str]]:
        """Assets and partitions that are missing, failed, stale or lost, in the order of the graph.

        So are graded completions with items that a judge still owes an answer.

        What follows from one of them is made again, too. `again` asks for all but the training.
        """
        wanted: list[tuple[str, str]] = []
        for partition in partitions:
            is_due = False
            for identity in EVALUATION:
                is_trained = identity.name == FINETUNED_CHECKPOINTS.name
                is_due = (
                    is_due or (again and not is_trained) or self._is_due(identity.name, partition)
                )
                if is_due:
                    wanted.append((identity.name, partition))
        return wanted

    def make(self, wanted: Sequence[tuple[str, str]], *, again: bool) -> Iterator[Outcome]:
        """Materialise assets in turn; after a failure, nothing more of that partition.

        `again` samples anew instead of going on from what is published.
        """
        failed: set[str] = set()
        for asset, partition in wanted:
            if partition in failed:
                continue
            is_anew = again and asset == SAMPLED_COMPLETIONS.name
            settings = {"again": True} if is_anew else None
            outcome = self._launcher.materialise(asset, partition, settings)
            if not outcome.is_success:
                failed.add(partition)
            yield replace(outcome, partition=f"{partition} {asset}")

    def failed_checks(self, partitions: Sequence[str]) -> dict[str, list[str]]:
        """Checks that fail on what was made of checkpoints, as `asset.check`, by partition."""
        failed: dict[str, list[str]] = {}
        with dg.partition_loading_context(dynamic_partitions_store=self._instance):
            for asset, checks in self._launcher.checks_of([one.name for one in EVALUATION]).items():
                state = grid_state(self._instance, asset, checks, build_checkpoint_partitions())
                for partition, names in state.failed.items():
                    failed.setdefault(partition, []).extend(f"{asset}.{one}" for one in names)
        return {name: failed[name] for name in partitions if name in failed}

    def _is_due(self, asset: str, partition: str) -> bool:
        """Whether a partition has to be made."""
        with dg.partition_loading_context(dynamic_partitions_store=self._instance):
            found = self._instance.get_status_by_partition(
                dg.AssetKey(asset), [partition], build_checkpoint_partitions()
            )
        is_made = (found or {}).get(partition) == AssetPartitionStatus.MATERIALIZED
        is_there = is_made and self._is_there(asset, partition)
        if not is_there or self._launcher.is_stale(asset, partition):
            return True
        path = self._files.path_of(asset, partition)
        return asset == GRADED_COMPLETIONS.name and has_unanswered(path)

    def _is_there(self, asset: str, partition: str) -> bool:
        """Whether the files of a partition are in their place; a checkpoint may be elsewhere."""
        is_elsewhere = asset == FINETUNED_CHECKPOINTS.name and not any(
            key.partition == partition for key in trained_keys(self._spec)
        )
        return is_elsewhere or self._files.path_of(asset, partition).exists()
