"""Necessity results are read from all their forms; what is wrong is named by file and row."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from quarry.errors import FileMissingError, RecordError
from quarry.necessity.table import COLUMNS
from quarry.selection.candidates import read_candidates
from quarry.selection.columns import records_of
from tests.selection.necessity_rows import failed, row, table

OLD_FIELDS = (
    "gsm8k_id", "question", "answer", "full_solution", "source", "baseline_correct",
    "baseline_prediction", "ablated_correct", "ablated_prediction", "needs_cot",
)  # fmt: skip


def write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def old(row: dict[str, Any], is_tested: bool = True) -> dict[str, Any]:
    """A row as the older pipeline's checkpoints have it."""
    return {name: row[name] for name in OLD_FIELDS} | {"success": is_tested}


def test_every_form_of_the_same_results_gives_the_same_table(tmp_path):
    rows = [row("test_0"), row("test_1", is_right=False), failed("train_2")]
    table(rows).to_parquet(tmp_path / "a.parquet")
    write(tmp_path / "b.json", rows)
    write(tmp_path / "c.json", {"timestamp": "2025", "results": rows})
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    first, *others = (read_candidates([file]).frame for file in sorted(tmp_path.iterdir()))
    assert list(first.columns) == list(COLUMNS)
    assert records_of(first)[0] == rows[0]
    for other in others:
        pd.testing.assert_frame_equal(first, other)


def test_checkpoints_of_the_older_pipeline_are_read_and_what_they_lack_is_named(tmp_path):
    rows = [old(row("test_0")), old(failed("train_1"), is_tested=False)]
    read = read_candidates([write(tmp_path / "checkpoint.json", {"results": rows})])
    assert read.frame["status"].tolist() == ["tested", "failed"]
    assert set(read.missing) == set(COLUMNS) - set(OLD_FIELDS) - {"status"}
    assert "success" not in read.frame.columns


def test_a_directory_is_read_with_its_folders_and_without_hidden_files(tmp_path):
    (tmp_path / "model").mkdir()
    table([row("test_0")]).to_parquet(tmp_path / "model/shard-00.parquet")
    table([row("test_1")]).to_parquet(tmp_path / "model/shard-01.parquet")
    (tmp_path / ".left.parquet").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("none")
    assert read_candidates([tmp_path]).frame["gsm8k_id"].tolist() == ["test_0", "test_1"]


def test_further_columns_are_kept(tmp_path):
    rows = [row("test_0", topic="money", tags=["a"]), row("test_1", topic=None, tags=[])]
    table(rows).to_parquet(tmp_path / "a.parquet")
    read = read_candidates([tmp_path / "a.parquet", write(tmp_path / "b.json", rows)])
    assert list(read.frame.columns) == [*COLUMNS, "topic", "tags"]
    assert read.frame["topic"].tolist()[0] == "money"
    assert read.n_repeated == 2


def test_rows_that_are_there_twice_collapse_and_a_test_replaces_a_failure(tmp_path):
    rows = [failed("test_0"), row("test_1"), row("test_0"), row("test_1"), failed("test_1")]
    read = read_candidates([write(tmp_path / "rows.json", rows)])
    assert read.frame["gsm8k_id"].tolist() == ["test_0", "test_1"]
    assert read.frame["status"].tolist() == ["tested", "tested"]
    assert read.n_repeated == 3


def test_two_tests_of_one_problem_that_contradict_name_both_files(tmp_path):
    one = write(tmp_path / "one.json", [row("test_0")])
    other = write(tmp_path / "other.json", [row("test_1"), row("test_0", is_right=False)])
    with pytest.raises(RecordError) as caught:
        read_candidates([one, other])
    where = caught.value.where or ""
    assert "one.json, row 1" in where
    assert "other.json, row 2" in where
    assert "baseline_correct" in (caught.value.expected or "")


def test_what_is_missing_of_necessity_follows_from_both_verdicts(tmp_path):
    rows = [row("test_0", needs_cot=None), row("test_1", is_ablated_right=True, needs_cot=None)]
    read = read_candidates([write(tmp_path / "rows.json", rows)])
    assert read.frame["needs_cot"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"gsm8k_id": None}, "gsm8k_id"),
        ({"gsm8k_id": 7}, "gsm8k_id"),
        ({"question": "  "}, "question"),
        ({"question": "half a character \ud800"}, "question"),
        ({"answer": None}, "answer"),
        ({"answer": "many"}, "answer"),
        ({"answer": True}, "answer"),
        ({"answer": float("inf")}, "answer"),
        ({"needs_cot": "yes"}, "needs_cot"),
        ({"needs_cot": False}, "needs_cot"),
        ({"needs_cot": None, "ablated_correct": None}, "needs_cot"),
        ({"baseline_correct": 1}, "baseline_correct"),
        ({"ablated_prediction": "none"}, "ablated_prediction"),
        ({"status": "done"}, "status"),
        ({"full_solution": 5}, "full_solution"),
    ],
)
def test_a_malformed_row_is_named_by_file_row_and_field(tmp_path, changes, field):
    file = write(tmp_path / "rows.json", [row("test_0"), {**row("test_1"), **changes}])
    with pytest.raises(RecordError, match=field) as caught:
        read_candidates([file])
    assert caught.value.where == f"{file}, row 2"


def test_numbers_with_thousands_separators_are_read(tmp_path):
    read = read_candidates([write(tmp_path / "rows.json", [row("test_0", answer="1,200")])])
    assert read.frame["answer"].tolist() == [1200.0]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.json", "[{", "valid JSON"),
        ("a.json", '{"rows": []}', "a list"),
        ("a.json", "[1]", "an object"),
        ("a.jsonl", '{"a": 1}\n{', "valid JSON"),
        ("a.json", "[" * 100_000, "valid JSON"),
        ("a.parquet", "PAR1", "a Parquet file"),
        ("a.csv", "gsm8k_id", "an ending"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    with pytest.raises(RecordError, match=name) as caught:
        read_candidates([tmp_path / name])
    assert expected in (caught.value.expected or "")


def test_text_in_another_encoding_is_named(tmp_path):
    (tmp_path / "a.json").write_bytes(b'["\xff"]')
    with pytest.raises(RecordError, match="UTF-8"):
        read_candidates([tmp_path / "a.json"])


def test_missing_files_and_empty_directories_are_named(tmp_path):
    with pytest.raises(FileMissingError, match=r"none\.json"):
        read_candidates([tmp_path / "none.json"])
    with pytest.raises(FileMissingError, match="no necessity results"):
        read_candidates([tmp_path])
