"""Records of the hub's shape, read by the real `datasets` from local Parquet directories."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from quarry.benchmarks.source import BenchmarkSource
from quarry.catalog import HubDataset
from quarry.errors import RecordError, SourceMissingError

ROWS: dict[str, dict[str, Any]] = {
    "gsm8k": {"question": "How many?", "answer": "2+1=<<2+1=3>>3\n#### 3"},
    "humaneval": {
        "task_id": "HumanEval/5",
        "prompt": "def f(x):\n",
        "canonical_solution": "    return x\n",
        "test": "def check(candidate):\n    pass\n",
        "entry_point": "f",
    },
    "logiqa": {
        "context": "All cats are big.",
        "query": "What is Tom?",
        "options": ["big", "A cat", "old", "calm"],
        "correct_option": 1,
    },
    "mbpp": {
        "task_id": 11,
        "text": "Write a function.",
        "code": "def f(x):\r\n    return x",
        "test_list": ["assert f(1) == 1"],
        "test_setup_code": "",
        "challenge_test_list": [],
    },
}
EXPECTED = {
    "gsm8k": ("gsm8k/test/0", "3"),
    "humaneval": ("humaneval/test/5", "    return x\n"),
    "logiqa": ("logiqa/test/0", "B"),
    "mbpp": ("mbpp/test/11", "def f(x):\n    return x"),
}


@pytest.fixture(autouse=True)
def _cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))


def hub_with(tmp_path: Path, format: str, rows: list[dict[str, Any]]) -> BenchmarkSource:
    directory = tmp_path / format
    directory.mkdir()
    pd.DataFrame(rows).to_parquet(directory / "test-00000-of-00001.parquet")
    return BenchmarkSource(hub={format: HubDataset(hub_id=str(directory), revision="main")})


@pytest.mark.parametrize("format", ROWS)
def test_a_row_of_the_hub_becomes_the_same_sample_as_a_line_of_the_file(
    tmp_path: Path, format: str
) -> None:
    (sample,) = hub_with(tmp_path, format, [ROWS[format]]).load(format, "test")
    assert (sample.id, sample.target) == EXPECTED[format]
    if format == "logiqa":
        assert sample.choices == ("big", "A cat", "old", "calm")


def test_a_malformed_row_is_named_by_dataset_split_and_row(tmp_path: Path) -> None:
    rows = [ROWS["logiqa"], {**ROWS["logiqa"], "correct_option": 4}]
    with pytest.raises(RecordError, match="split test, row 1"):
        hub_with(tmp_path, "logiqa", rows).load("logiqa", "test")


def test_three_options_are_refused(tmp_path: Path) -> None:
    rows = [{**ROWS["logiqa"], "options": ["a", "b", "c"]}]
    with pytest.raises(RecordError, match="options"):
        hub_with(tmp_path, "logiqa", rows).load("logiqa", "test")


def test_a_split_that_the_dataset_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match="split train"):
        hub_with(tmp_path, "gsm8k", [ROWS["gsm8k"]]).load("gsm8k", "train")


def test_a_dataset_that_does_not_exist_is_named_with_what_to_do(tmp_path: Path) -> None:
    absent = HubDataset(hub_id=str(tmp_path / "absent"), revision="main")
    with pytest.raises(SourceMissingError, match="use a mirror"):
        BenchmarkSource(hub={"gsm8k": absent}).load("gsm8k", "test")
