# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
"""Reads benchmark records from the hub, at a pinned revision.

The only module that imports `datasets`, and only when something is read. What the fields mean
belongs into the module of the format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from quarry.benchmarks.records import SourceRecord
from quarry.errors import SourceMissingError

if TYPE_CHECKING:
    from quarry.catalog import HubDataset


def read_hub(dataset: HubDataset, split: str) -> Iterator[SourceRecord]:
    """Records of a split, in the order of the dataset.

    `hub_id` may also be a local directory of Parquet or JSON files.

    Raises:
        SourceMissingError: dataset, revision or split do not exist or can't be reached.
    """
    # Imported here: `datasets` takes seconds, and a mirror does without it.
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    where = f"{dataset.hub_id} ({dataset.config or 'default'}) at {dataset.revision}, split {split}"
    try:
        table: Any = load_dataset(
            dataset.hub_id, dataset.config, split=split, revision=dataset.revision
        )
    except (OSError, ValueError, DatasetsError) as error:
        raise SourceMissingError(
            "A benchmark can't be read from the hub",
            where=where,
            expected="a dataset that exists and can be reached",
            got=f"{type(error).__name__}: {error}",
            fix="check the network, hub id, revision and split, or use a mirror "
            "(benchmark_source: {kind: mirror, path: …})",
        ) from error
    for row, fields in enumerate(table):
        yield SourceRecord(row, f"{where}, row {row}", cast("Mapping[str, Any]", fields))
