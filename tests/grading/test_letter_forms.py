"""However a letter is stated, it grades alike; letters that are only mentioned never count."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.errors import GradingError
from quarry.grading.choice import grade_choice
from quarry.grading.option_text import match_option
from quarry.grading.verdict import Verdict

OPTIONS = ("Rome is young", "Paris is old", "Rome is older than Paris", "Paris is older than Rome")
LETTERS = st.sampled_from("ABCD")
WRITTEN = ("{u}", "({u})", "**{u}**", "{u}.", "({l})", "**({u})**", "[{u}]", '"{u}"', "option {u}")
FORMS = (
    "The answer is {w}",
    "The correct answer is: {w}",
    "Answer: {w}",
    "**Answer:** {w}",
    "Rome was first.\n\nFinal answer: {w}",
    "<think>The answer is {other}.</think>The answer is {w}",
    "The answer is {other}. No, wait. The answer is {w}",
    "The answer is {w}\n\nContext: Something new.\nThe answer is {other}.",
    "I would choose {w}",
    "The answer is \\boxed{{{u}}}",
    "\\boxed{{\\text{{{u}}}}}",
    "So {u} is correct.",
)


def other(letter: str) -> str:
    return "ABCD"[("ABCD".index(letter) + 1) % 4]


@given(letter=LETTERS, way=st.sampled_from(WRITTEN), form=st.sampled_from(FORMS))
@settings(max_examples=400, derandomize=True, deadline=None)
def test_a_stated_letter_counts_in_every_form(letter: str, way: str, form: str) -> None:
    written = way.format(u=letter, l=letter.lower())
    completion = form.format(w=written, u=letter, other=other(letter))
    assert grade_choice(letter, OPTIONS, completion).verdict is Verdict.CORRECT, completion
    assert grade_choice(other(letter), OPTIONS, completion).verdict is Verdict.INCORRECT


@given(
    letter=LETTERS, rest=st.sampled_from(["", ".", ")", ". {t}", ") {t}", "\n{t}", "\n\nBecause."])
)
@settings(max_examples=60, derandomize=True, deadline=None)
def test_a_letter_that_opens_the_text_counts(letter: str, rest: str) -> None:
    completion = letter + rest.format(t=OPTIONS["ABCD".index(letter)])
    assert grade_choice(letter, OPTIONS, completion).verdict is Verdict.CORRECT


@given(
    index=st.integers(0, 3), form=st.sampled_from(["{t}", "{t}.", "The answer is: {t}", "So {t}"])
)
@settings(max_examples=40, derandomize=True, deadline=None)
def test_the_text_of_an_option_stands_for_its_letter(index: int, form: str) -> None:
    completion = form.format(t=OPTIONS[index])
    assert grade_choice("ABCD"[index], OPTIONS, completion).verdict is Verdict.CORRECT


@given(
    word=st.sampled_from(["depends", "can be found", "about", "because", "believed", "a riddle"])
)
@settings(max_examples=20, derandomize=True, deadline=None)
@pytest.mark.parametrize(
    "form", ["The answer {w} here", "The answer is {w}", "Answer: {w} it", "{w}"]
)
def test_the_first_letter_of_a_word_never_counts(form: str, word: str) -> None:
    for spelled in (word, word.capitalize(), f"**{word[0]}**{word[1:]}"):
        completion = form.format(w=spelled)
        assert grade_choice("A", OPTIONS, completion).verdict is Verdict.NO_ANSWER, completion


@given(text=st.text(alphabet="ABCDabcd ().:*\n isor", max_size=80))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_any_text_gets_a_verdict_and_a_letter_that_is_in_it(text: str) -> None:
    grade = grade_choice("A", OPTIONS, text)
    if grade.extracted is not None:
        assert grade.extracted in text.upper()
        start, end = grade.evidence["span"]
        assert 0 <= start < end <= len(text)


def test_an_option_inside_a_longer_one_does_not_make_it_ambiguous() -> None:
    assert match_option("So three young men left", ("young men", "three young men")) == 1


@pytest.mark.parametrize("target", ["E", "", "AB", "1"])
def test_a_gold_letter_without_option_is_the_graders_error(target: str) -> None:
    with pytest.raises(GradingError, match="gold letter names no option"):
        grade_choice(target, OPTIONS, "A")
