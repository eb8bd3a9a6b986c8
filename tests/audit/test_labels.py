"""Labels are used only when they belong to the file and to the present grader."""

from pathlib import Path

import pandas as pd
import pytest

from quarry.audit.cell import LabelCounts
from quarry.audit.labels import count_labels
from quarry.label_currency import mark_origin

IDS = [f"gsm8k/test/{row}" for row in range(4)]


def write(path: Path, *, ids=IDS, verdicts=None, version="numeric-1") -> Path:
    verdicts = verdicts or ["correct", "incorrect", "truncated", "incorrect"]
    frame = pd.DataFrame({"sample_id": ids, "verdict": verdicts, "grader_version": version})
    frame.to_parquet(path)
    return path


def count(path: Path) -> LabelCounts:
    counted = count_labels(path, sample_ids=IDS, grader_version="numeric-1")
    assert counted is not None
    return counted


def problem_of(path: Path) -> str:
    return count(path).problem or "none"


def test_verdicts_are_counted_in_the_order_of_their_declaration(tmp_path):
    counted = count(write(tmp_path / "labels.parquet"))
    assert counted.problem is None
    assert list(counted.verdicts.items()) == [("correct", 1), ("incorrect", 2), ("truncated", 1)]


def test_no_file_is_none_and_not_a_problem_of_a_file(tmp_path):
    absent = tmp_path / "labels.parquet"
    assert count_labels(absent, sample_ids=IDS, grader_version="numeric-1") is None


def test_order_of_rows_does_not_matter(tmp_path):
    counted = count(write(tmp_path / "labels.parquet", ids=IDS[::-1]))
    assert counted.problem is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"ids": [*IDS[:3], "gsm8k/test/9"]}, "labels lack 1 of 4 samples and have 1 of other"),
        ({"ids": [*IDS[:3], IDS[0]]}, "1 samples are labelled twice"),
        ({"version": "numeric-0"}, "labelled by grader version numeric-0, now numeric-1"),
        ({"verdicts": ["correct"] * 3 + ["right"]}, "unknown verdicts: right"),
        ({"verdicts": ["error", "timeout"] * 2}, "none of 4 samples could be graded"),
    ],
)
def test_labels_that_do_not_fit_say_why(tmp_path, change, problem):
    assert problem in problem_of(write(tmp_path / "labels.parquet", **change))


def test_labels_of_fewer_rows_than_the_file_are_refused(tmp_path):
    path = write(tmp_path / "labels.parquet", ids=IDS[:2], verdicts=["correct", "incorrect"])
    assert "labels lack 2 of 4 samples" in problem_of(path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_damaged_labels_file_is_a_problem_and_not_a_crash(tmp_path, content):
    path = tmp_path / "labels.parquet"
    path.write_bytes(content)
    assert "can't be read" in problem_of(path)


def test_a_labels_file_without_its_columns_is_a_problem(tmp_path):
    path = tmp_path / "labels.parquet"
    pd.DataFrame({"sample_id": IDS}).to_parquet(path)
    assert "can't be read" in problem_of(path)


@pytest.mark.parametrize(
    ("made_from", "is_problem"), [("before", True), ("now", False), (None, False)]
)
def test_labels_of_what_was_collected_before_are_none_of_what_is_there_now(
    tmp_path, made_from, is_problem
):
    path = write(tmp_path / "labels.parquet")
    frame = pd.read_parquet(path)
    mark_origin(frame, made_from)
    frame.to_parquet(path)
    counted = count_labels(path, sample_ids=IDS, grader_version="numeric-1", content_digest="now")
    assert counted is not None
    assert ("other outputs" in (counted.problem or "")) == is_problem
