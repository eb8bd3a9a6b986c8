"""HumanEval: function stubs with a docstring, a canonical body and a `check` function.

Reads `humaneval/HumanEval.jsonl.gz`, which has one split, `test`. Running programs belongs into
`quarry.grading`.
Source: https://github.com/openai/human-eval
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from quarry.benchmarks.records import SourceRecord, read_json_lines
from quarry.samples import Sample

SPLITS = ("test",)

_TASK_ID = re.compile(r"HumanEval/(\d+)")


def read(mirror: Path, split: str) -> Iterator[SourceRecord]:
    """Records of the only split of a mirror directory."""
    return read_json_lines(mirror / "humaneval" / "HumanEval.jsonl.gz")


def parse(records: Iterable[SourceRecord], split: str) -> list[Sample]:
    """Samples of the records.

    Fields: `task_id`, `prompt`, `entry_point`, `canonical_solution`, `test`.

    Raises:
        RecordError: a field is absent, or `task_id` is not `HumanEval/<number>`.
    """
    return [_sample(record, split) for record in records]


def _sample(record: SourceRecord, split: str) -> Sample:
    task_id = record.text("task_id")
    found = _TASK_ID.fullmatch(task_id)
    if found is None:
        raise record.malformed("task_id", "HumanEval/<number>", task_id)
    return Sample(
        id=f"humaneval/{split}/{found[1]}",
        input=record.text("prompt"),
        target=record.text("canonical_solution"),
        metadata={
            "task_id": task_id,
            "entry_point": record.text("entry_point"),
            "test": record.text("test"),
        },
    )
