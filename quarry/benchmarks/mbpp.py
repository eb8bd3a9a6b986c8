"""MBPP: short descriptions of functions with a solution and asserts.

Reads `mbpp/mbpp.jsonl`, which holds all splits; the official ones are ranges of `task_id`.
Source: https://github.com/google-research/google-research/tree/master/mbpp
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from quarry.benchmarks.records import SourceRecord, read_json_lines
from quarry.samples import Sample

SPLIT_TASK_IDS = {
    "train": range(601, 975),
    "validation": range(511, 601),
    "test": range(11, 511),
    "prompt": range(1, 11),
}
SPLITS = tuple(SPLIT_TASK_IDS)


def split_of(task_id: int) -> str | None:
    """The official split that a task belongs to."""
    return next((split for split, ids in SPLIT_TASK_IDS.items() if task_id in ids), None)


def read(mirror: Path, split: str) -> Iterator[SourceRecord]:
    """Records of a split of a mirror directory, by the ranges of `task_id`."""
    row = 0
    for record in read_json_lines(mirror / "mbpp" / "mbpp.jsonl"):
        if record.integer("task_id") in SPLIT_TASK_IDS[split]:
            yield replace(record, row=row)
            row += 1


def parse(records: Iterable[SourceRecord], split: str) -> list[Sample]:
    """Samples of the records.

    Fields: `task_id`, `text`, `code`, `test_list`, `test_setup_code`, `challenge_test_list`.

    Raises:
        RecordError: a field is absent, or the tests call nothing that the code defines.
    """
    return [_sample(record, split) for record in records]


def _sample(record: SourceRecord, split: str) -> Sample:
    task_id = record.integer("task_id")
    code = _unix_lines(record.text("code"))
    tests = record.texts("test_list")
    entry_point = find_entry_point(code, tests)
    if entry_point is None:
        raise record.malformed("test_list", "asserts that call a function of `code`", str(tests))
    return Sample(
        id=f"mbpp/{split}/{task_id}",
        input=record.text("text"),
        target=code,
        metadata={
            "task_id": task_id,
            "entry_point": entry_point,
            "test_list": [_unix_lines(test) for test in tests],
            "test_setup_code": _unix_lines(record.text("test_setup_code")),
            "challenge_test_list": [
                _unix_lines(test) for test in record.texts("challenge_test_list")
            ],
        },
    )


def _unix_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def find_entry_point(code: str, tests: Iterable[str]) -> str | None:
    """The function that the asserts test: the outermost call of something that `code` defines."""
    defined = set(re.findall(r"^\s*(?:def|class)\s+(\w+)|^(\w+)\s*=", code, re.MULTILINE))
    names = {name for pair in defined for name in pair if name}
    for test in tests:
        tree = parse_python(test)
        # ast.walk goes level by level, so that `f([Pair(1, 2)])` finds f and not Pair.
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                name = node.func.id
                if name in names:
                    return name
    return None


def parse_python(source: str) -> ast.Module | None:
    """The syntax tree, or None where the source is no Python of today."""
    with warnings.catch_warnings():
        # Old code has escapes such as "\\d" outside raw strings; nothing here is run.
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError):
            return None
