"""GSM8K: grade-school word problems with a worked solution and a number.

Reads `gsm8k/{train,test}.jsonl`. How an answer is graded belongs into `quarry.grading`.
Source: https://github.com/openai/grade-school-math
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from quarry.benchmarks.records import SourceRecord, read_json_lines
from quarry.samples import Sample

SPLITS = ("train", "test")

_FINAL_ANSWER = re.compile(r"####\s*\$?(-?[\d,]*\.?\d+)\s*$")


def read(mirror: Path, split: str) -> Iterator[SourceRecord]:
    """Records of a split of a mirror directory."""
    return read_json_lines(mirror / "gsm8k" / f"{split}.jsonl")


def parse(records: Iterable[SourceRecord], split: str) -> list[Sample]:
    """Samples of the records; fields `question`, `answer`.

    Raises:
        RecordError: a field is absent, or the answer does not end in `####` and a number.
    """
    return [_sample(record, split) for record in records]


def _sample(record: SourceRecord, split: str) -> Sample:
    solution = record.text("answer")
    found = _FINAL_ANSWER.search(solution)
    if found is None:
        raise record.malformed("answer", "a solution that ends in '#### <number>'", solution[-60:])
    return Sample(
        id=f"gsm8k/{split}/{record.row}",
        input=record.text("question"),
        target=found[1].replace(",", ""),
        metadata={"solution": solution},
    )
