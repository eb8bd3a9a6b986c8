"""Reads the golden corpora of text graders: hand-judged completions in `golden/*.yaml`.

A file is a list of blocks: `source` says where the forms of its rows come from, `options` (choice
only) are the option texts, `rows` hold `target`, `completion`, `verdict` and `note`, for numbers
also `official` (what the benchmark's own grader says), and where they matter `extracted` and
`finish_reason`. How programs are tabulated is up to `code_problems`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

GOLDEN = Path(__file__).with_name("golden")


def golden_rows(format: str) -> list[dict[str, Any]]:
    """Every row of the files of a format, with its block's `source` and `options`."""
    rows: list[dict[str, Any]] = []
    for path in sorted(GOLDEN.glob(f"{format}_*.yaml")):
        for block in yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader):
            shared = {"source": block["source"], "options": block.get("options", [])}
            rows += [{**shared, **row} for row in block["rows"]]
    return rows


def golden_table(format: str) -> list[Any]:
    """The rows as test parameters."""
    return [
        pytest.param(row, id=f"{n}: {row['note']}") for n, row in enumerate(golden_rows(format))
    ]
