"""A reply holds exactly one verdict, or none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.equivalence.grader import GradingItem
from quarry.equivalence.judge_answer import Answer, RequestFailedError
from quarry.equivalence.judge_reply import read_reply
from tests.equivalence.payloads import PAYLOADS

ITEM = GradingItem("Q: Who? A:", " Grace Miller", " Grace Miller\nQ:")
ANSWER = Answer("raw", "req_1", "judge-1", 10, 5)
GOOD = {
    "request": "abc",
    "reasoning": "the same name",
    "trimmed_completion": " Grace Miller",
    "decision": "EQUIVALENT",
}


def read(text: str) -> Any:
    return read_reply(text, ITEM, "abc", ANSWER)


def changed(**changes: Any) -> str:
    return json.dumps({name: value for name, value in (GOOD | changes).items() if value != "gone"})


def test_a_good_reply_is_read() -> None:
    reply = read(json.dumps(GOOD, indent=1))
    assert (reply.verdict, reply.reasoning) == ("EQUIVALENT", "the same name")
    assert (reply.trimmed, reply.answer) == (" Grace Miller", ANSWER)


@pytest.mark.parametrize(
    ("trimmed", "expected"),
    [
        ("Grace Miller", " Grace Miller"),
        ("  Grace", " Grace"),
        (" Grace Miller\nQ:", " Grace Miller\nQ:"),
    ],
)
def test_leading_spaces_that_a_judge_drops_are_put_back(trimmed: str, expected: str) -> None:
    assert read(changed(trimmed_completion=trimmed)).trimmed == expected


def test_no_answer_at_all_is_trimmed_to_nothing() -> None:
    reply = read(changed(trimmed_completion="", decision="NOT_EQUIVALENT"))
    assert (reply.verdict, reply.trimmed) == ("NOT_EQUIVALENT", None)


BAD = {
    "empty": "",
    "cut": json.dumps(GOOD)[:-5],
    "two objects": json.dumps(GOOD) * 2,
    "a list": json.dumps([GOOD]),
    "text before": "Sure: " + json.dumps(GOOD),
    "text after": json.dumps(GOOD) + " EQUIVALENT",
    "a fence": "```json\n" + json.dumps(GOOD) + "\n```",
    "a name twice": json.dumps(GOOD)[:-1] + ', "decision": "NOT_EQUIVALENT"}',
    "one more name": changed(verdict="EQUIVALENT"),
    "no decision": changed(decision="gone"),
    "no request": changed(request="gone"),
    "another request": changed(request="abd"),
    "two decisions": changed(decision=["EQUIVALENT", "NOT_EQUIVALENT"]),
    "a small decision": changed(decision="equivalent"),
    "an unknown decision": changed(decision="EQUIVALENT."),
    "no text": changed(reasoning=None),
    "a wrong trimmed": changed(trimmed_completion="Grace Bennett"),
    "another case": changed(trimmed_completion="grace miller"),
    "more than there is": changed(trimmed_completion=" Grace Miller\nQ: Who"),
    "nothing is equivalent": changed(trimmed_completion=" "),
    "deep": "[" * 100_000,
    "a number": "1",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_anything_else_is_no_verdict_and_still_billed(text: str) -> None:
    with pytest.raises(RequestFailedError) as caught:
        read(text)
    assert (caught.value.kind, caught.value.answer) == ("unusable", ANSWER)
    assert caught.value.is_billed


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_is_never_a_verdict(payload: str) -> None:
    with pytest.raises(RequestFailedError):
        read_reply(payload, GradingItem("Q:", " x", payload), "abc", ANSWER)


def test_half_a_character_in_the_reasoning_is_replaced() -> None:
    assert read(changed(reasoning="\ud800 same")).reasoning == "? same"


@given(text=st.text() | st.recursive(st.text(), st.lists).map(json.dumps))
@settings(derandomize=True)
def test_arbitrary_text_raises_nothing_else(text: str) -> None:
    with pytest.raises(RequestFailedError):
        read(text)
