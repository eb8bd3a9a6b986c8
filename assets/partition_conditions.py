"""Conditions that Dagster lacks, over the partitions of one asset.

With `use_user_code_server=True` a sensor evaluates conditions of our own; without it, Dagster's
daemon, which knows only its own, would pass them over. When anything is asked for is said in
`automation`.
"""

from collections.abc import Callable
from functools import lru_cache

import dagster as dg
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.asset_graph_view.entity_subset import EntitySubset
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus

ORIGIN = "origin"
"""Metadata of a materialisation without a run: how the file came to be."""


class IsStale(dg.AutomationCondition[dg.AssetKey]):
    """True for what exists and is out of date, exactly where the UI shows "Unsynced".

    That is, the code version differs from the one that made it, or the data version of something
    that it was made from has changed. It is read from the event log, not from what the sensor saw
    before, so that it also holds for what changed while automation was off.
    """

    @property
    def name(self) -> str:
        """How the UI labels it."""
        return "stale"

    @property
    def description(self) -> str:
        """How the UI explains it."""
        return "Made by another code version, or from data that has changed since"

    def evaluate(
        self, context: dg.AutomationContext[dg.AssetKey]
    ) -> dg.AutomationResult[dg.AssetKey]:
        """The stale ones among the candidates."""
        resolver = _resolver(context.asset_graph_view)

        def is_stale(partition: str | None) -> bool:
            return resolver.get_status(context.key, partition) == StaleStatus.STALE

        return dg.AutomationResult(context, _those(context.candidate_subset, is_stale))


class IsAdopted(dg.AutomationCondition[dg.AssetKey]):
    """True for partitions whose file an older pipeline made.

    Such files keep no sample ids, so nothing can be graded from them until the cell is collected.
    """

    @property
    def name(self) -> str:
        """How the UI labels it."""
        return "adopted"

    @property
    def description(self) -> str:
        """How the UI explains it."""
        return "The file comes from an older pipeline and keeps no sample ids"

    def evaluate(
        self, context: dg.AutomationContext[dg.AssetKey]
    ) -> dg.AutomationResult[dg.AssetKey]:
        """The adopted ones among the candidates."""
        instance, key = context.asset_graph_view.instance, context.key
        latest = instance.event_log_storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(key, storage_ids=list(latest.values())), limit=max(len(latest), 1)
        ).records
        adopted = {
            str(record.partition_key)
            for record in records
            if record.asset_materialization
            and record.asset_materialization.metadata.get(ORIGIN) == dg.TextMetadataValue("adopted")
        }
        return dg.AutomationResult(
            context, _those(context.candidate_subset, lambda partition: partition in adopted)
        )


@lru_cache(maxsize=2)
def _resolver(view: AssetGraphView) -> CachingStaleStatusResolver:
    """One for a tick, which is what a view is made for: conditions ask several times."""
    return CachingStaleStatusResolver(view.instance, view.asset_graph, view)


def _those(
    candidates: EntitySubset[dg.AssetKey], is_meant: Callable[[str | None], bool]
) -> EntitySubset[dg.AssetKey]:
    """The candidates that are meant; an unpartitioned asset has the one partition None."""
    if candidates.is_partitioned:
        keys = candidates.expensively_compute_partition_keys()
        return candidates.compute_intersection_with_partition_keys(
            {partition for partition in keys if is_meant(partition)}
        )
    is_wanted = not candidates.is_empty and is_meant(None)
    return candidates if is_wanted else candidates.compute_difference(candidates)
