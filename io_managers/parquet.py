"""Parquet files: tables handed between assets as pandas frames; labels keep their history."""

from pathlib import Path
from typing import Any

import pandas as pd

from io_managers.partitioned_file import PartitionedFileIOManager
from quarry.label_history import publish_labels
from quarry.tables import read_table, write_table


class ParquetIOManager(PartitionedFileIOManager):
    """One frame a partition."""

    def write(self, path: Path, value: pd.DataFrame) -> dict[str, Any]:
        """Publish a frame atomically."""
        write_table(value, path)
        return table_facts(value, path)

    def read(self, path: Path) -> pd.DataFrame:
        """The frame of a file."""
        return read_table(path)


class LabelsIOManager(ParquetIOManager):
    """Labels of a cell; those of the grader version before are kept beside them."""

    def write(self, path: Path, value: pd.DataFrame) -> dict[str, Any]:
        """Publish labels atomically."""
        publish_labels(value, path)
        return table_facts(value, path)


def table_facts(value: pd.DataFrame, path: Path) -> dict[str, Any]:
    """What the asset page shows of a table."""
    return {"dagster/row_count": len(value), "size_bytes": path.stat().st_size}
