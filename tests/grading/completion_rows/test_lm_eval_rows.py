"""Records that lm-evaluation-harness logged."""

from __future__ import annotations

from typing import Any

import pytest

from quarry.grading.completion_rows.lm_eval_rows import (
    LmEvalFilters,
    is_lm_eval_record,
    lm_eval_rows,
)
from tests.grading.completion_rows.examples import gsm8k_record, scores_record


def test_every_answer_is_a_row_that_keeps_no_copy_of_the_document() -> None:
    rows = list(lm_eval_rows(gsm8k_record(0, [" a", " b"])))
    assert [row.completion for row in rows] == [" a", " b"]
    assert [row.fields["repeat"] for row in rows] == [0, 1]
    assert set(rows[0].fields) == {"doc_id", "doc_hash", "prompt_hash", "repeat", "completion"}
    assert rows[0].doc == gsm8k_record(0, [])["doc"]


def test_older_records_read_alike() -> None:
    record = gsm8k_record(1, [" a"])
    older = {**record, "arguments": [["Question: …", {"until": []}]]}
    for name in ("filter", "metrics", "doc_hash", "prompt_hash", "target_hash"):
        del older[name]
    assert is_lm_eval_record(older)
    (row,) = lm_eval_rows(older)
    assert (row.completion, row.doc) == (" a", record["doc"])
    assert [(v.rule, v.is_correct) for v in row.theirs] == [("exact_match", True)]


@pytest.mark.parametrize(
    ("resps", "reason"),
    [
        (scores_record()["resps"], "loglikelihood scores and no text"),
        ([[[-1.5, False]]], "loglikelihood scores and no text"),
        ([["a"], ["b"]], "one list of generated texts"),
        ([[]], "one list of generated texts"),
        ([], "one list of generated texts"),
        ([[None]], "one list of generated texts"),
        ("text", "one list of generated texts"),
        (None, "one list of generated texts"),
    ],
)
def test_a_record_without_one_list_of_texts_says_why(resps: Any, reason: str) -> None:
    (row,) = lm_eval_rows({**scores_record(), "resps": resps})
    assert row.completion is None
    assert reason in row.problem["reason"]


@pytest.mark.parametrize(
    ("prompt", "answer", "completion"),
    [
        ("Solve this.\n```python\n", "x = 1\n```\nDone.", "```python\nx = 1\n```\nDone."),
        ("Solve this.\n```python\n", "x = 1\n", "x = 1\n"),
        ("Solve this.\n```python\ndef f():\n", "    return 1\n```", "    return 1\n```"),
        ("Solve this.", "x\n```\ny", "x\n```\ny"),
    ],
)
def test_a_block_that_the_prompt_opened_and_the_answer_closed_is_whole_again(
    prompt: str, answer: str, completion: str
) -> None:
    for arguments in ({"gen_args_0": {"arg_0": prompt, "arg_1": {}}}, [[prompt, {}]]):
        (row,) = lm_eval_rows(gsm8k_record(0, [answer], arguments=arguments))
        assert row.completion == completion


@pytest.mark.parametrize(
    ("metric", "value", "n_answers", "is_correct"),
    [
        ("exact_match", 1.0, 1, True),
        ("exact_match", 0.0, 1, False),
        ("exact_match", 0.5, 1, None),
        ("exact_match", 1.0, 3, None),
        ("exact_match", 0.0, 3, None),
        ("pass@1", 1.0, 3, True),
        ("pass@1", 0.25, 4, None),
        ("pass@10", 0.0, 20, False),
        ("pass@10", 1.0, 20, None),
        ("pass_at_1", 1, 1, True),
    ],
)
def test_what_a_metric_of_a_document_says_of_one_answer(
    metric: str, value: float, n_answers: int, is_correct: bool | None
) -> None:
    record = gsm8k_record(0, ["a"] * n_answers, "none", metrics=[metric])
    del record["exact_match"]
    rows = list(lm_eval_rows({**record, metric: value, "bypass": 999}))
    assert [[(v.rule, v.is_correct) for v in row.theirs] for row in rows] == [
        [(metric, is_correct)]
    ] * n_answers


def test_answers_that_another_filter_saw_are_known_and_all_verdicts_are_kept() -> None:
    filters = LmEvalFilters()
    strict = [gsm8k_record(row, [" a"], "strict-match", 1.0) for row in range(2)]
    flexible = [gsm8k_record(row, [" a"], "flexible-extract", 0.0) for row in range(2)]
    entries = [filters.add(record) for record in [*strict, *flexible]]
    assert [entry is None for entry in entries] == [False, False, True, True]
    assert entries[0] is not None
    said = [(v.rule, v.is_correct) for v in filters.verdicts(*entries[0])]
    assert said == [("exact_match, strict-match", True), ("exact_match, flexible-extract", False)]


def test_the_same_answers_of_another_run_count_again_with_their_own_verdicts() -> None:
    filters = LmEvalFilters()
    scores = {("x", 0): 1.0, ("y", 0): 0.0, ("x", 1): 0.0, ("y", 1): 1.0}
    entries = [
        filters.add(gsm8k_record(0, [" a"], name, score)) for (name, _), score in scores.items()
    ]
    kept = [entry for entry in entries if entry is not None]
    assert [entry is not None for entry in entries] == [True, False, True, False]
    said = [[v.is_correct for v in filters.verdicts(*entry)] for entry in kept]
    assert said == [[True, False], [False, True]]


def test_other_answers_to_the_same_document_are_not_taken_for_the_same() -> None:
    filters = LmEvalFilters()
    assert filters.add(gsm8k_record(0, [" a"])) is not None
    assert filters.add(gsm8k_record(0, [" b"], "flexible-extract")) is not None
