"""The latest materialisation of every partition of an asset, each read from the event log once.

Reading ten thousand events takes seconds, a sensor's tick has less than one. An event never
changes, so what was read is kept for as long as the process lives; asked for each time is which
events are the latest, and with which data version.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from sys import intern
from uuid import uuid4

import dagster as dg
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.storage.runs import SqlRunStorage

ORIGIN = "origin"
"""Metadata of a materialisation without a run: how the file came to be."""
_MATERIALIZED = dg.DagsterEventType.ASSET_MATERIALIZATION
_MOST_KNOWN = 32
_BATCH = 5000
"""Events asked for at once; SQLite takes 32,766 values in a query."""


@dataclass(frozen=True, slots=True)
class Latest:
    """What is needed of a materialisation, which is a tenth of the event.

    Args:
        storage_id: its place in the event log.
        timestamp: seconds since the epoch.
        run_id: of the run that made it; empty for none.
        tags: among them code version, data version and what it was made from.
        origin: how the file came to be; empty where it does not say.
    """

    storage_id: int
    timestamp: float
    run_id: str
    tags: Mapping[str, str]
    origin: str


_known: dict[tuple[str, dg.AssetKey], dict[str, Latest]] = {}
"""What was read, by event log and asset, then by partition."""


def latest_materializations(instance: dg.DagsterInstance, asset: str) -> dict[str, Latest]:
    """The latest materialisation of every materialised partition.

    Two queries, and one for each 5,000 events that this process has not read yet. A number of an
    event is given anew after the newest runs were deleted; the data version tells the two apart.
    """
    key, storage = dg.AssetKey(asset), instance.event_log_storage
    ids = storage.get_latest_storage_id_by_partition(key, _MATERIALIZED)
    versions = storage.get_latest_tags_by_partition(key, _MATERIALIZED, [DATA_VERSION_TAG])
    place = (log_id(instance), key)
    before = _known.get(place, {})
    found = {
        partition: one
        for partition, storage_id in ids.items()
        if (one := before.get(partition)) is not None
        and one.storage_id == storage_id
        and one.tags.get(DATA_VERSION_TAG) == versions.get(partition, {}).get(DATA_VERSION_TAG)
    }
    unread = [storage_id for partition, storage_id in ids.items() if partition not in found]
    for at in range(0, len(unread), _BATCH):
        found |= _read(instance, key, unread[at : at + _BATCH])
    if len(_known) > _MOST_KNOWN:
        _known.clear()
    _known[place] = found
    return dict(found)


@lru_cache(maxsize=32)
def latest_in_view(view: AssetGraphView, key: dg.AssetKey) -> Mapping[str, Latest]:
    """The same, asked for once in a view, which is what a tick sees of the event log."""
    return latest_materializations(view.instance, key.to_user_string())


def log_id(instance: dg.DagsterInstance) -> str:
    """What tells the event log of an instance from all others, also after a folder was emptied.

    Storages that are not Dagster's own SQL ones have none, so nothing of theirs is found again.
    """
    storage = instance.run_storage
    return storage.get_run_storage_id() if isinstance(storage, SqlRunStorage) else uuid4().hex


def _read(instance: dg.DagsterInstance, key: dg.AssetKey, ids: list[int]) -> dict[str, Latest]:
    """Events by partition."""
    wanted = dg.AssetRecordsFilter(key, storage_ids=ids)
    found: dict[str, Latest] = {}
    for record in instance.fetch_materializations(wanted, limit=len(ids)).records:
        event = record.asset_materialization
        tags = (event.tags if event else None) or {}
        origin = event.metadata.get(ORIGIN) if event else None
        found[str(record.partition_key)] = Latest(
            record.storage_id,
            record.timestamp,
            record.run_id,
            {intern(name): intern(value) for name, value in tags.items()},
            str(origin.value) if isinstance(origin, dg.TextMetadataValue) else "",
        )
    return found
