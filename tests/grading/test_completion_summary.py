"""What graded rows come to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quarry.grading.completion_summary import CompletionSummary, disagreeing


def row(
    verdict: str,
    sample: int | None = 0,
    *,
    official: bool | None = None,
    theirs: dict[str, bool | None] | None = None,
    **evidence: Any,
) -> dict[str, Any]:
    """A graded row; `theirs` says by rule what a tool judged."""
    said = [
        {"tool": "lm-eval", "rule": rule, "said": 1.0, "is_correct": is_correct}
        for rule, is_correct in (theirs or {}).items()
    ]
    return {
        "sample_id": None if sample is None else f"gsm8k/test/{sample}",
        "verdict": verdict,
        "is_correct": verdict == "correct",
        "is_officially_correct": official,
        "evidence": evidence,
        "theirs": said,
    }


def summary_of(*rows: dict[str, Any], n_samples: int = 10) -> CompletionSummary:
    summary = CompletionSummary(n_samples)
    for entry in rows:
        summary.add(entry)
    return summary


def test_accuracy_leaves_out_what_was_not_judged() -> None:
    verdicts = ["correct", "incorrect", "no_answer", "truncated", "timeout", "error"]
    summary = summary_of(*(row(verdict, n) for n, verdict in enumerate(verdicts)))
    assert summary.accuracy is not None
    assert (summary.accuracy.n_correct, summary.accuracy.n) == (1, 4)
    assert summary.n_attempted == 5
    assert summary.official_accuracy is None
    assert summary.pass_at_ks() == []


def test_the_official_share_counts_rows_that_have_an_official_verdict() -> None:
    share = summary_of(
        row("correct", 0, official=True), row("correct", 1, official=False), row("error", 2)
    ).official_accuracy
    assert share is not None
    assert (share.n_correct, share.n) == (1, 2)


def test_several_rows_of_a_sample_give_pass_at_k_and_no_interval() -> None:
    rows = [row("correct", 0), row("incorrect", 0), row("timeout", 0), row("error", 0)]
    rows += [row("incorrect", 1) for _ in range(4)]
    summary = summary_of(*rows)
    found = {entry.k: entry.rate for entry in summary.pass_at_ks()}
    assert found == {1: pytest.approx(1 / 6), 3: pytest.approx(0.5)}
    accuracy = summary.as_dict()["accuracy"]
    assert (accuracy["n"], accuracy["low"], accuracy["high"]) == (6, None, None)


def test_agreement_is_counted_where_both_judged() -> None:
    summary = summary_of(
        row("correct", 0, theirs={"strict": True, "flexible": False}, official=True),
        row("incorrect", 1, theirs={"strict": True}, official=True),
        row("timeout", 2, theirs={"strict": False}, official=False),
        row("error", 3, theirs={"strict": True}),
        row("correct", 4, theirs={"strict": None}),
    )
    strict, flexible = summary.agreements.values()
    assert strict.compared == (2, 3)
    assert strict.officially_compared == (3, 3)
    assert flexible.compared == (0, 1)


@pytest.mark.parametrize(
    ("verdict", "theirs", "rules"),
    [
        ("correct", {"a": True, "b": False, "c": None}, ["b"]),
        ("timeout", {"a": True, "b": False}, ["a"]),
        ("error", {"a": True, "b": False}, []),
        ("correct", {}, []),
    ],
)
def test_what_disagrees(verdict: str, theirs: dict[str, bool | None], rules: list[str]) -> None:
    assert [said["rule"] for said in disagreeing(row(verdict, theirs=theirs))] == rules


def test_reasons_are_grouped_whatever_the_place() -> None:
    wrong_id = "A row can't be graded\n  where: {0}\n  expected: an id\n  got: {0}\n  fix: it"
    rows = [row("error", None, reason=wrong_id.format(n)) for n in range(3)]
    json_error = "line {0}: no valid JSON: Expecting value: line 1 column {0} (char {0})"
    rows += [row("error", None, reason=json_error.format(n)) for n in range(2)]
    assert summary_of(*rows).reasons == {
        "A row can't be graded; expected: an id": 3,
        "no valid JSON: Expecting value": 2,
    }


def test_countless_reasons_are_bounded() -> None:
    summary = summary_of(*(row("error", None, reason=f"number {n}") for n in range(500)))
    assert len(summary.reasons) <= 51
    assert summary.reasons.total() == 500


def test_the_document_is_plain_json() -> None:
    document = summary_of(row("correct", 0, theirs={"strict": None}, layer="strict")).as_dict()
    assert json.loads(json.dumps(document)) == document
    assert document["layers"] == {"strict": 1}
    assert document["agreement"][0]["rows"] == [{"theirs": None, "verdict": "correct", "n": 1}]
    assert document["accuracy"]["rate"] == 1.0
