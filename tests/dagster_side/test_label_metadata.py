"""What the page of a cell's labels shows."""

import dagster as dg
import pandas as pd
import pytest

from assets.metadata import label_metadata
from quarry.catalog import Thresholds
from quarry.keys import TrajectoryKey

KEY = TrajectoryKey("demo_base", "gsm8k", 0)


def labels(*verdicts: str) -> pd.DataFrame:
    rows = range(len(verdicts))
    return pd.DataFrame(
        {
            "sample_id": [f"gsm8k/test/{row}" for row in rows],
            "verdict": verdicts,
            "extracted": "1",
            "target": "1",
            "grader_version": "2",
            "evidence": "{}",
        }
    )


def test_the_correct_rate_is_of_graded_rows_and_has_its_interval():
    frame = labels("correct", *["incorrect"] * 7, "timeout", "error")
    metadata = label_metadata(KEY, frame, Thresholds())
    assert (metadata["samples"], metadata["graded"], metadata["correct"]) == (10, 8, 1)
    assert metadata["correct_rate"] == pytest.approx(0.125)
    assert metadata["correct_rate_low"] == pytest.approx(0.0224, abs=1e-4)
    assert metadata["correct_rate_high"] == pytest.approx(0.4709, abs=1e-4)
    assert metadata["balance_state"] == "balanced"
    assert isinstance(metadata["balance"], dg.MarkdownMetadataValue)


def test_a_table_without_a_graded_row_has_no_rate():
    metadata = label_metadata(KEY, labels("timeout"), Thresholds())
    assert (metadata["samples"], metadata["graded"], metadata["timeout"]) == (1, 0, 1)
    assert "correct_rate" not in metadata
