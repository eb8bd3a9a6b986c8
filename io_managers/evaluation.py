"""Sampled and graded completions, and evaluation sets."""

from pathlib import Path
from typing import Any

import pandas as pd

from io_managers.partitioned_file import PartitionedFileIOManager
from quarry.equivalence.completions import GradedCompletions, write_graded
from quarry.evaluation_sets.building import EvalSet
from quarry.evaluation_sets.loading import EvalDataset, load_eval_dataset
from quarry.sampling.publication import SampledCompletions
from quarry.tables import read_table


class CompletionsIOManager(PartitionedFileIOManager):
    """Sampled completions; their store is removed once the table is published."""

    def write(self, path: Path, value: SampledCompletions) -> dict[str, Any]:
        """Publish the table of a checkpoint atomically, in bounded memory."""
        with value.store:
            n_rows = value.write(path)
            value.discard()
        return {"dagster/row_count": n_rows, "size_bytes": path.stat().st_size}

    def read(self, path: Path) -> pd.DataFrame:
        """The completions of a checkpoint."""
        return read_table(path)


class GradedIOManager(PartitionedFileIOManager):
    """Graded completions, with the canaries in the metadata of the file."""

    def write(self, path: Path, value: GradedCompletions) -> dict[str, Any]:
        """Publish the table atomically."""
        write_graded(value, path)
        return {"dagster/row_count": len(value.frame), "size_bytes": path.stat().st_size}

    def read(self, path: Path) -> pd.DataFrame:
        """The graded completions."""
        return read_table(path)


class EvalSetIOManager(PartitionedFileIOManager):
    """Evaluation sets: a directory that `datasets` reads, with a description beside it."""

    def write(self, path: Path, value: EvalSet) -> dict[str, Any]:
        """Publish the directory whole or not at all."""
        value.write(path)
        return {"dagster/row_count": value.n_rows}

    def read(self, path: Path) -> EvalDataset:
        """The set as influence analysis loads it."""
        return load_eval_dataset(path)
