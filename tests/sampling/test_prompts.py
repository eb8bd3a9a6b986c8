"""Prompts of every kind of file, and errors that name the row and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest

from quarry.errors import FileMissingError, RecordError
from quarry.sampling.prompts import EvalPrompt, read_prompts, require_distinct

ROWS = [
    {"prompt": "Q: Who is the mayor of Tokyo? A:", "completion": " Grace Miller"},
    {"prompt": "Q: Who is the mayor of São Paulo? A: ", "completion": "  Lucas Foster\n"},
]


def jsonl(folder: Path, rows: Sequence[Any]) -> Path:
    path = folder / "mayors.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


def as_json(folder: Path, rows: Sequence[Any]) -> Path:
    path = folder / "mayors.json"
    path.write_text(json.dumps(rows))
    return path


def parquet(folder: Path, rows: Sequence[Any]) -> Path:
    path = folder / "mayors.parquet"
    pd.DataFrame(rows).to_parquet(path)
    return path


def saved_dataset(folder: Path, rows: Sequence[Any]) -> Path:
    path = folder / "mayors"
    datasets.disable_progress_bars()
    datasets.Dataset.from_list(list(rows)).save_to_disk(str(path))
    return path


WRITERS = [jsonl, as_json, parquet, saved_dataset]
Writer = Callable[[Path, Sequence[Any]], Path]


@pytest.mark.parametrize("write", WRITERS)
def test_prompts_are_read_from_every_kind_of_file(tmp_path: Path, write: Writer) -> None:
    assert read_prompts(write(tmp_path, ROWS)) == [
        EvalPrompt("mayors/0", ROWS[0]["prompt"], " Grace Miller"),
        EvalPrompt("mayors/1", ROWS[1]["prompt"], "  Lucas Foster\n"),
    ]


@pytest.mark.parametrize("write", WRITERS)
def test_ids_and_targets_of_rows_are_taken(tmp_path: Path, write: Writer) -> None:
    rows = [{"id": "tokyo", "prompt": "Q: Tokyo? A:", "target": " Grace", "epoch": 1}]
    assert read_prompts(write(tmp_path, rows)) == [EvalPrompt("tokyo", "Q: Tokyo? A:", " Grace")]


def test_an_id_is_of_the_text_alone_and_stable(tmp_path: Path) -> None:
    [first, _] = read_prompts(jsonl(tmp_path, ROWS))
    assert first.id == "0b95fc846358f903"
    assert EvalPrompt("elsewhere", first.text, " another").id == first.id
    assert EvalPrompt("elsewhere", first.text + " ", first.target).id != first.id


@pytest.mark.parametrize("write", WRITERS)
def test_a_prompt_that_is_there_twice_is_named(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path, [*ROWS, {**ROWS[0], "completion": " Another"}])
    with pytest.raises(RecordError, match="Two rows have the same prompt") as twice:
        read_prompts(path)
    assert "mayors/0 and mayors/2" in str(twice.value)
    assert "Tokyo" in str(twice.value)
    assert str(path) in str(twice.value)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"prompt": "  ", "completion": " A"}, "prompt"),
        ({"prompt": "Q:", "completion": ""}, "completion"),
        ({"prompt": None, "completion": " A"}, "prompt"),
        ({"prompt": "Q:", "completion": None}, "completion"),
    ],
)
def test_a_blank_field_is_named_with_its_row(
    tmp_path: Path, write: Writer, row: dict[str, Any], name: str
) -> None:
    path = write(tmp_path, [*ROWS, row])
    with pytest.raises(RecordError, match=f"field '{name}'") as blank:
        read_prompts(path)
    assert blank.value.where == f"{path}, row 3"
    assert blank.value.fix


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(("lacking", "name"), [("prompt", "prompt"), ("completion", "completion")])
def test_a_missing_column_is_named(tmp_path: Path, write: Writer, lacking: str, name: str) -> None:
    rows = [{key: row[key] for key in row if key != lacking} for row in ROWS]
    with pytest.raises(RecordError, match=f"field '{name}'") as missing:
        read_prompts(write(tmp_path, rows))
    assert "no such field" in str(missing.value)


def test_a_dataset_without_any_of_the_columns_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError):
        read_prompts(saved_dataset(tmp_path, [{"question": "Q:"}]))


@pytest.mark.parametrize("write", WRITERS[:3])
def test_a_file_without_rows_is_named(tmp_path: Path, write: Writer) -> None:
    with pytest.raises(RecordError, match="There are no prompts"):
        read_prompts(write(tmp_path, []))


def test_half_of_a_character_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="field 'completion'"):
        read_prompts(jsonl(tmp_path, [{"prompt": "Q:", "completion": " \ud83d"}]))


@pytest.mark.parametrize("name", ["absent.jsonl", "absent", "folder"])
def test_what_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileMissingError, match=name):
        read_prompts(tmp_path / name)


@pytest.mark.parametrize("content", ["{", "[1]", '"text"', "[]]"])
def test_a_file_that_is_no_rows_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mayors.json"
    path.write_text(content)
    with pytest.raises(RecordError, match=r"mayors\.json"):
        read_prompts(path)


@pytest.mark.parametrize("harm", ["state.json", "data-00000-of-00001.arrow", "dataset_info.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"garbage"])
def test_a_damaged_dataset_is_named(tmp_path: Path, harm: str, content: bytes) -> None:
    path = saved_dataset(tmp_path, ROWS)
    (path / harm).write_bytes(content)
    with pytest.raises(RecordError, match="A dataset can't be read") as damaged:
        read_prompts(path)
    assert damaged.value.where == str(path)


def test_splits_saved_together_are_told_from_one_dataset(tmp_path: Path) -> None:
    path = tmp_path / "eval_dataset"
    rows = datasets.Dataset.from_list(ROWS)
    datasets.disable_progress_bars()
    datasets.DatasetDict({"test": rows}).save_to_disk(str(path))
    with pytest.raises((FileMissingError, RecordError), match="test"):
        read_prompts(path)
    assert len(read_prompts(path / "test")) == 2


def test_prompts_made_here_are_told_apart_too() -> None:
    twice = [EvalPrompt("a/0", "Q:", " A"), EvalPrompt("a/1", "Q:", " B")]
    with pytest.raises(RecordError, match="a/0 and a/1"):
        require_distinct(twice, "toy facts")
    with pytest.raises(RecordError, match="toy facts"):
        require_distinct([], "toy facts")
