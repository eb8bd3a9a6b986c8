"""What the pages of labels and of their changes show, and what the sandbox setting accepts."""

import json

import dagster as dg
import pandas as pd
import pytest

from assets.label_changes import changes_metadata, moves_table
from assets.metadata import label_metadata
from quarry.catalog import Thresholds
from quarry.errors import UsageError
from quarry.keys import TrajectoryKey
from quarry.label_changes import compare_labels, comparison_of, no_comparison
from quarry.label_currency import mark_origin
from resources.graders import GraderResource

KEY = TrajectoryKey("demo_base", "humaneval", 0)


def labels(version: str, verdicts: list[str], layers: list[str | None]) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "sample_id": [f"s{index}" for index in range(len(verdicts))],
            "verdict": verdicts,
            "is_correct": [verdict == "correct" for verdict in verdicts],
            "is_officially_correct": pd.array([True, False, None][: len(verdicts)], "boolean"),
            "extracted": "code",
            "target": "code",
            "grader_version": version,
            "evidence": [json.dumps({"layer": layer} if layer else {}) for layer in layers],
        }
    )
    mark_origin(frame, "digest")
    return frame


OLD = labels("1", ["incorrect", "correct", "timeout"], [None, None, None])
NEW = labels("2", ["correct", "correct", "timeout"], ["strict", "strict", "fallback"])


def test_labels_name_the_layers_that_shut_programs_in_and_the_official_rate():
    shown = label_metadata(KEY, NEW, Thresholds())
    assert shown["sandbox_layers"] == "fallback: 1 programs, strict: 2 programs"
    assert shown["official_correct_rate"] == 0.5
    assert shown["officially_graded"] == 2
    assert (shown["correct"], shown["timeout"], shown["grader_version"]) == (2, 1, "2")


def test_labels_from_before_these_columns_are_shown_without_them():
    shown = label_metadata(KEY, OLD.drop(columns="is_officially_correct"), Thresholds())
    assert {"sandbox_layers", "official_correct_rate"}.isdisjoint(shown)


def test_changes_show_moves_rates_and_the_first_rows():
    changes = compare_labels(OLD, NEW, lambda: {"s0": "return 1"})
    shown = changes_metadata(changes)
    assert shown["verdicts_moved"] == 1
    assert shown["correct_rate_before"] == pytest.approx(1 / 3)
    assert shown["correct_rate_after"] == pytest.approx(2 / 3)
    table = shown["first_changes"]
    assert isinstance(table, dg.TableMetadataValue)
    (row,) = (record.data for record in table.records)
    assert (row["sample_id"], row["completion_piece"]) == ("s0", "return 1")
    assert moves_table(comparison_of(changes)).splitlines() == [
        "| before / after | correct | timeout |",
        "|----------------|---------|---------|",
        "| **correct**    | 1       | 0       |",
        "| **incorrect**  | 1       | 0       |",
        "| **timeout**    | 0       | 1       |",
    ]


def test_no_changes_say_why_and_do_not_look_empty():
    assert changes_metadata(no_comparison("none are kept")) == {
        "summary": "Nothing to compare: none are kept."
    }


def test_the_default_limits_are_those_of_the_official_harnesses():
    assert GraderResource().limits().timeout_s == 3.0
    assert GraderResource(sandbox=" Strict ").limits().layer == "strict"


def test_a_sandbox_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="does not exist"):
        GraderResource(sandbox="docker").limits()
