"""Publishes the labels of a cell and keeps those of the grader version before.

A table names the grader version that it replaced, and that table lies in `history` beside it. What
moved between the two is worked out in `quarry.label_changes`.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from quarry.errors import FileMissingError, RecordError
from quarry.evidence import without_times
from quarry.tables import content_digest, read_table, write_table

if TYPE_CHECKING:
    import pandas as pd

HISTORY = "history"
REPLACES = "replaces_grader_version"
"""Attribute of a table of labels, kept in its Parquet file: the version that it took over from."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def publish_labels(labels: pd.DataFrame, path: Path) -> None:
    """Write a table of labels; the one that it replaces is kept if another version graded it.

    The same version graded again replaces its own table, and still points to the version before.

    Raises:
        StorageFullError: the disk is full; `path` is as it was before.
    """
    labels = labels.copy(deep=False)
    labels.attrs = {**labels.attrs, **_predecessor(labels, path)}
    write_table(labels, path)


def replaced_labels(labels: pd.DataFrame, path: Path) -> pd.DataFrame | None:
    """The labels that a table took over from; None where it took over from none.

    Args:
        labels: the table that lies at `path`, as it was read.
        path: its place.

    Raises:
        FileMissingError: they were kept and are not there any more.
        RecordError: they can't be read.
    """
    version = labels.attrs.get(REPLACES)
    return None if version is None else read_table(history_path(path, str(version)))


def labels_digest(labels: pd.DataFrame) -> str:
    """The data version of labels: their content without the time that each program took.

    Else grading the same outputs again would make everything stale that is made from the labels.
    """
    timeless = labels.assign(evidence=[without_times(text) for text in labels["evidence"]])
    return content_digest(timeless)


def history_path(path: Path, version: str) -> Path:
    """Where the labels of an earlier grader version of a cell lie."""
    name = f"{path.stem}.v{_UNSAFE.sub('_', version)}{path.suffix}"
    return path.parent / HISTORY / name


def grader_version_of(labels: pd.DataFrame) -> str:
    """The grader version of a table; empty where it has no rows or does not say."""
    if not len(labels) or "grader_version" not in labels.columns:
        return ""
    return str(labels["grader_version"].iloc[0])


def _predecessor(labels: pd.DataFrame, path: Path) -> dict[str, str]:
    """Keep the table that is about to be replaced, where it has to be; the pointer to it."""
    if not path.exists():
        return {}
    with _second_name(path) as table:
        try:
            replaced = read_table(table)
        except (FileMissingError, RecordError):
            return {}
        version = grader_version_of(replaced)
        if version and version != grader_version_of(labels):
            kept = history_path(path, version)
            kept.parent.mkdir(parents=True, exist_ok=True)
            table.replace(kept)
            return {REPLACES: version}
    return {REPLACES: str(replaced.attrs[REPLACES])} if REPLACES in replaced.attrs else {}


@contextmanager
def _second_name(path: Path) -> Generator[Path]:
    """Another name of the table that lies there now; it stays that one if another run publishes.

    Else what is kept under the version that was read could be what another run has just published.
    """
    temporary = path.with_name(f".{path.name}.kept-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        try:
            temporary.hardlink_to(path)
        except OSError:  # a file system without hard links
            shutil.copyfile(path, temporary)
        yield temporary
    finally:
        # still there after a kill between keeping and replacing: both names were one file then
        temporary.unlink(missing_ok=True)
