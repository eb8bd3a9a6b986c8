"""A dataset on disk: both files hold the same rows, every field on every row."""

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.errors import DiskError, FileMissingError, RecordError, UsageError
from quarry.selection.columns import DATASET_COLUMNS, table_of
from quarry.selection.dataset_files import is_dataset, read_dataset, write_dataset
from tests.selection.necessity_rows import row

flag = st.none() | st.booleans()
number = st.none() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
items = st.fixed_dictionaries(
    {
        "gsm8k_id": text,
        "question": text,
        "answer": number.filter(lambda value: value is not None),
        "full_solution": st.none() | text,
        "source": st.none() | text,
        "baseline_correct": flag,
        "baseline_prediction": number,
        "ablated_correct": flag,
        "ablated_prediction": number,
        "needs_cot": flag,
        "reasoning_steps": st.none() | st.integers(0, 50),
        "difficulty": st.none() | text,
        "is_existing": st.booleans(),
    }
)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(items, max_size=5))
def test_both_files_give_back_every_value(tmp_path_factory, rows):
    frame = table_of(rows, DATASET_COLUMNS)
    files = write_dataset(frame, tmp_path_factory.mktemp("dataset") / "x.json")
    pd.testing.assert_frame_equal(read_dataset(files.json), frame)
    pd.testing.assert_frame_equal(read_dataset(files.parquet), frame)
    assert all(
        list(one) == list(DATASET_COLUMNS) for one in json.loads(files.json.read_text("utf-8"))
    )


def test_whole_numbers_are_integers_what_is_unknown_is_null_and_text_is_readable(tmp_path):
    rows = [
        {**row("test_0"), "question": "Wie viele für Zoë?", "answer": 2.5, "is_existing": False}
    ]
    text = write_dataset(table_of(rows, DATASET_COLUMNS), tmp_path / "x.json").json.read_text(
        "utf-8"
    )
    assert '"baseline_prediction": 2,' in text
    assert '"answer": 2.5,' in text
    assert '"ablated_prediction": null,' in text
    assert '"is_existing": false' in text
    assert "Zoë" in text


def test_either_name_writes_both_files_and_nothing_else(tmp_path):
    frame = table_of(
        [{**row("test_0"), "is_existing": True, "topic": "x"}], [*DATASET_COLUMNS, "topic"]
    )
    write_dataset(frame, tmp_path / "deep" / "v1.5.parquet")
    names = {file.name for file in (tmp_path / "deep").iterdir()}
    assert names == {"v1.5.json", "v1.5.parquet"}
    pd.testing.assert_frame_equal(read_dataset(tmp_path / "deep/v1.5.json"), frame)


def test_the_same_rows_give_the_same_bytes(tmp_path):
    frame = table_of([{**row("test_0"), "is_existing": True}], DATASET_COLUMNS)
    one, two = (write_dataset(frame, tmp_path / f"{name}.json") for name in "ab")
    assert one.json.read_bytes() == two.json.read_bytes()
    assert one.parquet.read_bytes() == two.parquet.read_bytes()


@pytest.mark.parametrize("name", ["x", "x.jsonl", "x.csv", ".json"])
def test_another_ending_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="name"):
        write_dataset(table_of([], DATASET_COLUMNS), tmp_path / name)


def test_a_place_that_is_no_directory_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="file"):
        write_dataset(table_of([], DATASET_COLUMNS), tmp_path / "file" / "x.json")


@pytest.mark.parametrize("name", DATASET_COLUMNS)
def test_a_row_without_one_of_the_fields_is_no_dataset(tmp_path: Path, name: str):
    whole = {column: row("test_0").get(column) for column in DATASET_COLUMNS}
    whole |= {"is_existing": False}
    for file, rows in (("good", [whole]), ("bad", [{c: whole[c] for c in whole if c != name}])):
        (tmp_path / f"{file}.json").write_text(json.dumps(rows))
    assert is_dataset(tmp_path / "good.json")
    assert not is_dataset(tmp_path / "bad.json")
    with pytest.raises(RecordError, match=name):
        read_dataset(tmp_path / "bad.json")


def test_a_missing_dataset_is_named(tmp_path):
    with pytest.raises(FileMissingError, match=r"x\.json"):
        read_dataset(tmp_path / "x.json")
    assert not is_dataset(tmp_path / "x.json")
