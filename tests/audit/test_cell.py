"""The rule that decides the status of a cell."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.audit.cell import CellStatus, LabelCounts, decide
from quarry.catalog import Thresholds
from quarry.findings import Finding
from quarry.keys import TrajectoryKey

KEY = TrajectoryKey("demo_base", "gsm8k", 0)
WARNING = Finding("lengths_plausible", "at_cap", "w", "x", "y", "z", "c", severity="warning")
ERROR = replace(WARNING, severity="error", what="Bytes differ", got="1 of 40 samples")


def status_of(n_correct: int, n_samples: int, thresholds: Thresholds | None = None) -> CellStatus:
    counts = LabelCounts({"correct": n_correct, "incorrect": n_samples - n_correct})
    return decide(KEY, size_bytes=1, labels=counts, thresholds=thresholds).status


@pytest.mark.parametrize(
    ("n_correct", "expected"),
    [
        (24, CellStatus.IMBALANCED),
        (25, CellStatus.OK),
        (475, CellStatus.OK),
        (476, CellStatus.IMBALANCED),
        (0, CellStatus.IMBALANCED),
        (500, CellStatus.IMBALANCED),
    ],
)
def test_a_rate_on_a_threshold_is_balanced_and_beyond_it_is_not(n_correct, expected):
    assert status_of(n_correct, 500) is expected


def test_an_absent_file_is_missing_whatever_labels_remain():
    cell = decide(KEY, size_bytes=None, labels=LabelCounts({"correct": 5, "incorrect": 5}))
    assert cell.status is CellStatus.MISSING
    assert cell.n_correct is None
    assert cell.verdicts == {}


def test_one_error_condemns_a_file_with_perfect_labels_and_names_the_defect():
    counts = LabelCounts({"correct": 5, "incorrect": 5})
    cell = decide(KEY, size_bytes=9, findings=[WARNING, ERROR], labels=counts)
    assert cell.status is CellStatus.CORRUPTED
    assert cell.note == "Bytes differ: 1 of 40 samples"
    assert cell.correct_rate is None


def test_a_warning_does_not_condemn_a_file():
    counts = LabelCounts({"correct": 5, "incorrect": 5})
    cell = decide(KEY, size_bytes=9, findings=[WARNING], labels=counts)
    assert cell.status is CellStatus.OK
    assert cell.findings == (WARNING,)


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        (None, "no labels file"),
        (LabelCounts({"correct": 9}, "labels lack 3 of 12 samples"), "labels lack 3"),
        (LabelCounts({}), "the labels file is empty"),
    ],
)
def test_labels_that_can_not_be_used_are_not_counted(labels, note):
    cell = decide(KEY, size_bytes=9, n_samples=12, labels=labels)
    assert cell.status is CellStatus.UNLABELLED
    assert note in cell.note
    assert cell.n_samples == 12
    assert cell.n_correct is None
    assert cell.verdicts == {}


def test_rows_that_were_not_graded_are_no_rows_of_the_rate_and_are_noted():
    counts = LabelCounts({"correct": 2, "incorrect": 20, "no_answer": 10, "timeout": 5, "error": 3})
    cell = decide(KEY, size_bytes=9, labels=counts)
    assert cell.interval is not None
    assert (cell.interval.n_correct, cell.interval.n) == (2, 32)
    assert (cell.n_correct, cell.n_samples) == (2, 40)
    assert cell.correct_rate == pytest.approx(2 / 32)
    assert cell.status is CellStatus.OK
    assert cell.note == "8 of 40 rows not graded (timeout or error)"


def test_rows_without_a_verdict_on_them_can_not_make_a_cell_imbalanced():
    counts = LabelCounts({"correct": 30, "incorrect": 300, "error": 400})
    assert counts.n_correct / counts.n_samples < Thresholds().min_correct_rate
    assert decide(KEY, size_bytes=9, labels=counts).status is CellStatus.OK


def test_labels_of_which_none_was_graded_are_no_labels():
    cell = decide(KEY, size_bytes=9, labels=LabelCounts({"timeout": 3, "error": 1}))
    assert cell.status is CellStatus.UNLABELLED
    assert cell.interval is None
    assert "4 of 4 rows not graded" in cell.note


def test_few_rows_beyond_a_bound_are_undecided_and_say_how_many_more_would_decide():
    counts = LabelCounts({"correct": 6, "incorrect": 156, "timeout": 2})
    cell = decide(KEY, size_bytes=9, labels=counts)
    assert cell.status is CellStatus.UNDECIDED
    assert cell.note == (
        "under 5% correct, but 162 rows leave 1.7-7.8% open; 138 more would decide, "
        "2 of 164 rows not graded (timeout or error)"
    )


@settings(max_examples=80, derandomize=True)
@given(
    st.integers(1, 600).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.floats(0, 0.5),
    st.floats(0.5, 1),
)
def test_a_cell_is_imbalanced_exactly_outside_the_bounds_or_without_a_class(rows, low, high):
    n_correct, n_samples = rows
    outside = n_correct / n_samples < low or n_correct / n_samples > high
    bounds = Thresholds(min_correct_rate=low, max_correct_rate=high, small_sample=0)
    is_imbalanced = outside or n_correct in {0, n_samples}
    assert (status_of(n_correct, n_samples, bounds) is CellStatus.IMBALANCED) == is_imbalanced
