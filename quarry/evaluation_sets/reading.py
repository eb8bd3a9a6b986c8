"""Opening an evaluation set as it lies on the disk, without judging it.

What is wrong with its rows is said by `set_checks`. Pickles beside a set are never opened.
"""

# pyarrow, pandas and datasets ship no or partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from quarry.errors import FileMissingError, RecordError
from quarry.evaluation_sets.description import SetDescription, read_description
from quarry.evaluation_sets.schema import DATA_FOLDER, DESCRIPTION_FILE

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class StoredSet:
    """A set as it lies on the disk.

    Args:
        directory: of the set.
        dataset: its rows.
        description: None for a set of earlier tools, which has none.
        pickles: pickles that lie beside it, unopened.
    """

    directory: Path
    dataset: Dataset
    description: SetDescription | None
    pickles: Sequence[Path]

    def table(self) -> pa.Table:
        """All rows, with the types that they have on the disk."""
        table: Any = self.dataset.with_format("arrow")[:]
        return table

    def rows(self) -> list[dict[str, Any]]:
        """All rows as plain values."""
        return self.table().to_pylist()


def read_set(path: Path) -> StoredSet:
    """Open a set.

    Args:
        path: its directory, its `eval_dataset/`, or any directory that `datasets` saved.

    Raises:
        FileMissingError: there is no set.
        RecordError: dataset or description can't be read.
    """
    directory, data = _places(Path(path))
    described = directory / DESCRIPTION_FILE
    return StoredSet(
        directory=directory,
        dataset=_dataset(data),
        description=read_description(described) if described.is_file() else None,
        pickles=tuple(sorted(directory.glob("*.pkl"))),
    )


def _places(path: Path) -> tuple[Path, Path]:
    """The directory of a set, and that of its rows.

    Raises:
        FileMissingError: there is no set.
    """
    if (path / DATA_FOLDER).is_dir():
        return path, path / DATA_FOLDER
    if path.is_dir() and path.resolve().name == DATA_FOLDER:
        return path.resolve().parent, path
    if (path / "state.json").is_file():
        return path, path
    raise FileMissingError(
        "There is no evaluation set",
        where=str(path),
        expected=f"a directory with {DATA_FOLDER}/ in it, or that directory itself",
        got="another directory" if path.is_dir() else "no such directory",
        fix="correct the path, or materialise sampled_eval_dataset of the checkpoint",
    )


def _dataset(data: Path) -> Dataset:
    """The rows, as `datasets` saved them or as Parquet files in `data/`.

    Raises:
        RecordError: they can't be read.
    """
    from datasets import Dataset, load_from_disk

    parts = sorted((data / "data").glob("*.parquet"))
    try:
        if parts and not list(data.glob("*.arrow")):
            return Dataset(_parquet_table(parts))
        loaded = load_from_disk(str(data))
    # whatever a damaged file makes of Arrow and JSON readers, it is this file that is damaged
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        pa.ArrowException,
    ) as error:
        raise _unreadable(
            data, str(error).splitlines()[0] if str(error) else repr(error)
        ) from error
    if not isinstance(loaded, Dataset):
        raise _unreadable(data, f"several splits: {', '.join(map(str, loaded))}")
    return loaded


def _parquet_table(parts: Sequence[Path]) -> pa.Table:
    """Parquet files one after another."""
    import pyarrow.parquet as pq

    return pa.concat_tables([pq.read_table(part) for part in parts])


def _unreadable(data: Path, got: str) -> RecordError:
    """The error for a directory whose rows can't be read."""
    return RecordError(
        "The rows of an evaluation set can't be read",
        where=str(data),
        expected="a directory written by save_to_disk of datasets",
        got=got,
        fix="make the set again: materialise sampled_eval_dataset of the checkpoint",
    )
