"""Reading the verdicts of partitioned checks back: what failed, what was never verified.

An asset's own health in Dagster looks at the last execution of a check, whatever its partition, so
the grid is rolled up here.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

import dagster as dg
from dagster import AssetCheckKey
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus,
    AssetCheckExecutionResolvedStatus,
)
from dagster._core.storage.partition_status_cache import AssetPartitionStatus


@dataclass(frozen=True)
class GridState:
    """How the checks of an asset stand over its partitions, from their latest executions."""

    failed: dict[str, list[str]]
    unverified: dict[str, list[str]]

    @property
    def is_intact(self) -> bool:
        """Whether every check has passed for every materialised partition."""
        return not self.failed and not self.unverified

    def fingerprint(self) -> str:
        """Changes whenever the verdict of any partition does."""
        return blake2b(
            json.dumps([self.failed, self.unverified], sort_keys=True).encode(), digest_size=8
        ).hexdigest()


def grid_state(
    instance: dg.DagsterInstance,
    asset: str,
    checks: Sequence[str],
    partitions: dg.PartitionsDefinition,
) -> GridState:
    """Failed and unverified partitions, each with the names of the checks concerned.

    A materialised partition whose check never ran since its last materialisation is unverified; one
    whose check is running now is neither; one that was never materialised is not looked at.
    """
    asset_key = dg.AssetKey(asset)
    keys = [AssetCheckKey(asset_key, name) for name in checks]
    states = instance.event_log_storage.get_asset_check_state([(key, partitions) for key in keys])
    materialized = instance.get_materialized_partitions(asset_key)
    failed: dict[str, list[str]] = {}
    unverified: dict[str, list[str]] = {}
    for key in keys:
        subsets = states[key].subsets
        by_status = {
            status: set(subset.subset_value.get_partition_keys())
            for status, subset in subsets.items()
        }
        bad = by_status.get(AssetCheckExecutionResolvedStatus.FAILED, set())
        settled = bad.union(
            by_status.get(AssetCheckExecutionResolvedStatus.SUCCEEDED, set()),
            by_status.get(AssetCheckExecutionResolvedStatus.IN_PROGRESS, set()),
        )
        for partition in sorted(bad):
            failed.setdefault(partition, []).append(key.name)
        for partition in sorted(materialized - settled):
            unverified.setdefault(partition, []).append(key.name)
    return GridState(failed, unverified)


def cells_to_mark(
    instance: dg.DagsterInstance,
    asset: str,
    checks: Sequence[str],
    partitions: dg.PartitionsDefinition,
) -> list[tuple[str, str]]:
    """Partitions that a check condemned and that Dagster still counts as materialised.

    Each comes with the id of the run whose check failed, so that one failure is acted on once.
    """
    asset_key = dg.AssetKey(asset)
    failed = grid_state(instance, asset, checks, partitions).failed
    statuses = instance.get_status_by_partition(asset_key, list(failed), partitions) or {}
    evidence = {
        info.partition_key: info.latest_planned_run_id
        for info in instance.event_log_storage.get_asset_check_partition_info(
            [AssetCheckKey(asset_key, name) for name in checks], partition_keys=list(failed)
        )
        if info.latest_execution_status == AssetCheckExecutionRecordStatus.FAILED
    }
    return [
        (partition, evidence.get(partition, ""))
        for partition in sorted(failed)
        if statuses.get(partition) == AssetPartitionStatus.MATERIALIZED
    ]


@dataclass(frozen=True)
class Proof:
    """When a partition appeared, and when its content was last examined.

    Args:
        materialized_at: time of the latest materialisation.
        checked_at: end of the latest examination of that very materialisation, whatever came of
            it; None for never.
    """

    materialized_at: datetime
    checked_at: datetime | None


def proofs(
    instance: dg.DagsterInstance, asset: str, check: str, partitions: dg.PartitionsDefinition
) -> dict[str, Proof]:
    """What is proven about every materialised partition, from the executions of one check.

    Asks for the executions of each partition: the batched `get_asset_check_partition_info` has no
    times, and a run that crashed hides what came before it. 2 ms a partition on SQLite.
    """
    asset_key = dg.AssetKey(asset)
    existing = set(partitions.get_partition_keys())
    storage = instance.event_log_storage
    latest = storage.get_latest_storage_id_by_partition(
        asset_key, dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key, storage_ids=list(latest.values())),
        limit=max(len(latest), 1),
    ).records
    return {
        partition: Proof(
            _utc(record.timestamp),
            _checked_at(instance, AssetCheckKey(asset_key, check), partition, record.storage_id),
        )
        for record in records
        if (partition := str(record.partition_key)) in existing
    }


def _checked_at(
    instance: dg.DagsterInstance, check: AssetCheckKey, partition: str, storage_id: int
) -> datetime | None:
    """When a check last came to a verdict on a materialisation."""
    history = instance.event_log_storage.get_asset_check_execution_history(
        check,
        limit=1,
        status={AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED},
        partition_filter=PartitionKeyFilter(key=partition),
    )
    evaluation = history[0].evaluation if history else None
    target = evaluation.target_materialization_data if evaluation else None
    if target is None or target.storage_id != storage_id or history[0].event is None:
        return None
    return _utc(history[0].event.timestamp)


def _utc(timestamp: float) -> datetime:
    """Seconds since the epoch as a time."""
    return datetime.fromtimestamp(timestamp, UTC)


def partition_tags(partition: str) -> dict[str, str]:
    """The tag that gives a check-only run its partition; `RunRequest(partition_key=…)` can't."""
    return {"dagster/partition": partition}
