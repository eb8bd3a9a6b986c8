"""`PublishedCompletions`: a checkpoint's completions as they were published, read bit by bit."""

# pyarrow ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from quarry.data_directory import DataDirectory
from quarry.errors import RecordError
from quarry.sampling.keys import SampledKey
from quarry.sampling.publication import table_schema
from quarry.sampling.store import Distinct

_ROWS_AT_ONCE: Final = 1024
_COUNTED: Final = ("prompt_id", "count", "n_generations", "method")
_KEPT: Final = ("prompt_id", "completion", "generation_idx", "count", "finish_reason")


@dataclass(frozen=True)
class PublishedPrompt:
    """What a published table has of one prompt.

    Args:
        n_generations: of the prompt in all.
        token_ids: what the model was fed.
        row_groups: those of the file that hold its rows.
    """

    n_generations: int
    token_ids: Sequence[int]
    row_groups: Sequence[int]


@dataclass(frozen=True)
class PublishedCompletions:
    """A published table; memory holds a few rows of it, however many there are.

    Args:
        path: of the Parquet file.
    """

    path: Path

    def is_readable(self) -> bool:
        """Whether the file is there and has the columns of sampled completions."""
        try:
            with self._opened() as file:
                return file.schema_arrow.remove_metadata().equals(table_schema())
        except RecordError:
            return False

    def prompts(self, method: str, most: int) -> dict[str, PublishedPrompt]:
        """The prompts whose generations are all there, by their ids.

        Args:
            method: how they were made, as JSON; of a table that was made otherwise there are none.
            most: prompts that have more generations are left out.

        Raises:
            RecordError: the table can't be read.
        """
        done: dict[str, int] = {}
        stated: dict[str, set[int]] = {}
        groups: dict[str, dict[int, None]] = {}
        with self._opened() as file:
            for group in range(file.metadata.num_row_groups):
                for batch in _batches(file, [group], _COUNTED):
                    if any(found != method for found in batch["method"].unique().to_pylist()):
                        return {}
                    counted = (batch[name].to_pylist() for name in _COUNTED[:3])
                    for prompt_id, count, n_generations in zip(*counted, strict=True):
                        done[prompt_id] = done.get(prompt_id, 0) + count
                        stated.setdefault(prompt_id, set()).add(n_generations)
                        groups.setdefault(prompt_id, {})[group] = None
            return {
                prompt_id: PublishedPrompt(n_done, _fed(file, prompt_id, held), held)
                for prompt_id, n_done in done.items()
                for held in [list(groups[prompt_id])]
                if n_done <= most and stated[prompt_id] == {n_done}
            }

    def distinct(self, prompt_id: str, row_groups: Sequence[int]) -> Iterator[Distinct]:
        """The distinct completions of a prompt in the order of the table.

        Raises:
            RecordError: the table can't be read.
        """
        with self._opened() as file:
            for batch in _batches(file, row_groups, (*_KEPT, "output_token_ids")):
                for row in batch.to_pylist():
                    if row.pop("prompt_id") == prompt_id:
                        ids = tuple(row.pop("output_token_ids"))
                        yield Distinct(text=row.pop("completion"), token_ids=ids, **row)

    @contextlib.contextmanager
    def _opened(self) -> Generator[Any]:
        """The file, and an error that names it where it can't be read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path) as file:
                yield file
        except (pa.ArrowException, OSError) as error:
            raise RecordError(
                "Published completions can't be read",
                where=str(self.path),
                expected="a whole Parquet file of sampled completions",
                got=str(error),
                fix="materialise sampled_completions of the checkpoint",
            ) from error


def published_completions(files: DataDirectory, key: SampledKey) -> PublishedCompletions | None:
    """The completions of a checkpoint; None where there are none that can be read."""
    found = PublishedCompletions(files.root / key.completions_path)
    return found if found.is_readable() else None


def _batches(file: Any, row_groups: Sequence[int], columns: Sequence[str]) -> Iterator[Any]:
    """Some columns of some row groups, a few rows at once."""
    return file.iter_batches(_ROWS_AT_ONCE, row_groups=list(row_groups), columns=list(columns))


def _fed(file: Any, prompt_id: str, row_groups: Sequence[int]) -> list[int]:
    """What the model was fed for a prompt, from its first row."""
    for batch in _batches(file, row_groups[:1], ("prompt_id", "prompt_token_ids")):
        ids = batch["prompt_id"].to_pylist()
        if prompt_id in ids:
            return batch["prompt_token_ids"][ids.index(prompt_id)].as_py()
    raise AssertionError("the row group was found by this prompt")
