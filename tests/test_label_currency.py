"""Labels are current as long as content, samples and grader are those that made them."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from quarry.benchmarks.benchmark_set import BenchmarkSet
from quarry.grading.grader import GRADER_VERSIONS, LABEL_COLUMNS
from quarry.label_currency import check_labels_current
from quarry.labelling import label_trajectories
from quarry.samples import Sample
from quarry.sandbox.limits import Limits
from quarry.tables import content_digest, read_table, write_table
from quarry.trajectory.manifest import manifest_path, read_manifest
from quarry.trajectory.reader import TrajectoryReader

VERSION = GRADER_VERSIONS["gsm8k"]


@pytest.fixture(scope="module")
def benchmark(pristine: Path) -> BenchmarkSet:
    """Samples for the rows of the file, all with the same right answer."""
    with TrajectoryReader(pristine) as reader:
        ids = reader.sample_ids
    samples = tuple(Sample(one, "2 + 2?", "4", (), {}) for one in ids)
    return BenchmarkSet("gsm8k", 0, "gsm8k", samples, ())


@pytest.fixture(scope="module")
def labels(
    pristine: Path, benchmark: BenchmarkSet, tmp_path_factory: pytest.TempPathFactory
) -> pd.DataFrame:
    """Labels of the file, as they are read back from disk."""
    table = tmp_path_factory.mktemp("labels") / "labels.parquet"
    with TrajectoryReader(pristine) as reader:
        write_table(label_trajectories(reader, benchmark, Limits(), log=lambda _: None), table)
    return read_table(table)


def kinds(
    labels: pd.DataFrame, benchmark: BenchmarkSet, digest: str, version: str = VERSION
) -> list[tuple[str, str]]:
    """Kind and severity of every finding."""
    found = check_labels_current(labels, benchmark, content_digest=digest, grader_version=version)
    assert {one.check for one in found} <= {"labels_current"}
    return [(one.kind, one.severity) for one in found]


@pytest.fixture(scope="module")
def digest(pristine: Path) -> str:
    return read_manifest(manifest_path(pristine)).content_digest


def test_fresh_labels_are_current(labels: pd.DataFrame, benchmark: BenchmarkSet, digest: str):
    assert kinds(labels, benchmark, digest) == []


def test_labels_of_another_content_are_wrong(labels: pd.DataFrame, benchmark: BenchmarkSet):
    assert kinds(labels, benchmark, "f" * 64) == [("another_content", "error")]


def test_labels_from_before_the_content_was_noted_are_not_known_to_be_current(
    labels: pd.DataFrame, benchmark: BenchmarkSet, digest: str
):
    older = labels.copy()
    older.attrs = {}
    assert kinds(older, benchmark, digest) == [("unknown_content", "warning")]


def test_labels_of_an_older_grader_are_a_warning(
    labels: pd.DataFrame, benchmark: BenchmarkSet, digest: str
):
    assert kinds(labels, benchmark, digest, "next") == [("another_grader", "warning")]


def test_labels_of_samples_that_are_not_drawn_or_have_another_answer_are_wrong(
    labels: pd.DataFrame, benchmark: BenchmarkSet, digest: str
):
    first, *rest = benchmark.samples
    for samples in (tuple(rest), (replace(first, target="5"), *rest)):
        changed = replace(benchmark, samples=samples)
        assert kinds(labels, changed, digest) == [("other_samples", "error")]


def test_the_note_changes_no_data_version(labels: pd.DataFrame):
    bare = labels.copy()
    bare.attrs = {}
    assert content_digest(bare) == content_digest(labels)


def test_labels_from_before_a_column_existed_are_a_warning_that_names_it(
    labels: pd.DataFrame, benchmark: BenchmarkSet, digest: str
):
    older = labels.drop(columns="is_officially_correct")
    assert kinds(older, benchmark, digest) == [("lacking_columns", "warning")]
    (found,) = check_labels_current(older, benchmark, content_digest=digest, grader_version=VERSION)
    assert found.got == "no is_officially_correct"


@pytest.mark.parametrize("name", LABEL_COLUMNS)
def test_whatever_column_is_lacking_the_labels_are_out_of_date(
    labels: pd.DataFrame, benchmark: BenchmarkSet, digest: str, name: str
):
    assert kinds(labels.drop(columns=name), benchmark, digest) == [("lacking_columns", "warning")]
