"""The verdicts of one check, sorted in one pass into the state that Dagster tells of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from dagster import AssetCheckKey, MultiPartitionsDefinition, PartitionsDefinition
from dagster import StaticPartitionsDefinition as Static
from dagster._core.asset_graph_view.serializable_entity_subset import SerializableEntitySubset
from dagster._core.definitions.partitions.subset import DefaultPartitionsSubset
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus as Recorded,
)
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionResolvedStatus as Resolved,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckPartitionInfo
from dagster._core.storage.asset_check_state import AssetCheckState


class Row(NamedTuple):
    """The latest execution of a check for a partition.

    Args:
        status: None where the partition was materialised again since.
        run_id: of the run that planned it.
        newest: greatest number of an event that it was told from.
    """

    status: Recorded | None
    run_id: str
    newest: int

    @classmethod
    def of(cls, info: AssetCheckPartitionInfo) -> "Row":
        """What matters of a row."""
        status = info.latest_execution_status
        return cls(
            status if status == Recorded.PLANNED or info.is_current else None,
            info.latest_planned_run_id if status == Recorded.PLANNED else "",
            max(info.latest_check_event_storage_id, info.latest_materialization_storage_id or 0),
        )


@dataclass
class Sorted:
    """The partitions of a check by status, and those that wait for a run by its id."""

    newest: int = 0
    succeeded: set[str] = field(default_factory=set[str])
    failed: set[str] = field(default_factory=set[str])
    planned: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    @classmethod
    def of(cls, rows: Mapping[str | None, Row], partitions: frozenset[str]) -> "Sorted":
        """Rows whose partitions exist, in one pass."""
        found = cls(newest=max((row.newest for row in rows.values()), default=0))
        for partition, (status, run_id, _) in rows.items():
            if partition is None or partition not in partitions:
                continue
            if status == Recorded.SUCCEEDED:
                found.succeeded.add(partition)
            elif status == Recorded.FAILED:
                found.failed.add(partition)
            elif status == Recorded.PLANNED:
                found.planned.setdefault(run_id, set()).add(partition)
        return found

    def state(self, key: AssetCheckKey, finished: Mapping[str, Resolved]) -> AssetCheckState:
        """What Dagster tells, given how the finished runs stand."""
        waiting: dict[Resolved, set[str]] = {status: set() for status in Resolved}
        for run_id, partitions in self.planned.items():
            waiting[finished.get(run_id, Resolved.IN_PROGRESS)] |= partitions
        settled = {Resolved.SUCCEEDED: self.succeeded, Resolved.FAILED: self.failed}
        return AssetCheckState(
            latest_storage_id=self.newest,
            subsets={
                status: _subset(key, settled.get(status, waiting[status])) for status in Resolved
            },
            in_progress_runs={
                run_id: _subset(key, partitions)
                for run_id, partitions in self.planned.items()
                if run_id not in finished
            },
        )


def is_plain(partitions: PartitionsDefinition) -> bool:
    """Whether partitions are a fixed list, or a grid of fixed lists."""
    if isinstance(partitions, MultiPartitionsDefinition):
        return all(type(one.partitions_def) is Static for one in partitions.partitions_defs)
    return type(partitions) is Static


def _subset(key: AssetCheckKey, partitions: set[str]) -> SerializableEntitySubset[AssetCheckKey]:
    """Partitions of a check."""
    return SerializableEntitySubset(key, DefaultPartitionsSubset(partitions))
