"""What moved between two grader versions: every row, why, and no more than that."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from quarry.evidence import piece_around
from quarry.label_changes import (
    CHANGE_COLUMNS,
    check_few_moved,
    compare_labels,
    comparison_of,
)
from quarry.label_currency import mark_origin
from quarry.tables import content_digest, read_table, write_table

TEXT = "x" * 200 + " #### 18 " + "y" * 200


def labels(version: str, *rows: tuple[str, str, str | None], digest: str | None = "d") -> Any:
    frame = pd.DataFrame(
        [
            {
                "sample_id": sample_id,
                "verdict": verdict,
                "is_correct": verdict == "correct",
                "is_officially_correct": None,
                "extracted": extracted,
                "grader_version": version,
                "evidence": json.dumps({"rule": "hash", "span": [201, 208], "wall_s": 0.5}),
            }
            for sample_id, verdict, extracted in rows
        ]
    )
    mark_origin(frame, digest)
    return frame


def compared(before: pd.DataFrame | None, after: pd.DataFrame) -> pd.DataFrame:
    return compare_labels(before, after, lambda: {"a": TEXT, "b": TEXT, "c": TEXT})


V1 = labels("1", ("a", "incorrect", "17"), ("b", "correct", "18"), ("c", "no_answer", None))
V2 = labels("2", ("a", "correct", "18"), ("b", "correct", "18.0"), ("c", "no_answer", None))


def test_every_row_that_moved_is_there_with_both_sides():
    changes = compared(V1, V2)
    assert list(changes.columns) == list(CHANGE_COLUMNS)
    rows = changes.set_index("sample_id").to_dict("index")
    assert set(rows) == {"a", "b"}
    a = rows["a"]
    assert (a["verdict_before"], a["verdict_after"]) == ("incorrect", "correct")
    assert (a["is_correct_before"], a["is_correct_after"]) == (False, True)
    assert (a["extracted_before"], a["extracted_after"]) == ("17", "18")
    assert (a["grader_version_before"], a["grader_version_after"]) == ("1", "2")
    assert a["rule_after"] == "hash"
    assert json.loads(a["evidence_after"]) == {"rule": "hash", "span": [201, 208]}
    assert "#### 18" in a["completion_piece"]
    assert len(a["completion_piece"]) < len(TEXT)


def test_the_figures_count_what_moved_and_what_stayed():
    figures = comparison_of(compared(V1, V2))
    assert (figures.n_rows, figures.n_verdicts_moved, figures.n_answers_moved) == (3, 1, 1)
    assert (figures.n_correct_before, figures.n_correct_after) == (1, 2)
    assert figures.moves == {
        "correct>correct": 1,
        "incorrect>correct": 1,
        "no_answer>no_answer": 1,
    }
    assert "1 of 3 verdicts moved" in figures.sentence()


def test_where_nothing_moved_that_is_said_and_no_output_is_read():
    changes = compare_labels(V1, V1.assign(grader_version="2"), lambda: pytest.fail("read"))
    assert len(changes) == 0
    assert comparison_of(changes).sentence().startswith("Nothing moved: grader version 1 to 2, 3")


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (None, "no labels of an earlier grader version"),
        (labels("1", ("a", "incorrect", "17"), digest="other"), "collected again"),
        (labels("1", ("a", "incorrect", "17"), digest=None), "does not say which outputs"),
        (V1.drop(columns="extracted"), "no column extracted"),
    ],
)
def test_what_can_not_be_compared_is_not_compared(before: pd.DataFrame | None, reason: str):
    changes = compared(before, V2)
    assert len(changes) == 0
    assert reason in comparison_of(changes).sentence()
    assert check_few_moved(changes, Path("x")) == []


def test_labels_from_before_a_column_existed_can_be_compared():
    changes = compared(V1.drop(columns="is_officially_correct"), V2)
    assert changes["is_officially_correct_before"].isna().tolist() == [True, True]
    assert set(changes["sample_id"]) == {"a", "b"}


@pytest.mark.parametrize("before", [V1, None])
def test_a_table_comes_back_from_disk_with_figures_and_digest(
    tmp_path: Path, before: pd.DataFrame | None
):
    changes = compared(before, V2)
    write_table(changes, tmp_path / "changes.parquet")
    again = read_table(tmp_path / "changes.parquet")
    assert comparison_of(again) == comparison_of(changes)
    assert content_digest(again) == content_digest(changes)
    assert again.dtypes.to_dict() == changes.dtypes.to_dict()


def test_a_flood_is_a_warning_and_a_trickle_is_none():
    rows = [(str(index), "correct", "1") for index in range(100)]
    for moved, expected in ((10, []), (11, ["warning"])):
        after = [(name, "incorrect" if int(name) < moved else "correct", "1") for name, *_ in rows]
        changes = compare_labels(labels("1", *rows), labels("2", *after), dict)
        found = check_few_moved(changes, Path("changes.parquet"))
        assert [one.severity for one in found] == expected


@pytest.mark.parametrize(
    "span", [None, "1-2", [5], [3, 2], [-1, 4], [0, 10_000], [0.5, 1.0], {"start": 1}]
)
def test_an_odd_span_shows_the_start_of_the_completion(span: object):
    assert piece_around(TEXT, {"span": span}) == TEXT[:160] + "…"


def test_lone_surrogates_do_not_keep_a_table_from_being_written(tmp_path: Path):
    changes = compare_labels(V1, V2, lambda: {"a": "\ud800 text", "b": "text"})
    write_table(changes, tmp_path / "changes.parquet")
