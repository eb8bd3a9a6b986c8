"""The table of a shard as it was published, if it was."""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from typing import TYPE_CHECKING

from quarry.data_directory import DataDirectory
from quarry.errors import FileMissingError, RecordError
from quarry.necessity.keys import NecessityKey
from quarry.tables import read_table

if TYPE_CHECKING:
    import pandas as pd


def published_shard(files: DataDirectory, key: NecessityKey) -> pd.DataFrame | None:
    """The results of a shard; None where there are none that can be read."""
    try:
        return read_table(files.root / key.table_path)
    except (FileMissingError, RecordError):
        return None
