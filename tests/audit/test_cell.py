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


def test_rows_that_were_not_graded_count_in_the_rate_and_are_noted():
    counts = LabelCounts({"correct": 2, "incorrect": 30, "timeout": 5, "error": 3})
    cell = decide(KEY, size_bytes=9, labels=counts)
    assert cell.correct_rate == pytest.approx(0.05)
    assert cell.status is CellStatus.OK
    assert cell.note == "8 of 40 rows not graded (timeout or error)"


@settings(max_examples=80, derandomize=True)
@given(
    st.integers(1, 600).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.floats(0, 0.5),
    st.floats(0.5, 1),
)
def test_a_cell_is_imbalanced_exactly_outside_the_bounds(rows, low, high):
    n_correct, n_samples = rows
    outside = n_correct / n_samples < low or n_correct / n_samples > high
    bounds = Thresholds(min_correct_rate=low, max_correct_rate=high)
    assert (status_of(n_correct, n_samples, bounds) is CellStatus.IMBALANCED) == outside
