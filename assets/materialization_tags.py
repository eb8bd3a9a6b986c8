"""Tags of a partition's latest materialisation: by what code, and as which content it was made."""

from collections.abc import Mapping

import dagster as dg

CODE_VERSION_TAG = "dagster/code_version"
DATA_VERSION_TAG = "dagster/data_version"


def latest_tags(instance: dg.DagsterInstance, asset: str, partition: str) -> Mapping[str, str]:
    """The tags; none where a partition was never materialised."""
    wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[partition])
    records = instance.fetch_materializations(wanted, limit=1).records
    event = records[0].asset_materialization if records else None
    return (event.tags if event else None) or {}
