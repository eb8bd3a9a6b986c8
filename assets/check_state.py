"""Reading the verdicts of partitioned checks back: what failed, what was never verified.

An asset's own health in Dagster looks at the last execution of a check, whatever its partition, so
the grid is rolled up here.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b

import dagster as dg
from dagster import AssetCheckKey
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from assets.latest import latest_materializations, log_id

_PLANNED = AssetCheckExecutionRecordStatus.PLANNED
_PAGE = 1000
_MOST_STATES = 64


@dataclass(frozen=True)
class GridState:
    """How the checks of an asset stand over its partitions, from their latest executions."""

    failed: dict[str, list[str]]
    unverified: dict[str, list[str]]
    awaited: frozenset[str] = field(default=frozenset(), compare=False)
    """Ids of the runs that checks wait for."""

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
    keys = [AssetCheckKey(dg.AssetKey(asset), name) for name in checks]
    if isinstance(partitions, dg.DynamicPartitionsDefinition):  # these change without an event
        return _read_state(instance, keys, partitions)
    place = (log_id(instance), asset, tuple(checks))
    moment = (
        instance.event_log_storage.get_maximum_record_id(),
        partitions.get_serializable_unique_identifier(),
        *instance.get_materialized_partitions(dg.AssetKey(asset)),
    )
    if len(_states) > _MOST_STATES:
        _states.clear()
    kept = _states.get(place)
    # a run's end is an event first and a status a moment later, without another event
    if kept is None or kept.moment != hash(moment) or _ended(instance, kept.state.awaited):
        kept = _states[place] = _Kept(hash(moment), _read_state(instance, keys, partitions))
    return kept.state


@dataclass(frozen=True)
class _Kept:
    """What was last told of checks, and when: else nothing changes without an event or a wipe."""

    moment: int
    state: GridState


_states: dict[tuple[str, str, tuple[str, ...]], _Kept] = {}


def _read_state(
    instance: dg.DagsterInstance, keys: Sequence[AssetCheckKey], partitions: dg.PartitionsDefinition
) -> GridState:
    """`grid_state`, from the event log."""
    materialized = (
        set(instance.get_materialized_partitions(keys[0].asset_key)) if keys else set[str]()
    )
    with dg.partition_loading_context(dynamic_partitions_store=instance):
        by_status = _by_status(instance, keys, set(partitions.get_partition_keys()))
    failed: dict[str, list[str]] = {}
    unverified: dict[str, list[str]] = {}
    for key in keys:
        bad, settled = by_status[key].failed, by_status[key].settled
        for partition in sorted(bad):
            failed.setdefault(partition, []).append(key.name)
        for partition in sorted(materialized - settled):
            unverified.setdefault(partition, []).append(key.name)
    awaited = frozenset[str]().union(*(found.awaited for found in by_status.values()))
    return GridState(failed, unverified, awaited)


@dataclass(frozen=True)
class _Verdicts:
    """The partitions of one check: those that failed, and those that failed, passed or run now.

    With the ids of the runs that run now.
    """

    failed: set[str] = field(default_factory=set[str])
    settled: set[str] = field(default_factory=set[str])
    awaited: set[str] = field(default_factory=set[str])


def _by_status(
    instance: dg.DagsterInstance, keys: Sequence[AssetCheckKey], partitions: set[str]
) -> dict[AssetCheckKey, _Verdicts]:
    """What the latest execution of each check says of each partition.

    Told from the same rows as by Dagster's `get_asset_check_state`, which adds them one by one to
    a copy of all partitions before: the square of their number. A test compares the two.
    """
    infos = instance.event_log_storage.get_asset_check_partition_info(keys)
    planned = {
        one.latest_planned_run_id for one in infos if one.latest_execution_status == _PLANNED
    }
    ended = _ended(instance, planned)
    found = {key: _Verdicts() for key in keys}
    for one in infos:
        partition = one.partition_key
        if partition is None or partition not in partitions:
            continue
        if one.latest_execution_status == _PLANNED:
            if one.latest_planned_run_id not in ended:
                found[one.check_key].settled.add(partition)
                found[one.check_key].awaited.add(one.latest_planned_run_id)
        elif one.is_current:
            found[one.check_key].settled.add(partition)
            if one.latest_execution_status == AssetCheckExecutionRecordStatus.FAILED:
                found[one.check_key].failed.add(partition)
    return found


def _ended(instance: dg.DagsterInstance, run_ids: Collection[str]) -> set[str]:
    """Those of some runs that have ended."""
    if not run_ids:
        return set()
    wanted = dg.RunsFilter(run_ids=list(run_ids), statuses=list(FINISHED_STATUSES))
    return set(instance.get_run_ids(wanted))


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

    The batched `get_asset_check_partition_info` has no times, and a run that crashed hides what
    came before it, so the executions are read, latest first.
    """
    existing = set(partitions.get_partition_keys())
    made = latest_materializations(instance, asset)
    targets = {
        partition: one.storage_id for partition, one in made.items() if partition in existing
    }
    checked = _checked_at(instance, AssetCheckKey(dg.AssetKey(asset), check), targets)
    return {
        partition: Proof(_utc(made[partition].timestamp), checked.get(partition))
        for partition in targets
    }


def _checked_at(
    instance: dg.DagsterInstance, check: AssetCheckKey, targets: Mapping[str, int]
) -> dict[str, datetime]:
    """When a check last came to a verdict on materialisations; absent where it never did.

    Page by page while the history is about as long as the grid. What is not found by then was last
    examined long ago, or never, and is asked for alone: 2 ms a partition on SQLite.
    """
    latest: dict[str, AssetCheckExecutionRecord] = {}
    cursor: int | None = None
    for _ in range(2 + 2 * len(targets) // _PAGE):
        page = _verdicts(instance, check, limit=_PAGE, cursor=cursor)
        for one in page:
            latest.setdefault(str(one.partition), one)
        if len(page) < _PAGE:
            break
        cursor = page[-1].id
    else:
        for partition in targets.keys() - latest.keys():
            alone = PartitionKeyFilter(key=partition)
            for one in _verdicts(instance, check, limit=1, partition_filter=alone):
                latest[partition] = one
    return {
        partition: _utc(record.event.timestamp)
        for partition, storage_id in targets.items()
        if (record := latest.get(partition)) is not None
        and record.event is not None
        and _is_on(record, storage_id)
    }


def _verdicts(
    instance: dg.DagsterInstance,
    check: AssetCheckKey,
    *,
    limit: int,
    cursor: int | None = None,
    partition_filter: PartitionKeyFilter | None = None,
) -> Sequence[AssetCheckExecutionRecord]:
    """Executions that came to a verdict, latest first."""
    return instance.event_log_storage.get_asset_check_execution_history(
        check,
        limit=limit,
        cursor=cursor,
        status={AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED},
        partition_filter=partition_filter,
    )


def _is_on(record: AssetCheckExecutionRecord, storage_id: int) -> bool:
    """Whether a verdict is on a materialisation."""
    evaluation = record.evaluation
    target = evaluation.target_materialization_data if evaluation else None
    return target is not None and target.storage_id == storage_id


def _utc(timestamp: float) -> datetime:
    """Seconds since the epoch as a time."""
    return datetime.fromtimestamp(timestamp, UTC)


def partition_tags(partition: str) -> dict[str, str]:
    """The tag that gives a check-only run its partition; `RunRequest(partition_key=…)` can't."""
    return {"dagster/partition": partition}
