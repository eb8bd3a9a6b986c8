"""`SampledCompletions`: what was sampled of a checkpoint, as a table that is published.

Memory holds one row group of it, however many distinct completions there are.
"""

# pyarrow ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import blake3

from quarry.errors import RecordError
from quarry.sampling.prompts import EvalPrompt
from quarry.sampling.store import CompletionStore
from quarry.sampling.table import SAMPLED_COLUMNS
from quarry.tables import write_whole

if TYPE_CHECKING:
    import pyarrow as pa

    from quarry.sampling.published import PublishedCompletions

_ROWS_PER_GROUP = 1024


class SampledCompletions:
    """All generations of a checkpoint, collapsed.

    Args:
        prompts: in the order of the table.
        n: generations of each.
        method: how they were made, plain JSON.
        store: where they are; locked until `discard` or `close`.
    """

    def __init__(
        self,
        prompts: Sequence[EvalPrompt],
        n: int,
        method: Mapping[str, Any],
        store: CompletionStore,
    ) -> None:
        self.prompts = prompts
        self.n = n
        self.store = store
        self.method = dict(method)
        self._method = json.dumps(method, sort_keys=True)

    def take_over(self, published: PublishedCompletions) -> None:
        """Count in what was published of these prompts, if it was made in the same way.

        Prompts that have more generations there are left out, and so are those that do not add up.
        """
        with contextlib.suppress(RecordError):  # what can't be read is made anew
            there = published.prompts(self._method, self.n)
            for prompt in self.prompts:
                found = there.get(prompt.id)
                if found is None or found.n_generations <= self.store.n_done(prompt.id):
                    continue
                kept = published.distinct(prompt.id, found.row_groups)
                self.store.add(prompt.id, found.token_ids, kept, found.n_generations, is_all=True)

    def begin(self) -> int:
        """How many of the wanted generations are there; a prompt that has more is begun anew.

        Counts are of all generations together, so those of fewer can't be had from them.
        """
        for prompt in self.prompts:
            if self.store.n_done(prompt.id) > self.n:
                self.store.forget(prompt.id)
        return sum(self.store.n_done(prompt.id) for prompt in self.prompts)

    def n_distinct(self) -> dict[str, int]:
        """Distinct completions of each prompt, by its id."""
        return {prompt.id: self.store.n_distinct(prompt.id) for prompt in self.prompts}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows in order of the prompts, then of the generation that came first."""
        for prompt in self.prompts:
            asked = self.store.prompt_token_ids(prompt.id)
            for one in self.store.distinct(prompt.id):
                yield {
                    "source": prompt.source,
                    "prompt_id": prompt.id,
                    "prompt": prompt.text,
                    "target": prompt.target,
                    "completion": one.text,
                    "generation_idx": one.generation_idx,
                    "count": one.count,
                    "n_generations": self.n,
                    "finish_reason": one.finish_reason,
                    "prompt_token_ids": asked,
                    "output_token_ids": list(one.token_ids),
                    "method": self._method,
                }

    def digest(self) -> str:
        """blake3 of the rows, whatever the file that holds them and whatever made them."""
        digest = blake3.blake3()
        for row in self.rows():
            content = {name: row[name] for name in SAMPLED_COLUMNS if name != "method"}
            digest.update(json.dumps(content).encode() + b"\n")
        return digest.hexdigest()

    def write(self, path: Path) -> int:
        """Write the table whole or not at all; returns the number of rows.

        Raises:
            StorageFullError: the disk is full; `path` is as it was before.
        """
        n_rows = 0

        def fill(temporary: Path) -> None:
            nonlocal n_rows
            import pyarrow as pa
            import pyarrow.parquet as pq

            schema = table_schema()
            with pq.ParquetWriter(temporary, schema) as writer:
                rows = self.rows()
                while group := list(islice(rows, _ROWS_PER_GROUP)):
                    writer.write_table(pa.Table.from_pylist(group, schema))
                    n_rows += len(group)

        write_whole(path, fill)
        return n_rows

    def discard(self) -> None:
        """Delete the store: its rows are published."""
        self.store.remove()


def table_schema() -> pa.Schema:
    """Columns and types of sampled completions, in `SAMPLED_COLUMNS`' order."""
    import pyarrow as pa

    types = {
        "generation_idx": pa.int64(),
        "count": pa.int64(),
        "n_generations": pa.int64(),
        "prompt_token_ids": pa.list_(pa.int32()),
        "output_token_ids": pa.list_(pa.int32()),
    }
    return pa.schema([(name, types.get(name, pa.string())) for name in SAMPLED_COLUMNS])
