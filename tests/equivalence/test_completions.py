"""Graded completions: a decision for every row, and the canaries in the same file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quarry.equivalence.completions import (
    GradedCompletions,
    grade_completions,
    read_canaries,
    write_graded,
)
from quarry.equivalence.grader import CanaryResult, Decision, GradingItem
from quarry.equivalence.rules import RulesGrader
from quarry.errors import FileMissingError, JudgeRefusedError, RecordError
from quarry.sampling.publication import table_schema
from quarry.sampling.table import DECISION_COLUMNS, GRADED_COLUMNS
from quarry.selection.columns import records_of
from quarry.tables import read_table
from tests.equivalence.rubrics_here import RUBRICS

COMPLETIONS = (" Grace Miller\nQ:", " Miller", " Mia Sanders\nQ:", " Grace M", "\0\ufffd", "")


def sampled(folder: Path, completions: Sequence[str] = COMPLETIONS) -> pd.DataFrame:
    """A table as sampling publishes it, read back."""
    rows = [
        {
            "source": "mayors/0",
            "prompt_id": "ab",
            "prompt": "Q: Who is the mayor of Tokyo? A:",
            "target": " Grace Miller",
            "completion": text,
            "generation_idx": place,
            "count": 10 - place,
            "n_generations": 45,
            "finish_reason": "length",
            "prompt_token_ids": [0, 5],
            "output_token_ids": [7, place],
            "method": "{}",
        }
        for place, text in enumerate(completions)
    ]
    path = folder / "sampled.parquet"
    pq.write_table(pa.Table.from_pylist(rows, table_schema()), path)
    return read_table(path)


def graded(folder: Path, completions: Sequence[str] = COMPLETIONS) -> GradedCompletions:
    with RulesGrader(RUBRICS["mayors"]) as grader:
        return grade_completions(sampled(folder, completions), grader, log=lambda _: None)


class BackwardsGrader(RulesGrader):
    """Decides in the opposite order, as judges that are asked at once may."""

    def grade(
        self, items: Sequence[GradingItem], *, log: Callable[[str], None]
    ) -> Iterator[tuple[int, Decision]]:
        yield from reversed(list(super().grade(items, log=log)))


class RefusedGrader(RulesGrader):
    """Decides on one item and is refused then."""

    def grade(
        self, items: Sequence[GradingItem], *, log: Callable[[str], None]
    ) -> Iterator[tuple[int, Decision]]:
        yield next(super().grade(items, log=log))
        raise JudgeRefusedError("the key is refused")


def test_every_row_gets_its_decision(tmp_path: Path) -> None:
    frame = graded(tmp_path).frame
    assert tuple(frame.columns) == GRADED_COLUMNS
    assert frame["completion"].tolist() == list(COMPLETIONS)
    assert frame["outcome"].tolist()[:4] == [
        "equivalent",
        "equivalent",
        "not_equivalent",
        "ungraded",
    ]
    equivalent, open_one = frame.iloc[0], frame.iloc[3]
    assert equivalent["trimmed"] == " Grace Miller"
    assert (equivalent["decided_by"], equivalent["reason"]) == ("rules", "")
    assert equivalent["reasoning"]
    assert open_one["trimmed"] is pd.NA
    assert "not clear" in open_one["reason"]
    [said] = {json.loads(text)["rubric_digest"] for text in frame["grader"]}
    assert said == RUBRICS["mayors"].digest


def test_what_was_sampled_is_handed_on_unchanged(tmp_path: Path) -> None:
    before = sampled(tmp_path)
    after = graded(tmp_path).frame.drop(columns=list(DECISION_COLUMNS))
    pd.testing.assert_frame_equal(after, before)


def test_the_order_of_decisions_is_no_difference(tmp_path: Path) -> None:
    with BackwardsGrader(RUBRICS["mayors"]) as grader:
        other = grade_completions(sampled(tmp_path), grader, log=lambda _: None)
    pd.testing.assert_frame_equal(other.frame, graded(tmp_path).frame)


def test_rows_of_any_index_get_their_own_decisions(tmp_path: Path) -> None:
    rows = sampled(tmp_path).iloc[[2, 0]]
    with RulesGrader(RUBRICS["mayors"]) as grader:
        frame = grade_completions(rows, grader, log=lambda _: None).frame
    assert frame["outcome"].tolist() == ["not_equivalent", "equivalent"]


def test_a_refusal_is_handed_on(tmp_path: Path) -> None:
    with RefusedGrader(RUBRICS["mayors"]) as grader, pytest.raises(JudgeRefusedError):
        grade_completions(sampled(tmp_path), grader, log=lambda _: None)


def test_the_file_has_the_columns_of_the_contract_in_their_types(tmp_path: Path) -> None:
    write_graded(graded(tmp_path), tmp_path / "graded.parquet")
    schema = pq.read_schema(tmp_path / "graded.parquet")
    assert tuple(schema.names) == GRADED_COLUMNS
    decided = [pa.field(name, pa.string()) for name in DECISION_COLUMNS]
    assert schema.remove_metadata() == pa.schema([*table_schema(), *decided])


def test_a_table_without_rows_has_the_same_columns(tmp_path: Path) -> None:
    empty, path = graded(tmp_path, []), tmp_path / "empty.parquet"
    assert tuple(empty.frame.columns) == GRADED_COLUMNS
    write_graded(empty, path)
    write_graded(graded(tmp_path), tmp_path / "graded.parquet")
    schema = pq.read_schema(path)
    assert schema.remove_metadata() == pq.read_schema(tmp_path / "graded.parquet").remove_metadata()
    assert len(read_table(path)) == 0
    assert len(read_canaries(path)) == len(RUBRICS["mayors"].canaries)


def test_rows_and_canaries_come_back_from_the_file(tmp_path: Path) -> None:
    made, path = graded(tmp_path), tmp_path / "new folder" / "graded.parquet"
    write_graded(made, path)
    assert records_of(read_table(path).drop(columns=["prompt_token_ids", "output_token_ids"])) == (
        records_of(made.frame.drop(columns=["prompt_token_ids", "output_token_ids"]))
    )
    assert read_canaries(path) == list(made.canaries)
    assert len(made.canaries) > 0


def test_any_canary_comes_back(tmp_path: Path) -> None:
    canaries = [
        CanaryResult("é 東京", "equivalent", "not_equivalent"),
        CanaryResult("", "not_equivalent", "ungraded"),
    ]
    write_graded(replace(graded(tmp_path), canaries=canaries), tmp_path / "graded.parquet")
    found = read_canaries(tmp_path / "graded.parquet")
    assert found == canaries
    assert [one.is_right for one in found] == [False, False]


def test_a_digest_is_of_the_content_not_of_the_file(tmp_path: Path) -> None:
    made, path = graded(tmp_path), tmp_path / "graded.parquet"
    write_graded(made, path)
    assert replace(made, frame=read_table(path)).digest() == made.digest()
    pq.write_table(pq.read_table(path), path, compression="gzip", row_group_size=2)
    assert replace(made, frame=read_table(path)).digest() == made.digest()


@pytest.mark.parametrize(
    ("column", "value"),
    [("outcome", "ungraded"), ("trimmed", " Grace"), ("completion", "x"), ("count", 99),
     ("grader", "{}"), ("reasoning", "because"), ("target", " Kim")],
)  # fmt: skip
def test_a_digest_changes_with_what_was_decided(tmp_path: Path, column: str, value: object) -> None:
    made = graded(tmp_path)
    frame = made.frame.copy()
    frame.loc[0, column] = value  # type: ignore[assignment]
    assert replace(made, frame=frame).digest() != made.digest()


def test_a_digest_does_not_change_with_how_completions_were_made(tmp_path: Path) -> None:
    made = graded(tmp_path)
    other = made.frame.assign(method='{"weights": "copied"}')
    assert replace(made, frame=other).digest() == made.digest()


def test_a_graded_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match=r"nowhere\.parquet"):
        read_canaries(tmp_path / "nowhere.parquet")


def metadata(value: bytes) -> dict[Any, Any]:
    return {b"quarry.canaries": value}


@pytest.mark.parametrize(
    "known",
    [
        {},
        metadata(b"no JSON"),
        metadata(b"\xff"),
        metadata(b"1"),
        metadata(b"[1]"),
        metadata(b'[{"name": "a"}]'),
        metadata(b'[{"name": "a", "expected": "b", "got": "c", "more": 1}]'),
    ],
)
def test_a_table_without_readable_canaries_is_named(tmp_path: Path, known: dict[Any, Any]) -> None:
    path = tmp_path / "graded.parquet"
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata(known), path)
    with pytest.raises(RecordError, match="materialise the partition") as damaged:
        read_canaries(path)
    assert damaged.value.where == str(path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet" * 9])
def test_a_file_that_is_no_table_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "graded.parquet"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"graded\.parquet"):
        read_canaries(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(RecordError, match=r"graded\.parquet"):
        read_canaries(path)
