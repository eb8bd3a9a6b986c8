"""Grades the distinct completions of a checkpoint, and keeps the result in one file.

The file is Parquet; the canaries are in its metadata, so that a verdict and what vouches for the
grader are never apart.
"""

# pandas and pyarrow ship partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import blake3

from quarry.equivalence.grader import (
    CanaryResult,
    Decision,
    EquivalenceGrader,
    GradingItem,
    GradingUsage,
)
from quarry.errors import FileMissingError, RecordError
from quarry.sampling.publication import table_schema
from quarry.sampling.table import DECISION_COLUMNS, GRADED_COLUMNS, SAMPLED_COLUMNS
from quarry.selection.columns import records_of
from quarry.tables import read_table, write_whole

if TYPE_CHECKING:
    import pandas as pd

_CANARIES: Final = b"quarry.canaries"


@dataclass(frozen=True)
class GradedCompletions:
    """Every distinct completion with its decision.

    Args:
        frame: with `GRADED_COLUMNS`, in the order of the sampled table.
        canaries: items with known answers that were graded among them.
        usage: what grading took now.
    """

    frame: pd.DataFrame
    canaries: Sequence[CanaryResult]
    usage: GradingUsage

    def digest(self) -> str:
        """blake3 of completions, decisions and grader, whatever the file that holds them."""
        digest = blake3.blake3()
        for record in records_of(self.frame.drop(columns="method")):
            plain = {name: _plain(value) for name, value in record.items()}
            digest.update(json.dumps(plain).encode() + b"\n")
        return digest.hexdigest()


def grade_completions(
    sampled: pd.DataFrame, grader: EquivalenceGrader, *, log: Callable[[str], None]
) -> GradedCompletions:
    """Decide on every row of a table of sampled completions.

    Args:
        sampled: with `SAMPLED_COLUMNS`.
        grader: decides; what it has decided before costs nothing.
        log: takes lines about progress and money.

    Raises:
        QuarryError: nothing can be graded at all; what was decided is kept by the grader.
    """
    import pandas as pd

    items = [
        GradingItem(row["prompt"], row["target"], row["completion"]) for row in records_of(sampled)
    ]
    decisions: dict[int, Decision] = dict(grader.grade(items, log=log))
    described = json.dumps(grader.describe(), sort_keys=True)
    columns = [{**asdict(decisions[place]), "grader": described} for place in range(len(items))]
    decided = pd.DataFrame(columns, columns=list(DECISION_COLUMNS)).astype("string")
    frame = pd.concat([sampled[list(SAMPLED_COLUMNS)].reset_index(drop=True), decided], axis=1)
    ordered = cast("pd.DataFrame", frame[list(GRADED_COLUMNS)])
    return GradedCompletions(ordered, list(grader.canaries), grader.usage)


def write_graded(graded: GradedCompletions, path: Path) -> None:
    """Write the table and its canaries whole or not at all.

    Raises:
        StorageFullError: the disk is full; `path` is as it was before.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    decided = [pa.field(name, pa.string()) for name in DECISION_COLUMNS]
    schema = pa.schema([*table_schema(), *decided])  # the same types in a table without rows
    table = pa.Table.from_pandas(graded.frame, schema, preserve_index=False)
    canaries = json.dumps([asdict(one) for one in graded.canaries]).encode()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _CANARIES: canaries})
    write_whole(path, lambda temporary: pq.write_table(table, temporary))


def read_canaries(path: Path) -> list[CanaryResult]:
    """The canaries of a graded table.

    Raises:
        FileMissingError: there is no such file.
        RecordError: it is no graded table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata: dict[bytes, bytes] = pq.read_schema(path).metadata or {}
        if _CANARIES not in metadata:
            raise ValueError("no canaries in it")
        return [CanaryResult(**one) for one in json.loads(metadata[_CANARIES])]
    except FileNotFoundError as error:
        raise FileMissingError(
            "Graded completions do not exist",
            where=str(path),
            expected="a Parquet file",
            got="nothing",
            fix="materialise the partition of graded_completions",
        ) from error
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise RecordError(
            "Graded completions can't be read",
            where=str(path),
            expected="a Parquet file with the canaries in its metadata",
            got=str(error).splitlines()[0] if str(error) else type(error).__name__,
            fix="materialise the partition of graded_completions again",
        ) from error


def has_unanswered(path: Path) -> bool:
    """Whether a graded table has items that a judge was to decide on and did not.

    What is not clear to rules alone stays so, and does not count.

    Raises:
        RecordError: it is no graded table.
    """
    return any(
        row["outcome"] == "ungraded" and row["decided_by"] != "rules"
        for row in records_of(read_table(path))
    )


def _plain(value: Any) -> Any:
    """A value of a row as JSON has it."""
    return value.tolist() if hasattr(value, "tolist") else value
