"""Which partitions are out of date, as the UI's mark "Unsynced" says, for code outside a sensor."""

from collections.abc import Sequence

import dagster as dg
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.definitions.temporal_context import TemporalContext
from dagster._time import get_current_datetime


def stale_partitions(
    graph: AssetGraph, instance: dg.DagsterInstance, asset: str, partitions: Sequence[str]
) -> list[str]:
    """Those that another code version made, or that were made from what has changed since."""
    moment = TemporalContext(
        effective_dt=get_current_datetime(),
        last_event_id=instance.event_log_storage.get_maximum_record_id(),
    )
    view = AssetGraphView(temporal_context=moment, instance=instance, asset_graph=graph)
    resolver = CachingStaleStatusResolver(instance, graph, view)
    key = dg.AssetKey(asset)
    with dg.partition_loading_context(dynamic_partitions_store=instance):
        return [one for one in partitions if resolver.get_status(key, one) == StaleStatus.STALE]
