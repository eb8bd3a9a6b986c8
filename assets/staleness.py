"""Which partitions are out of date, exactly where the UI shows "Unsynced".

Dagster asks the event log some times for each partition and dependency: minutes for a large grid.
Here nearly all are settled by three queries for the whole asset: what the present code made after
the newest version of everything that it was made from is up to date. Only the others are asked of
Dagster, and each once: its answer holds until an event that it depends on is another or gone.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import dagster as dg
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    NULL_EVENT_POINTER,
    CachingStaleStatusResolver,
    StaleStatus,
    get_input_event_pointer_tag,
)
from dagster._core.definitions.partitions.mapping import (
    IdentityPartitionMapping,
    MultiToSingleDimensionPartitionMapping,
)
from dagster._core.definitions.partitions.utils.multi import MULTIPARTITION_KEY_DELIMITER
from dagster._core.definitions.temporal_context import TemporalContext
from dagster._time import get_current_datetime

from assets.latest import latest_in_view, log_id

Grounds = tuple[object, ...]
"""What decides whether a partition is stale: a version of the code, events, and how many runs were
deleted, and with them older events."""
_MOST_ASSETS = 64
_WHOLE = -1
_T = TypeVar("_T")
_INPUT = get_input_event_pointer_tag(dg.AssetKey("x")).removesuffix("x")
"""How each tag begins that names the event of something that it was made from."""


@dataclass(frozen=True, slots=True)
class _Event:
    """Something that happened to a partition.

    Args:
        place: in the event log; 0 for nothing.
        version: data version, which tells two events of one place apart: the place of a deleted
            run's event is given anew.
    """

    place: int = 0
    version: str = ""


_NOTHING = _Event()


@dataclass(frozen=True)
class _Dep:
    """Something that an asset is made from.

    Args:
        tag: names the event that was read, in a materialisation's tags.
        dimension: which part of the asset's partition is its own, `_WHOLE` for all of it.
        newest: the newest event of each of its partitions, with its data version.
    """

    tag: str
    dimension: int
    newest: Mapping[str, _Event]

    def of(self, partition: str) -> _Event:
        """The newest event of the partition that belongs to one of the asset."""
        if self.dimension != _WHOLE:
            partition = partition.split(MULTIPARTITION_KEY_DELIMITER)[self.dimension]
        return self.newest.get(partition, _NOTHING)


def stale_partitions(
    graph: BaseAssetGraph, instance: dg.DagsterInstance, asset: str, partitions: Sequence[str]
) -> list[str]:
    """Those that another code version made, or that were made from what has changed since."""
    moment = TemporalContext(
        effective_dt=get_current_datetime(),
        last_event_id=instance.event_log_storage.get_maximum_record_id(),
    )
    view = AssetGraphView(temporal_context=moment, instance=instance, asset_graph=graph)
    resolver = CachingStaleStatusResolver(instance, graph, view)
    return stale_among(view, resolver, dg.AssetKey(asset), partitions)


def stale_among(
    view: AssetGraphView,
    resolver: CachingStaleStatusResolver,
    key: dg.AssetKey,
    partitions: Collection[str],
) -> list[str]:
    """The same, for who has a view and its resolver.

    Args:
        view: the graph and the instance.
        resolver: Dagster's own, asked where a glance is not enough.
        key: the asset, which is partitioned.
        partitions: those that are looked at.
    """
    suspects = _suspects(view, key) if len(partitions) > 1 else None
    with dg.partition_loading_context(dynamic_partitions_store=view.instance):
        if suspects is None:
            return [one for one in partitions if _is_stale(resolver, key, one)]
        known = _answers(view, key, suspects)
        for one in partitions:
            if one in suspects and one not in known:
                grounds = suspects[one] if _is_settled(view, suspects[one]) else ()
                known[one] = (grounds, _is_stale(resolver, key, one))
        return [one for one in partitions if one in suspects and known[one][1]]


def _is_stale(resolver: CachingStaleStatusResolver, key: dg.AssetKey, partition: str) -> bool:
    """What Dagster says."""
    return resolver.get_status(key, partition) == StaleStatus.STALE


def _is_settled(view: AssetGraphView, grounds: Grounds) -> bool:
    """Whether all of these events are older than the view, which may have read the log before.

    Dagster then says that nothing was made yet, which is to be asked again.
    """
    newest = view.last_event_id or 0
    return all(one.place <= newest for one in grounds if isinstance(one, _Event))


_answered: dict[tuple[str, dg.AssetKey], dict[str, tuple[Grounds, bool]]] = {}
"""What Dagster said, by event log and asset, then by partition, with the grounds."""


def _answers(
    view: AssetGraphView, key: dg.AssetKey, suspects: Mapping[str, Grounds]
) -> dict[str, tuple[Grounds, bool]]:
    """The answers whose grounds are still the same; further ones are added to it."""
    if len(_answered) > _MOST_ASSETS:
        _answered.clear()
    place = (log_id(view.instance), key)
    before = _answered.get(place, {})
    known = _answered[place] = {
        one: before[one]
        for one, grounds in suspects.items()
        if one in before and before[one][0] == grounds
    }
    return known  # of this caller alone: two sensors tick at the same time


@lru_cache(maxsize=2)
def _n_deleted(view: AssetGraphView) -> int:
    """How many runs were deleted, and with them older events that Dagster compares with.

    Not counted are the newest runs of all, whose events were the newest, too.
    """
    newest = view.instance.get_run_records(limit=1)
    return sum(one.storage_id for one in newest) - view.instance.get_runs_count()


@lru_cache(maxsize=16)
def _suspects(view: AssetGraphView, key: dg.AssetKey) -> Mapping[str, Grounds] | None:
    """Partitions that were made and may be out of date; None where a glance can't tell.

    Asked for several times by the conditions of one tick, which share a view.
    """
    graph = view.asset_graph
    deps: list[_Dep] = []
    for parent in graph.get(key).parent_keys:
        dimension = _dimension(graph, key, parent)
        if dimension is None or graph.get(parent).is_virtual:
            return None
        tag = get_input_event_pointer_tag(parent)
        deps.append(_Dep(tag, dimension, _newest(view, parent)))
    own, code_version = latest_in_view(view, key), graph.get(key).code_version
    newest, n_deleted = _newest(view, key), _n_deleted(view)
    return _unless_same(
        ("suspects", log_id(view.instance), key),
        (code_version, n_deleted, own, newest, deps),
        lambda: {
            one: (code_version, n_deleted, newest[one], *(dep.of(one) for dep in deps))
            for one, latest in own.items()
            if not _is_fresh(one, latest.tags, code_version, deps)
        },
    )


@lru_cache(maxsize=32)
def _newest(view: AssetGraphView, key: dg.AssetKey) -> Mapping[str, _Event]:
    """The newest event of every partition that may carry a data version."""
    made = latest_in_view(view, key)
    observed = view.instance.event_log_storage.get_latest_storage_id_by_partition(
        key, dg.DagsterEventType.ASSET_OBSERVATION
    )
    return _unless_same(
        ("newest", log_id(view.instance), key),
        (made, observed),
        lambda: (
            {
                partition: _Event(latest.storage_id, latest.tags.get(DATA_VERSION_TAG, ""))
                for partition, latest in made.items()
            }
            | {
                partition: _Event(place)
                for partition, place in observed.items()
                if partition not in made or place > made[partition].storage_id
            }
        ),
    )


_worked_out: dict[tuple[str, str, dg.AssetKey], tuple[object, Any]] = {}


def _unless_same(
    what: tuple[str, str, dg.AssetKey], grounds: object, work_out: Callable[[], _T]
) -> _T:
    """What was worked out the last time, if it was from the same."""
    if len(_worked_out) > _MOST_ASSETS:
        _worked_out.clear()
    known = _worked_out.get(what)
    if known is None or known[0] != grounds:
        known = _worked_out[what] = (grounds, work_out())
    return known[1]


def _is_fresh(
    partition: str, tags: Mapping[str, str], code_version: str | None, deps: Sequence[_Dep]
) -> bool:
    """Whether the present code made it from exactly these, none of which was made again since."""
    made_by = tags.get(CODE_VERSION_TAG)
    if made_by is None or (code_version and made_by != code_version):
        return False
    if sum(name.startswith(_INPUT) for name in tags) != len(deps):
        return False
    return all(dep.tag in tags and dep.of(partition).place <= _place(tags[dep.tag]) for dep in deps)


def _place(pointer: str) -> int:
    """The event that a pointer names; 0 for none."""
    return 0 if pointer == NULL_EVENT_POINTER else int(pointer)


def _dimension(graph: BaseAssetGraph, key: dg.AssetKey, parent: dg.AssetKey) -> int | None:
    """Which part of an asset's partition is that of a dependency; None if it is not just one."""
    own, other = graph.get(key).partitions_def, graph.get(parent).partitions_def
    mapping = graph.get_partition_mapping(key, parent)
    if own is None or other is None:
        return None
    if own == other and isinstance(mapping, IdentityPartitionMapping):
        return _WHOLE
    if isinstance(own, dg.MultiPartitionsDefinition) and isinstance(
        mapping, MultiToSingleDimensionPartitionMapping
    ):
        names = [one.name for one in own.partitions_defs if one.partitions_def == other]
        if len(names) == 1:
            return [one.name for one in own.partitions_defs].index(names[0])
    return None
