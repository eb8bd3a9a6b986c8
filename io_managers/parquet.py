"""Parquet files: tables handed between assets as pandas frames."""

from pathlib import Path
from typing import Any

import pandas as pd

from io_managers.partitioned_file import PartitionedFileIOManager
from quarry.tables import read_table, write_table


class ParquetIOManager(PartitionedFileIOManager):
    """One frame a partition."""

    def write(self, path: Path, value: pd.DataFrame) -> dict[str, Any]:
        """Publish a frame atomically."""
        write_table(value, path)
        return {"dagster/row_count": len(value), "size_bytes": path.stat().st_size}

    def read(self, path: Path) -> pd.DataFrame:
        """The frame of a file."""
        return read_table(path)
