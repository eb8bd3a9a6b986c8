"""Conditions that Dagster lacks, over the partitions of one asset.

With `use_user_code_server=True` a sensor evaluates conditions of our own; without it, Dagster's
daemon, which knows only its own, would pass them over. When anything is asked for is said in
`automation`.
"""

from collections.abc import Collection
from functools import lru_cache

import dagster as dg
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.asset_graph_view.entity_subset import EntitySubset
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus

from assets.latest import latest_in_view
from assets.staleness import stale_among

ADOPTED = "adopted"
"""The origin of a file that an older pipeline made."""


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
        view, key = context.asset_graph_view, context.key
        resolver = _resolver(view)
        if context.candidate_subset.is_partitioned:
            keys = context.candidate_subset.expensively_compute_partition_keys()
            stale = set(stale_among(view, resolver, key, keys))
            return dg.AutomationResult(context, _those(context.candidate_subset, stale))
        is_stale = resolver.get_status(key, None) == StaleStatus.STALE
        return dg.AutomationResult(context, _all_or_none(context.candidate_subset, is_stale))


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
        adopted = _adopted(context.asset_graph_view, context.key)
        candidates = context.candidate_subset
        found = _those(candidates, adopted) if candidates.is_partitioned else None
        return dg.AutomationResult(context, found or _all_or_none(candidates, is_meant=False))


@lru_cache(maxsize=2)
def _resolver(view: AssetGraphView) -> CachingStaleStatusResolver:
    """One for a tick, which is what a view is made for: conditions ask several times."""
    return CachingStaleStatusResolver(view.instance, view.asset_graph, view)


@lru_cache(maxsize=4)
def _adopted(view: AssetGraphView, key: dg.AssetKey) -> frozenset[str]:
    """Partitions whose file was adopted."""
    return frozenset(
        partition for partition, one in latest_in_view(view, key).items() if one.origin == ADOPTED
    )


def _those(
    candidates: EntitySubset[dg.AssetKey], partitions: Collection[str]
) -> EntitySubset[dg.AssetKey]:
    """The candidates that are meant."""
    keys = candidates.expensively_compute_partition_keys() if partitions else ()
    return candidates.compute_intersection_with_partition_keys(set(partitions) & set(keys))


def _all_or_none(
    candidates: EntitySubset[dg.AssetKey], is_meant: bool
) -> EntitySubset[dg.AssetKey]:
    """An unpartitioned asset, or nothing."""
    return candidates if is_meant else candidates.compute_difference(candidates)
