"""Tables are published whole, and errors name the file."""

from pathlib import Path

import pandas as pd
import pytest

from quarry.errors import FileMissingError, RecordError
from quarry.tables import content_digest, read_table, write_table


def frame() -> pd.DataFrame:
    return pd.DataFrame({"sample_id": ["a/0", "b/1"], "is_correct": [True, False]})


def test_a_table_survives_a_round_trip_and_leaves_no_temporary_file(tmp_path: Path):
    path = tmp_path / "deep" / "table.parquet"
    write_table(frame(), path)
    pd.testing.assert_frame_equal(read_table(path), frame())
    assert [file.name for file in path.parent.iterdir()] == ["table.parquet"]


def test_a_missing_table_is_named(tmp_path: Path):
    with pytest.raises(FileMissingError, match=r"table\.parquet"):
        read_table(tmp_path / "table.parquet")


def test_a_damaged_table_is_named(tmp_path: Path):
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1 this is none")
    with pytest.raises(RecordError, match=r"table\.parquet"):
        read_table(path)


def test_the_content_digest_sees_every_value_and_no_encoding(tmp_path: Path):
    path = tmp_path / "table.parquet"
    write_table(frame(), path)
    assert content_digest(read_table(path)) == content_digest(frame())
    changed = frame()
    changed.loc[1, "is_correct"] = True
    assert content_digest(changed) != content_digest(frame())
