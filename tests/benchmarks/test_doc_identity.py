"""Records of a benchmark beside completions, found among the samples by what they say."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from quarry.benchmarks.doc_identity import DocIndex, has_other_tests
from quarry.samples import Sample

EGGS = Sample("gsm8k/test/0", "Janet\u2019s ducks lay\n16 eggs.", "18", (), {"solution": "#### 18"})
DUCKS = Sample("gsm8k/test/1", "How many ducks?", "3", (), {"solution": "#### 3"})
OPEN = Sample("humaneval/test/56", 'def f(s):\n    """<"""\n', "    pass\n", (), {
    "task_id": "HumanEval/56", "test": "def check(c): ...", "entry_point": "f"})  # fmt: skip
ROUND = Sample("humaneval/test/61", 'def f(s):\n    """("""\n', "    pass\n", (), {
    "task_id": "HumanEval/61", "test": "def check(c): ...", "entry_point": "f"})  # fmt: skip
SQUARES = [
    Sample(f"mbpp/test/{number}", "Count squares.", "", (), {
        "task_id": number, "test_list": [f"assert squares({number}) == 1"]})
    for number in (76, 347)
]  # fmt: skip
PANEL = [
    Sample(f"logiqa/test/{row}", "Panel of M and P.\nWhich is true?", "A", options)
    for row, options in enumerate([("M.", "P.", "Q.", "R."), ("S.", "T.", "U.", "V.")])
]


def found(samples: list[Sample], format: str, doc: dict[str, Any], digest: str | None = None):
    sample = DocIndex(samples, format).find(doc, digest)
    return None if sample is None else sample.id


@pytest.mark.parametrize(
    ("doc", "sample_id"),
    [
        ({"question": EGGS.input, "answer": "#### 18"}, "gsm8k/test/0"),
        ({"question": "Janet\u2019s ducks  lay 16 eggs."}, "gsm8k/test/0"),
        ({"question": "Janet's ducks lay 16 eggs"}, "gsm8k/test/0"),
        ({"question": "How many geese?"}, None),
        ({"question": ["How many ducks?"]}, None),
        ({"question": ""}, None),
        ({}, None),
    ],
)
def test_a_question_is_found_up_to_spacing_and_punctuation(doc: dict[str, Any], sample_id: str):
    assert found([EGGS, DUCKS], "gsm8k", doc) == sample_id


def test_problems_that_differ_in_signs_only_are_told_apart():
    assert found([OPEN, ROUND], "humaneval", {"prompt": ROUND.input}) == "humaneval/test/61"
    assert found([OPEN], "humaneval", {"prompt": ROUND.input}) is None


def test_a_task_number_counts_before_the_text():
    doc = {"task_id": "HumanEval/56", "prompt": ROUND.input}
    assert found([OPEN, ROUND], "humaneval", doc) == "humaneval/test/56"
    assert found(SQUARES, "mbpp", {"task_id": 347, "prompt": "Other words."}) == "mbpp/test/347"


@pytest.mark.parametrize("task_id", [56, "56"])
def test_a_task_of_mbpp_is_no_problem_of_humaneval_with_its_number(task_id: int | str):
    doc = {"task_id": task_id, "text": "Count squares.", "test_list": ["assert squares(1) == 1"]}
    assert found([OPEN, ROUND], "humaneval", doc) is None


def test_tests_and_options_decide_where_the_text_is_the_same():
    tests = list(SQUARES[1].metadata["test_list"])
    assert found(SQUARES, "mbpp", {"text": "Count squares.", "test_list": tests}) == "mbpp/test/347"
    assert found(SQUARES, "mbpp", {"text": "Count squares."}) is None
    doc = {"context": "Panel of M and P.", "question": "Which is true?"}
    assert found(PANEL, "logiqa", {**doc, "options": ["s", "t", "u", "v"]}) == "logiqa/test/1"
    assert found(PANEL, "logiqa", doc) is None


def test_options_in_another_order_are_another_question():
    doc = {"context": "Panel of M and P.", "question": "Which is true?"}
    assert found(PANEL, "logiqa", {**doc, "options": ["t", "s", "u", "v"]}) is None
    assert found(PANEL[:1], "logiqa", {**doc, "options": ["P", "M", "Q", "R"]}) is None
    assert found(PANEL[:1], "logiqa", {**doc, "options": ["M", "P", "Q", "R"]}) == "logiqa/test/0"


def test_another_number_is_another_question():
    pens = Sample("gsm8k/test/0", "Pens cost $1.50, 1/2 off. How much are 1,000?", "750", (), {})
    assert found([pens], "gsm8k", {"question": "Pens cost 1.50; 1/2 off: how much are 1,000"})
    for number in ("150", "1.5 0", "15.0"):
        assert found([pens], "gsm8k", {"question": pens.input.replace("1.50", number)}) is None


def test_a_record_that_is_not_there_is_found_by_its_digest():
    doc = {"question": EGGS.input, "answer": "#### 18"}
    text = json.dumps(doc, indent=2, ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert found([EGGS, DUCKS], "gsm8k", {}, digest) == "gsm8k/test/0"
    assert found([EGGS, DUCKS], "gsm8k", {}, "0" * 64) is None


def test_the_harness_digest_of_a_real_record(shared_data):
    """Taken from a file that lm-evaluation-harness 0.4.13 wrote of the first test question."""
    from quarry.benchmarks.source import BenchmarkSource

    digest = "986c19252f3c7f6eaeff2229e9a5777f96a85c0ceea931a92d2289084dfd518c"
    samples = BenchmarkSource(shared_data).load("gsm8k", "test")
    assert found(samples, "gsm8k", {}, digest) == "gsm8k/test/0"


@pytest.mark.parametrize(
    ("sample", "doc", "is_other"),
    [
        (OPEN, {"test": "def check(c): ...\n"}, False),
        (OPEN, {"test": "def check(c): more"}, True),
        (OPEN, {}, False),
        (SQUARES[0], {"test_list": ["assert squares(76) == 1"]}, False),
        (SQUARES[0], {"test_list": ["assert squares(76) == 1", "assert more"]}, True),
        (EGGS, {"test": "x"}, False),
        (OPEN, {"test": 5}, True),
        (SQUARES[0], {"test_list": 5}, True),
    ],
)
def test_records_with_other_tests_are_noticed(sample: Sample, doc: dict[str, Any], is_other: bool):
    assert has_other_tests(sample, doc) is is_other
