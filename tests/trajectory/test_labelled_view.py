"""Labels are fresh, activations are linked, and old notebooks see one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from quarry.errors import RecordError
from quarry.keys import TrajectoryKey
from quarry.trajectory.labelled_view import StagedView, write_labelled_view
from quarry.trajectory.layout import LEGACY_DATASETS, relative_link
from quarry.trajectory.publication import publish_plain, staging_path
from quarry.trajectory.reader import TrajectoryReader
from quarry.trajectory.verification import verify

KEY = TrajectoryKey("demo_base", "gsm8k", 0)
LINK = relative_link(KEY.labelled_path, KEY.trajectory_path)


def make_labels(path: Path, correct: set[int]) -> pd.DataFrame:
    with TrajectoryReader(path) as reader:
        ids = reader.sample_ids
    verdicts = ["correct" if index in correct else "incorrect" for index in range(len(ids))]
    verdicts[-1] = "timeout"
    table = pd.DataFrame({"sample_id": ids, "verdict": verdicts})
    return table.assign(grader="numeric", grader_version="3")


def put_labels(path: Path, labels: pd.DataFrame) -> tuple[Path, StagedView]:
    data_dir = path.parents[3]
    view = write_labelled_view(staging_path(data_dir, KEY, "labelled"), path, LINK, labels)
    final = data_dir / KEY.labelled_path
    publish_plain(view.path, final)
    return final, view


def test_all_six_datasets_read_from_the_view_and_from_the_file(published: Path) -> None:
    final, view = put_labels(
        published, make_labels(published, {1, 5}).sample(frac=1, random_state=0)
    )
    for path in (final, published):
        with h5py.File(path, "r") as file:
            assert set(LEGACY_DATASETS) <= set(file)
            assert np.flatnonzero(file["is_correct"][:]).tolist() == [1, 5]
            assert file["is_correct"].dtype == bool
            assert file["trajectories"].shape == (12, 60, 3, 64)
            assert file["ground_truth"][5] == b"5"
    with h5py.File(final, "r") as file:
        assert file["verdicts"][-1] == b"timeout"
        assert file["sample_ids"][5] == b"gsm8k/test/15"
        assert file.attrs["graders"] == '["numeric 3"]'
        assert file.attrs["labels_digest"] == view.content_digest
    assert (view.n_samples, view.n_correct, view.n_not_graded) == (12, 2, 1)
    assert final.stat().st_size < 30_000


def test_new_labels_show_through_the_unchanged_file(published: Path) -> None:
    before = published.read_bytes()
    digests: set[str] = set()
    for correct in ({1}, {2, 3}):
        _, view = put_labels(published, make_labels(published, correct))
        digests.add(view.content_digest)
        with h5py.File(published, "r") as file:
            assert set(np.flatnonzero(file["is_correct"][:]).tolist()) == correct
    assert len(digests) == 2
    assert published.read_bytes() == before
    assert verify(published).findings == []


def test_without_labels_everything_else_still_reads(published: Path) -> None:
    with h5py.File(published, "r") as file:
        assert "is_correct" in list(file)
        assert file["sequence_lengths"].shape == (12,)
        with pytest.raises(KeyError):
            file["is_correct"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.iloc[:-2], "2 without a label"),
        (lambda table: pd.concat([table, table.iloc[:1]]), "1 doubled"),
        (
            lambda table: pd.concat([table, table.iloc[:1].assign(sample_id="gsm8k/test/9999")]),
            "1 not in the file",
        ),
        (lambda table: table.assign(verdict="maybe"), "1 no verdicts: maybe"),
        (lambda table: table.drop(columns="verdict"), "no .'verdict'"),
    ],
)
def test_labels_of_another_file_are_refused_and_leave_nothing(
    published: Path, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    data_dir = published.parents[3]
    with pytest.raises(RecordError, match=message):
        put_labels(published, change(make_labels(published, {1})))
    assert list((data_dir / "staging").iterdir()) == []
    assert not (data_dir / KEY.labelled_path).exists()
