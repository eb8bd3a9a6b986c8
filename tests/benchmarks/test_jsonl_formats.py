"""GSM8K, HumanEval and MBPP records: what they become, and what a malformed one says."""

import copy
from pathlib import Path
from typing import Any

import pytest

from quarry.benchmarks import gsm8k
from quarry.benchmarks.mbpp import SPLIT_TASK_IDS, find_entry_point, split_of
from quarry.benchmarks.records import SourceRecord
from quarry.benchmarks.source import BenchmarkSource
from quarry.errors import RecordError, SourceMissingError

from .conftest import MirrorWriter

GSM8K = {"question": "How many?", "answer": "It is 600*2=<<600*2=1200>>1,200.\n#### 1,200"}
HUMANEVAL = {
    "task_id": "HumanEval/3",
    "prompt": "def f(x):\n",
    "entry_point": "f",
    "canonical_solution": "    return x\n",
    "test": "def check(candidate):\n    assert candidate(1) == 1\n",
}
MBPP = {
    "text": "Write a function.",
    "code": "def f(x):\r\n    return x",
    "task_id": 11,
    "test_setup_code": "",
    "test_list": ["assert set(f([1])) == {1}"],
    "challenge_test_list": [],
}
FILES = {
    "gsm8k": ("gsm8k/test.jsonl", GSM8K),
    "humaneval": ("humaneval/HumanEval.jsonl.gz", HUMANEVAL),
    "mbpp": ("mbpp/mbpp.jsonl", MBPP),
}


@pytest.mark.parametrize(
    ("answer", "target"),
    [
        ("#### 18", "18"),
        ("a\n#### 1,234,567", "1234567"),
        ("#### -7", "-7"),
        ("#### $2.50", "2.50"),
        ("####5 \n", "5"),
    ],
)
def test_a_gsm8k_target_is_the_number_without_thousands_commas(answer: str, target: str) -> None:
    record = SourceRecord(17, "here", {"question": "How many?", "answer": answer})
    (sample,) = gsm8k.parse([record], "test")
    assert (sample.id, sample.target) == ("gsm8k/test/17", target)
    assert sample.metadata["solution"] == answer


def test_a_humaneval_sample_carries_what_grading_needs(mirror_with: MirrorWriter) -> None:
    (sample,) = mirror_with(FILES["humaneval"][0], [HUMANEVAL]).load("humaneval", "test")
    assert sample.id == "humaneval/test/3"
    assert sample.input + sample.target == "def f(x):\n    return x\n"
    assert sample.metadata == {
        "task_id": "HumanEval/3",
        "entry_point": "f",
        "test": HUMANEVAL["test"],
    }


def test_an_mbpp_sample_carries_what_grading_needs(mirror_with: MirrorWriter) -> None:
    (sample,) = mirror_with(FILES["mbpp"][0], [MBPP]).load("mbpp", "test")
    assert sample.id == "mbpp/test/11"
    assert sample.target == "def f(x):\n    return x"
    assert sample.metadata["entry_point"] == "f"
    assert sample.metadata["test_list"] == MBPP["test_list"]


def test_mbpp_splits_cover_all_task_ids_once() -> None:
    assert sorted(i for ids in SPLIT_TASK_IDS.values() for i in ids) == list(range(1, 975))
    assert [split_of(i) for i in (10, 11, 511, 601, 975)] == [
        "prompt", "test", "validation", "train", None,
    ]  # fmt: skip


def test_the_entry_point_is_the_outermost_call_of_something_the_code_defines() -> None:
    code = "class Pair:\n    pass\ndef longest(pairs):\n    return 1\n"
    assert find_entry_point(code, ["assert set(longest([Pair(), Pair()])) == 1"]) == "longest"
    assert find_entry_point("f = len\n", ["assert f([]) == 0"]) == "f"
    assert find_entry_point(code, ["assert other(1)", "no python at all ("]) is None


@pytest.mark.parametrize("format", FILES)
def test_a_missing_or_wrong_field_names_file_line_and_field(
    mirror_with: MirrorWriter, tmp_path: Path, format: str
) -> None:
    name, record = FILES[format]
    for field in record:
        for wrong in (None, {"a": 1}):
            broken: dict[str, Any] = copy.deepcopy(record)
            broken[field] = wrong
            source = mirror_with(name, [record, broken])
            with pytest.raises(RecordError) as caught:
                source.load(format, "test")
            assert caught.value.where == f"{tmp_path / name}, line 2"
            assert repr(field) in caught.value.what
        del broken[field]
        with pytest.raises(RecordError, match="no such field"):
            mirror_with(name, [broken]).load(format, "test")


@pytest.mark.parametrize(
    ("format", "field", "value"),
    [
        ("gsm8k", "answer", "It is 18."),
        ("gsm8k", "answer", "#### eighteen"),
        ("humaneval", "task_id", "HumanEval/x"),
        ("mbpp", "test_list", ["assert g(1)"]),
        ("mbpp", "task_id", True),
    ],
)
def test_a_value_of_another_form_is_refused(
    mirror_with: MirrorWriter, format: str, field: str, value: object
) -> None:
    name, record = FILES[format]
    with pytest.raises(RecordError, match=field):
        mirror_with(name, [{**record, field: value}]).load(format, "test")


@pytest.mark.parametrize("line", ['{"question": ', "[1]", '"text"'])
def test_a_line_that_is_no_json_object_is_named(mirror_with: MirrorWriter, line: str) -> None:
    with pytest.raises(RecordError, match="line 3"):
        mirror_with(FILES["gsm8k"][0], [GSM8K, "", line]).load("gsm8k", "test")


def test_a_truncated_gzip_file_is_named(mirror_with: MirrorWriter, tmp_path: Path) -> None:
    source = mirror_with(FILES["humaneval"][0], [HUMANEVAL])
    path = tmp_path / FILES["humaneval"][0]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(RecordError, match=r"HumanEval\.jsonl\.gz"):
        source.load("humaneval", "test")


def test_a_flipped_byte_is_an_error_and_never_a_silent_replacement(
    mirror_with: MirrorWriter, tmp_path: Path
) -> None:
    source = mirror_with(FILES["gsm8k"][0], [GSM8K])
    path = tmp_path / FILES["gsm8k"][0]
    path.write_bytes(path.read_bytes().replace(b"How", b"H\xffw"))
    with pytest.raises(RecordError, match=r"test\.jsonl, byte 15"):
        source.load("gsm8k", "test")


@pytest.mark.parametrize(
    ("format", "path"), [(format, name) for format, (name, _) in FILES.items()]
)
def test_a_missing_file_is_named_with_what_to_do(tmp_path: Path, format: str, path: str) -> None:
    with pytest.raises(SourceMissingError) as caught:
        BenchmarkSource(tmp_path).load(format, "test")
    assert caught.value.where == str(tmp_path / path)
    assert caught.value.fix
