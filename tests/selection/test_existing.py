"""Existing items: the older list, an earlier dataset, and what GSM8K adds to them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from quarry.benchmarks import gsm8k
from quarry.errors import RecordError
from quarry.samples import Sample
from quarry.selection.columns import DATASET_COLUMNS, records_of
from quarry.selection.dataset_files import write_dataset
from quarry.selection.existing import read_existing, read_questions
from quarry.selection.quotas import StrataSpec, parse_quotas
from quarry.selection.stratification import stratify
from tests.selection.necessity_rows import existing, row, solution, table


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


@pytest.mark.shared
def test_the_132_problems_come_with_solution_and_source_from_gsm8k(shared_data):
    file = shared_data / "cot/llama_cot_all.json"
    alone = read_existing(file)
    samples = gsm8k.parse(gsm8k.read(shared_data, "test"), "test")
    items = read_existing(file, samples)
    counts = {"2-step": 42, "3-step": 37, "4-step": 32, "5+step": 21}
    assert Counter(items["difficulty"]) == Counter(alone["difficulty"]) == counts
    assert items["gsm8k_id"].is_unique
    assert items["gsm8k_id"].iloc[0] == "existing_0"
    assert set(items["source"]) == {"test"}
    assert None not in {item["full_solution"] for item in records_of(items)}
    for name in ("full_solution", "source", "baseline_prediction"):
        assert {item[name] for item in records_of(alone)} == {None}
    assert len(read_questions(file)) == 285


def test_an_item_has_every_field_and_what_is_not_known_is_missing(tmp_path):
    file = write(
        tmp_path / "items.json", [existing(7), existing(7, variant="corrupted", answer=-1)]
    )
    frame = read_existing(file)
    assert list(frame.columns) == list(DATASET_COLUMNS)
    [item] = records_of(frame)
    unknown = {"full_solution", "source", "baseline_prediction", "ablated_prediction"}
    assert {name for name in item if item[name] is None} == unknown
    assert item["gsm8k_id"] == "existing_7"
    assert (item["reasoning_steps"], item["difficulty"], item["is_existing"]) == (2, "2-step", True)


def test_solutions_are_found_by_the_question_and_given_ones_stay(tmp_path):
    items = [
        existing(1, question="How many, Ann?", reasoning_steps=None),
        existing(2, full_solution="none", source="mine"),
    ]
    samples = [
        Sample("gsm8k/train/9", "how many  Ann", "2", metadata={"solution": solution(5)}),
        Sample("gsm8k/test/3", existing(2)["question"], "2", metadata={"solution": solution(2)}),
    ]
    found, given = records_of(read_existing(write(tmp_path / "items.json", items), samples))
    assert (found["source"], found["full_solution"]) == ("train", solution(5))
    assert (found["reasoning_steps"], found["difficulty"]) == (5, "5+step")
    assert (given["source"], given["full_solution"]) == ("mine", "none")


@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_an_earlier_dataset_is_existing_as_a_whole(tmp_path, ending):
    spec = StrataSpec(parse_quotas("2-step=3"))
    rows = [row(f"test_{n}", topic=n) for n in range(5)]
    chosen = stratify(table(rows), None, spec).rows
    files = write_dataset(chosen, tmp_path / "earlier.json")
    again = read_existing(files.json if ending == "json" else files.parquet)
    assert set(again["is_existing"]) == {True}
    pd.testing.assert_frame_equal(
        again.drop(columns="is_existing"), chosen.drop(columns="is_existing")
    )


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([existing(1), existing(1, question="Another?")], "same gsm8k_id"),
        ([existing(1), existing(2, question="what was asked in pair 1")], "same question"),
        ([existing(1, question=None)], "question"),
        ([existing(1, pair_id=None)], "gsm8k_id"),
        ([existing(1, pair_id=1.5)], "gsm8k_id"),
        ([existing(1, reasoning_steps=2.5)], "reasoning_steps"),
        ([existing(1, reasoning_steps=-1)], "reasoning_steps"),
        ([existing(1, needs_cot="yes")], "needs_cot"),
    ],
)
def test_malformed_items_are_named(tmp_path, rows, what):
    with pytest.raises(RecordError, match=what) as caught:
        read_existing(write(tmp_path / "items.json", rows))
    assert "items.json, row" in (caught.value.where or "")


def test_questions_come_from_any_table_with_that_field_each_once(tmp_path):
    rows = [{"question": "One?"}, {"question": "Two?", "x": 1}, {"question": "One?"}]
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    write(tmp_path / "b.json", rows)
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for file in sorted(tmp_path.iterdir()):
        assert read_questions(file) == ("One?", "Two?")
    with pytest.raises(RecordError, match="question"):
        read_questions(write(tmp_path / "d.json", [{"text": "One?"}]))
