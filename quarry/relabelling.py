"""Labelling many cells again from their stored outputs: which need it, and doing it for one cell.

Activations are never read. A cell whose labels are current is left alone, so that work which was
killed goes on where it stopped. Recording what was done is the caller's business.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from quarry.benchmarks.benchmark_set import BenchmarkSet, from_frame
from quarry.errors import FileMissingError, QuarryError, RecordError
from quarry.grading.grader import GRADER_VERSIONS
from quarry.label_changes import compare_labels, no_comparison
from quarry.label_currency import check_labels_current
from quarry.label_history import publish_labels, replaced_labels
from quarry.labelling import label_trajectories
from quarry.sandbox.limits import Limits
from quarry.tables import read_table, write_table
from quarry.trajectory.labelled_view import StagedView, write_labelled_view
from quarry.trajectory.layout import relative_link
from quarry.trajectory.manifest import LEGACY_FORMAT, manifest_path, read_manifest
from quarry.trajectory.publication import publish_plain
from quarry.trajectory.reader import TrajectoryReader
from quarry.trajectory.staging import staging_path

if TYPE_CHECKING:
    import pandas as pd

    from quarry.data_directory import DataDirectory
    from quarry.findings import Finding
    from quarry.keys import TrajectoryKey

Labelling = Literal["current", "stale", "unlabelled", "absent", "not_gradeable", "blocked"]
"""How the labels of a cell stand. `absent` has no outputs yet, `not_gradeable` a file that can have
no labels, and `blocked` something damaged or missing that has to be mended before."""


@dataclass(frozen=True)
class LabelState:
    """How the labels of a cell stand, and why.

    Args:
        labelling: the state.
        reasons: why it is so; empty for `current`.
    """

    labelling: Labelling
    reasons: tuple[str, ...] = ()

    @property
    def needs_grading(self) -> bool:
        """Whether the stored outputs have to be graded."""
        return self.labelling in {"stale", "unlabelled"}


@dataclass(frozen=True)
class CellViews:
    """What is derived from the labels of a cell, published.

    Args:
        view: the small HDF5 that notebooks read; its `path` is in staging, where it is no more.
        changes: what moved since the grader version before.
    """

    view: StagedView
    changes: pd.DataFrame


def label_state(directory: DataDirectory, key: TrajectoryKey) -> LabelState:
    """How the labels of a cell stand; reads the manifest and the two tables, no trajectories."""
    file = directory.trajectory(key)
    if not file.exists():
        return LabelState("absent", ("there are no outputs yet",))
    try:
        manifest = read_manifest(manifest_path(file))
        if manifest.format_version == LEGACY_FORMAT:
            reason = "the file of an older pipeline keeps no sample ids: collect the cell"
            return LabelState("not_gradeable", (reason,))
        benchmark_of(directory, key)
    except QuarryError as error:
        return LabelState("blocked", (f"{error.what}, {error.where}: {error.fix}",))
    if not directory.labels(key).exists():
        return LabelState("unlabelled", ("there are no labels",))
    try:
        found = currency_findings(directory, key)
    except RecordError as error:
        return LabelState("stale", (f"{error.what}: {error.got}",))
    reasons = tuple(f"{one.what} ({one.got} / now {one.expected})" for one in found)
    return LabelState("stale" if found else "current", reasons)


def currency_findings(directory: DataDirectory, key: TrajectoryKey) -> list[Finding]:
    """What makes the labels of a cell out of date.

    Raises:
        FileMissingError: the file's manifest, the samples or the labels are not there.
        IntegrityError: the manifest is damaged.
        RecordError: a table can't be read.
    """
    benchmark = benchmark_of(directory, key)
    return check_labels_current(
        read_table(directory.labels(key)),
        benchmark,
        content_digest=read_manifest(manifest_path(directory.trajectory(key))).content_digest,
        grader_version=GRADER_VERSIONS[benchmark.format],
    )


def regrade(
    directory: DataDirectory, key: TrajectoryKey, limits: Limits, *, log: Callable[[str], None]
) -> pd.DataFrame:
    """Grade the stored outputs of a cell and publish the labels.

    Raises:
        QuarryError: see `label_trajectories` and `publish_labels`.
    """
    with TrajectoryReader(directory.trajectory(key)) as reader:
        labels = label_trajectories(reader, benchmark_of(directory, key), limits, log=log)
    publish_labels(labels, directory.labels(key))
    return labels


def publish_views(directory: DataDirectory, key: TrajectoryKey, labels: pd.DataFrame) -> CellViews:
    """Make anew, and publish, what is derived from the labels of a cell.

    Raises:
        QuarryError: the trajectory file can't be read, or the labels are not its.
    """
    view = write_labelled_view(
        staging_path(directory.root, key, "labelled"),
        directory.trajectory(key),
        relative_link(key.labelled_path, key.trajectory_path),
        labels,
    )
    publish_plain(view.path, directory.labelled(key))
    changes = changes_of(directory, key)
    write_table(changes, directory.changes(key))
    return CellViews(view, changes)


def changes_of(directory: DataDirectory, key: TrajectoryKey) -> pd.DataFrame:
    """What moved between the labels of a cell's last two grader versions.

    Raises:
        FileMissingError: the cell has no labels.
        RecordError: its labels can't be read.
    """
    path = directory.labels(key)
    labels = read_table(path)
    try:
        before = replaced_labels(labels, path)
    except (FileMissingError, RecordError) as error:
        return no_comparison(f"the earlier labels can't be read, {error.where}")
    return compare_labels(before, labels, lambda: _outputs(directory.trajectory(key)))


def benchmark_of(directory: DataDirectory, key: TrajectoryKey) -> BenchmarkSet:
    """The drawn samples of a cell.

    Raises:
        FileMissingError: they were not drawn yet.
        RecordError: their table can't be read.
    """
    path = directory.samples(key)
    changed_ns = path.stat().st_mtime_ns if path.exists() else 0
    return _benchmark(path, changed_ns)


@lru_cache(maxsize=16)
def _benchmark(path: Path, changed_ns: int) -> BenchmarkSet:
    """Cells of one benchmark share its samples; read again when the table changes."""
    del changed_ns
    return from_frame(read_table(path))


def _outputs(file: Path) -> dict[str, str]:
    """The stored outputs by sample id."""
    with TrajectoryReader(file) as reader:
        rows = reader.table()
    return dict(zip(map(str, rows["sample_id"]), map(str, rows["model_output"]), strict=True))
