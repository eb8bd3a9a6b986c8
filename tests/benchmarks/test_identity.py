"""Ids that completions files use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.benchmarks.identity import resolve_sample_id
from quarry.benchmarks.source import BenchmarkSource


@pytest.mark.parametrize(
    ("row", "format", "expected"),
    [
        ({"sample_id": "gsm8k/test/17"}, "gsm8k", "gsm8k/test/17"),
        ({"sample_id": "gsm8k/train/17"}, "gsm8k", "gsm8k/train/17"),
        ({"sample_id": 17}, "gsm8k", "gsm8k/test/17"),
        ({"task_id": "HumanEval/3"}, "humaneval", "humaneval/test/3"),
        ({"task_id": "humaneval/test/3"}, "humaneval", "humaneval/test/3"),
        ({"task_id": "3"}, "humaneval", "humaneval/test/3"),
        ({"task_id": 11}, "mbpp", "mbpp/test/11"),
        ({"task_id": "11"}, "mbpp", "mbpp/test/11"),
        ({"task_id": "MBPP/11"}, "mbpp", "mbpp/test/11"),
        ({"task_id": "Mbpp/11"}, "mbpp", "mbpp/test/11"),
        ({"task_id": 601}, "mbpp", "mbpp/train/601"),
        ({"sample_id": None, "task_id": "HumanEval/3"}, "humaneval", "humaneval/test/3"),
        ({"sample_id": "humaneval/test/4", "task_id": "x"}, "humaneval", "humaneval/test/4"),
    ],
)
def test_a_row_names_its_sample(row: dict[str, object], format: str, expected: str) -> None:
    assert resolve_sample_id(row, format, "test") == expected


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"completion": "42"},
        {"sample_id": "logiqa/test/5"},
        {"task_id": "HumanEval/3"},
        {"task_id": "Mbpp/11"},
        {"task_id": True},
        {"task_id": 1.5},
        {"task_id": ["gsm8k/test/1"]},
        {"task_id": "gsm8k/test/1/2"},
        {"task_id": "-1"},
        {"task_id": "9" * 5000},
        {"task_id": "\u0663"},
        {"task_id": ""},
        {"sample_id": "gsm8k/../1"},
    ],
)
def test_a_row_that_names_nothing_of_the_benchmark_gives_none(row: dict[str, object]) -> None:
    assert resolve_sample_id(row, "gsm8k", "test") is None


@given(value=st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans()))
def test_no_value_breaks_it(value: object) -> None:
    found = resolve_sample_id({"task_id": value}, "gsm8k", "test")
    assert found is None or found.startswith("gsm8k/")


@pytest.mark.parametrize("format", ["gsm8k", "humaneval", "logiqa", "mbpp"])
def test_every_sample_is_found_by_its_own_id(toy_source: BenchmarkSource, format: str) -> None:
    for sample in toy_source.load(format, "test"):
        assert resolve_sample_id({"sample_id": sample.id}, format, "test") == sample.id
        if "task_id" in sample.metadata:
            row = {"task_id": sample.metadata["task_id"]}
            assert resolve_sample_id(row, format, "test") == sample.id
