"""Writing an evaluation set: directory and description appear together, whole or not at all."""

# pyarrow, pandas and datasets ship no or partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from quarry.errors import UsageError
from quarry.evaluation_sets.description import SetDescription, rows_digest
from quarry.evaluation_sets.schema import DATA_FOLDER, DESCRIPTION_FILE, SET_SCHEMA
from quarry.trajectory.space import disk_named
from quarry.whole_directory import publish_directory

if TYPE_CHECKING:
    import pyarrow as pa


def write_eval_set(directory: Path, rows: pa.Table, description: SetDescription) -> None:
    """Write a set; a set that had the name before is replaced, and stays whole until then.

    Args:
        directory: of the set; gets `eval_dataset/` and `eval_set.json`.
        rows: as `build_rows` gives them.
        description: of these rows.

    Raises:
        UsageError: rows and description do not belong together.
        StorageFullError: there is not enough space; nothing is left behind.
        DiskError: the disk refuses for another reason.
    """
    _require_fitting(directory, rows, description)
    from datasets import Dataset

    text = json.dumps(description.as_dict(), indent=2, ensure_ascii=False) + "\n"
    with disk_named(directory), publish_directory(directory) as building:
        with _without_progress_bars():
            # one file at least: an empty set without any would have no columns, and not load
            Dataset(rows).save_to_disk(building / DATA_FOLDER, num_shards=1)
        (building / DESCRIPTION_FILE).write_text(text, encoding="utf-8")


def _require_fitting(directory: Path, rows: pa.Table, description: SetDescription) -> None:
    """Refuse rows of other types, or another set's description.

    Raises:
        UsageError: they do not fit.
    """
    if rows.schema != SET_SCHEMA:
        raise UsageError(
            "Rows have other columns than an evaluation set",
            where=str(directory),
            expected=str(SET_SCHEMA).replace("\n", ", "),
            got=str(rows.schema).replace("\n", ", "),
            fix="make the rows with build_rows",
        )
    if rows_digest(rows) != description.content_digest:
        raise UsageError(
            "An evaluation set's description is of other rows",
            where=str(directory),
            expected=f"the digest {description.content_digest}, {description.n_rows} rows",
            got=f"{rows_digest(rows)}, {rows.num_rows} rows",
            fix="describe these rows with describe_set",
        )


@contextmanager
def _without_progress_bars() -> Generator[None]:
    """Keep `datasets` from drawing bars for a file of some kilobytes."""
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
