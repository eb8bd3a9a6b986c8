"""An item goes out as data that nothing in it can leave."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.equivalence.grader import GradingItem
from quarry.equivalence.judge_prompt import neutralised, system_prompt, user_message
from tests.equivalence.judge_cases import PROMPT, RUBRIC, TARGET
from tests.equivalence.payloads import PAYLOADS

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(text=TEXTS)
@settings(derandomize=True)
def test_a_judge_reads_exactly_what_was_written(text: str) -> None:
    assert json.loads(neutralised({"completion": text})) == {"completion": text}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_can_end_the_data_or_hide_in_it(payload: str) -> None:
    message = user_message(GradingItem(PROMPT, TARGET, payload), "abc")
    first, opening, data, closing = message.split("\n")
    assert (first, opening, closing) == ("Request abc", "<request-abc>", "</request-abc>")
    assert not set(data) & set("<>&|[]\u200b\u202e\u2028\ufeff\x00\x1b\U000e0045")
    assert json.loads(data)["completion"] == payload


def test_letters_of_all_languages_stay_readable() -> None:
    assert neutralised({"prompt": "São Paulo 東京"}) == '{"prompt": "São Paulo 東京"}'


def test_the_rubric_is_in_the_instructions_and_the_item_is_not() -> None:
    text = system_prompt(RUBRIC)
    assert RUBRIC.instructions.strip() in text
    assert TARGET.strip() not in user_message(GradingItem(PROMPT, "x", "y"), "abc")
    assert PROMPT not in text
