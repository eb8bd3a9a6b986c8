"""Builds the evaluation set of a checkpoint from its graded completions, as the catalog says."""

# pandas and pyarrow ship partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quarry.catalog import Catalog
from quarry.data_directory import DataDirectory
from quarry.equivalence.completions import read_canaries
from quarry.equivalence.opening import rubric_of
from quarry.equivalence.rubric import Rubric
from quarry.errors import UsageError
from quarry.evaluation_sets.description import SetDescription, describe_set
from quarry.evaluation_sets.rows import SetOrigin, build_rows
from quarry.evaluation_sets.token_facts import TokenFacts
from quarry.evaluation_sets.writing import write_eval_set
from quarry.sampling.keys import SampledKey
from quarry.sampling.runs import checkpoint_directory

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class EvalSet:
    """A set that is ready to be written.

    Args:
        rows: see `build_rows`.
        description: what the set says of itself.
    """

    rows: pa.Table
    description: SetDescription

    @property
    def n_rows(self) -> int:
        """Rows of the set."""
        return self.rows.num_rows

    def digest(self) -> str:
        """Of the rows, whatever the files that hold them."""
        return self.description.content_digest

    def write(self, directory: Path) -> None:
        """Write the set whole or not at all.

        Raises:
            StorageFullError: there is not enough space; an earlier set is as it was.
        """
        write_eval_set(directory, self.rows, self.description)


def build_eval_set(
    catalog: Catalog,
    key: SampledKey,
    graded: pd.DataFrame,
    files: DataDirectory,
    base_dir: Path,
) -> EvalSet:
    """The set of a checkpoint.

    Args:
        catalog: its section `evaluation`.
        key: the checkpoint.
        graded: its graded completions.
        files: where they and the checkpoint are.
        base_dir: where relative paths of the catalog start.

    Raises:
        UsageError: the completions were graded under another rubric than the present one.
        QuarryError: the checkpoint's tokenizer, the rubric or the canaries can't be read.
    """
    rubric = rubric_of(catalog, key.run, base_dir)
    _require_graded_under(rubric, graded, files.root / key.graded_path)
    origin = SetOrigin(key.run, key.checkpoint, rubric.as_dict(), rubric.digest)
    spec = catalog.evaluation_spec()
    tokens = TokenFacts.of_checkpoint(checkpoint_directory(spec, key, files.root, base_dir))
    rows = build_rows(graded, tokens, origin)
    description = describe_set(
        rows,
        graded,
        name=f"sampled_{key.run}_{key.checkpoint}",
        origin=origin,
        tokens=tokens,
        canaries=read_canaries(files.root / key.graded_path),
    )
    return EvalSet(rows, description)


def _require_graded_under(rubric: Rubric, graded: pd.DataFrame, path: Path) -> None:
    """Refuse to describe decisions by a rubric that they were not made under."""
    used = {str(json.loads(one).get("rubric_digest")) for one in set(graded["grader"])}
    if used - {rubric.digest}:
        raise UsageError(
            "Completions were graded under another rubric",
            where=str(path),
            expected=f"the present rubric {rubric.name}, digest {rubric.digest[:8]}",
            got=", ".join(sorted(one[:8] for one in used)),
            fix="materialise graded_completions of the checkpoint first",
        )
