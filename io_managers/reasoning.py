"""Results of necessity tests and stratified datasets: tables with something beside them."""

from pathlib import Path
from typing import Any

import pandas as pd

from io_managers.parquet import table_facts
from io_managers.partitioned_file import PartitionedFileIOManager
from quarry.necessity.shard import ShardResults
from quarry.selection.dataset_files import read_dataset, write_dataset
from quarry.tables import read_table, write_table


class NecessityIOManager(PartitionedFileIOManager):
    """Shards of necessity tests; the journal of one is removed once its table is published."""

    def write(self, path: Path, value: ShardResults) -> dict[str, Any]:
        """Publish the table of a shard atomically."""
        table = value.frame()
        with value.journal as journal:
            write_table(table, path)
            journal.remove()
        return table_facts(table, path)

    def read(self, path: Path) -> pd.DataFrame:
        """The results of a shard."""
        return read_table(path)


class StratifiedIOManager(PartitionedFileIOManager):
    """Stratified datasets: a JSON list, and the same rows as Parquet beside it."""

    def write(self, path: Path, value: pd.DataFrame) -> dict[str, Any]:
        """Publish both files, each atomically."""
        files = write_dataset(value, path)
        return {
            "dagster/row_count": len(value),
            "parquet": str(files.parquet),
            "size_bytes": files.json.stat().st_size,
        }

    def read(self, path: Path) -> pd.DataFrame:
        """The rows of a dataset."""
        return read_dataset(path)
