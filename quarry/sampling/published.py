"""The table of a checkpoint's completions as it was published, if it was."""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from typing import TYPE_CHECKING

from quarry.data_directory import DataDirectory
from quarry.errors import FileMissingError, RecordError
from quarry.sampling.keys import SampledKey
from quarry.tables import read_table

if TYPE_CHECKING:
    import pandas as pd


def published_completions(files: DataDirectory, key: SampledKey) -> pd.DataFrame | None:
    """The completions of a checkpoint; None where there are none that can be read."""
    try:
        return read_table(files.root / key.completions_path)
    except (FileMissingError, RecordError):
        return None
