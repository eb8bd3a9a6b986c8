"""The labelled view: a small HDF5 with the six legacy datasets, whose labels are fresh.

`is_correct` is stored here; the other five are external links to the trajectory file, so that
relabelling writes kilobytes and never touches activations. Grading is in `quarry.grading`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

from quarry.errors import RecordError
from quarry.grading.verdict import Verdict
from quarry.trajectory.attributes import header_attributes
from quarry.trajectory.digests import canonical_digest, file_digest
from quarry.trajectory.layout import FORMAT_VERSION, IS_CORRECT, LEGACY_DATASETS, LIBVER
from quarry.trajectory.reader import TrajectoryReader
from quarry.trajectory.space import abandon, full_disk_named, require_space

_COLUMNS = ("sample_id", "verdict")
_GRADER_COLUMNS = ("grader", "grader_version")
_MOST_BYTES_PER_SAMPLE = 4096


@dataclass(frozen=True)
class StagedView:
    """A finished view that has no final name yet; see `publication.publish_plain`.

    Args:
        path: where it lies.
        size_bytes: its size.
        blake3: digest of its bytes.
        content_digest: digest of ids, verdicts and graders; the data version.
        n_samples: number of rows.
        n_correct: rows whose verdict is `correct`.
        n_not_graded: rows that could not be judged; `is_correct` is False there, too.
    """

    path: Path
    size_bytes: int
    blake3: str
    content_digest: str
    n_samples: int
    n_correct: int
    n_not_graded: int


def write_labelled_view(
    path: Path, trajectory: Path, link_target: str, labels: pd.DataFrame
) -> StagedView:
    """Write a labelled view into staging.

    Args:
        path: where to write; removed again if that fails.
        trajectory: the published trajectory file that the labels belong to.
        link_target: its path as seen from the view's *final* place.
        labels: one row a sample with `sample_id` and `verdict`; `grader` and `grader_version`
            are recorded where they are there. Any order.

    Raises:
        RecordError: the labels are not those of exactly the file's samples, or no verdicts.
        StorageFullError: there is no room.
    """
    with TrajectoryReader(trajectory) as reader:
        verdicts = _verdicts(labels, reader.sample_ids, trajectory)
        attributes = header_attributes(reader.header)
        sample_ids = reader.sample_ids
    graders = _graders(labels)
    digest = canonical_digest({"ids": sample_ids, "verdicts": verdicts, "graders": graders})
    attributes |= {"view_of": link_target, "labels_digest": digest}
    attributes |= {"graders": json.dumps(graders), "format_version": FORMAT_VERSION}
    _create(path, sample_ids, verdicts, link_target, attributes)
    return StagedView(
        path=path,
        size_bytes=path.stat().st_size,
        blake3=file_digest(path),
        content_digest=digest,
        n_samples=len(verdicts),
        n_correct=verdicts.count(Verdict.CORRECT),
        n_not_graded=sum(not Verdict(verdict).is_graded for verdict in verdicts),
    )


def _create(
    path: Path,
    sample_ids: list[str],
    verdicts: list[str],
    link_target: str,
    attributes: dict[str, Any],
) -> None:
    """Write the file; whatever goes wrong, no part of it is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    require_space(path, len(sample_ids) * _MOST_BYTES_PER_SAMPLE)
    with full_disk_named(path):
        file = h5py.File(path, "w", libver=LIBVER)
        try:
            _write(file, sample_ids, verdicts, link_target, attributes)
            file.flush()
            file.close()
        except BaseException:
            abandon(file)
            path.unlink(missing_ok=True)
            raise


def _write(
    file: h5py.File,
    sample_ids: list[str],
    verdicts: list[str],
    link_target: str,
    attributes: dict[str, Any],
) -> None:
    """Write labels and links."""
    text = h5py.string_dtype("utf-8")
    file.attrs.update(attributes)
    is_correct = np.asarray([verdict == Verdict.CORRECT for verdict in verdicts], dtype=bool)
    file.create_dataset(IS_CORRECT, data=is_correct)
    file.create_dataset("verdicts", data=np.asarray(verdicts, dtype=object), dtype=text)
    file.create_dataset("sample_ids", data=np.asarray(sample_ids, dtype=object), dtype=text)
    for name in LEGACY_DATASETS:
        if name != IS_CORRECT:
            file[name] = h5py.ExternalLink(link_target, f"/{name}")


def _verdicts(labels: pd.DataFrame, sample_ids: list[str], trajectory: Path) -> list[str]:
    """The verdicts in the order of the trajectory file's rows."""
    absent = [name for name in _COLUMNS if name not in labels.columns]
    if absent:
        raise _mismatch(trajectory, f"the columns {', '.join(_COLUMNS)}", f"no {absent}")
    given = _column(labels, "sample_id")
    verdict_of = dict(zip(given, _column(labels, "verdict"), strict=True))
    problems = {
        "doubled": sorted({name for name in given if given.count(name) > 1})
        if len(verdict_of) != len(given)
        else [],
        "without a label": [name for name in sample_ids if name not in verdict_of],
        "not in the file": sorted(set(given) - set(sample_ids)),
        "no verdicts": sorted(set(verdict_of.values()) - {str(verdict) for verdict in Verdict}),
    }
    for kind, names in problems.items():
        if names:
            shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            expected = "one verdict for each of the file's samples"
            raise _mismatch(trajectory, expected, f"{len(names)} {kind}: {shown}")
    return [verdict_of[sample_id] for sample_id in sample_ids]


def _graders(labels: pd.DataFrame) -> list[str]:
    """Graders with their versions, such as `numeric 3`, in a fixed order."""
    if any(name not in labels.columns for name in _GRADER_COLUMNS):
        return []
    pairs = zip(*(_column(labels, name) for name in _GRADER_COLUMNS), strict=True)
    return sorted({f"{grader} {version}" for grader, version in pairs})


def _column(labels: pd.DataFrame, name: str) -> list[str]:
    """A column as text."""
    values = cast("list[object]", labels[name].tolist())  # pyright: ignore[reportUnknownMemberType]
    return [str(value) for value in values]


def _mismatch(trajectory: Path, expected: str, got: str) -> RecordError:
    """The error for labels that belong to another file."""
    return RecordError(
        "The labels do not fit the trajectory file",
        where=str(trajectory),
        expected=expected,
        got=got,
        fix="label the partition again: the labels are older than the file, or another partition's",
    )
