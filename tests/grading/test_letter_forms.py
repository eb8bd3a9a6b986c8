"""However a letter is stated, it grades alike; letters that are only mentioned never count."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.errors import GradingError
from quarry.grading.choice import grade_choice
from quarry.grading.choice_rules import published_letters
from quarry.grading.option_text import match_option
from quarry.grading.verdict import Verdict
from tests.grading.golden_rows import golden_rows

ALL_LETTERS = "ABCDEFGHIJ"
TEXTS = (
    *("Rome is young", "Paris is old", "Rome is older than Paris", "Paris is older than Rome"),
    *("Oslo is cold", "Bern is small", "Lima is large", "Cairo is hot"),
    *("Delhi is near", "Tokyo is far"),
)
CASES = st.integers(2, 10).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1)))
WRITTEN = (
    *("{u}", "({u})", "**{u}**", "{u}.", "({l})", "**({u})**", "[{u}]", '"{u}"', "option {u}"),
    *(
        "`{u}`",
        "${u}$",
        "<b>{u}</b>",
        "{u})",
        "**{u}.**",
        "option ({l})",
        "{u}: {t}",
        "**{u}. {t}**",
    ),
)
FORMS = (
    "The answer is {w}",
    "The correct answer is: {w}",
    "Answer: {w}",
    "**Answer:** {w}",
    "Rome was first.\n\nFinal answer: {w}",
    "<think>The answer is {other}.</think>The answer is {w}",
    "The answer is {other}. No, wait. The answer is {w}",
    "The answer is {other}.\nWait, I misread the text.\nThe answer is {w}",
    "The answer is {w}\n\nContext: Something new.\nThe answer is {other}.",
    "The answer is {w}\n\nQuestion: Something new?\nAnswer: {other}",
    "The answer is {w}\nuser\nSomething new?\nassistant\nThe answer is {other}.",
    "If the answer were {other}, it would say so.\nThe answer is {w}",
    "I would choose {w}",
    "The answer is \\boxed{{{u}}}",
    "\\boxed{{\\text{{{u}}}}}",
    "\\boxed{{\\text{{{u}. {t}}}}}",
    "So {u} is correct.",
    "Therefore, option {u}.",
    "{{'answer': '{u}'}}",
)


def other(index: int, n_options: int) -> str:
    return ALL_LETTERS[(index + 1) % n_options]


@given(case=CASES, way=st.sampled_from(WRITTEN), form=st.sampled_from(FORMS))
@settings(max_examples=1200, derandomize=True, deadline=None)
def test_a_stated_letter_counts_in_every_form(case: tuple[int, int], way: str, form: str) -> None:
    n_options, index = case
    letter, wrong, options = ALL_LETTERS[index], other(index, n_options), TEXTS[:n_options]
    named = {"u": letter, "l": letter.lower(), "t": options[index]}
    completion = form.format(w=way.format(**named), other=wrong, **named)
    assert grade_choice(letter, options, completion).verdict is Verdict.CORRECT, completion
    assert grade_choice(wrong, options, completion).verdict is Verdict.INCORRECT


@given(
    case=CASES,
    rest=st.sampled_from(["", ".", ")", ". {t}", ") {t}", "\n{t}", "\n\nBecause.", " ✅"]),
)
@settings(max_examples=150, derandomize=True, deadline=None)
def test_a_letter_that_opens_the_text_counts(case: tuple[int, int], rest: str) -> None:
    n_options, index = case
    completion = ALL_LETTERS[index] + rest.format(t=TEXTS[index])
    grade = grade_choice(ALL_LETTERS[index], TEXTS[:n_options], completion)
    assert grade.verdict is Verdict.CORRECT, completion


@given(
    case=CASES,
    form=st.sampled_from(
        ["{t}", "{t}.", "The answer is: {t}", "So {t}", "{t}\n\nExplanation: {o}, says the text."]
    ),
)
@settings(max_examples=150, derandomize=True, deadline=None)
def test_the_text_of_an_option_stands_for_its_letter(case: tuple[int, int], form: str) -> None:
    n_options, index = case
    completion = form.format(t=TEXTS[index], o=TEXTS[(index + 1) % n_options])
    grade = grade_choice(ALL_LETTERS[index], TEXTS[:n_options], completion)
    assert grade.verdict is Verdict.CORRECT, completion


WORDS = (
    *("depends", "can be found", "about", "because", "believed", "a riddle", "an open one"),
    *("clear", "easy", "hard to say", "given", "faulty", "debatable", "beyond us", "I do not know"),
)


@given(word=st.sampled_from(WORDS), n_options=st.integers(2, 10))
@settings(max_examples=60, derandomize=True, deadline=None)
@pytest.mark.parametrize(
    "form", ["The answer {w} here", "The answer is {w}", "Answer: {w} it", "{w}", "So {w}."]
)
def test_the_first_letter_of_a_word_never_counts(form: str, word: str, n_options: int) -> None:
    for spelled in (word, word[0].upper() + word[1:], f"**{word[0]}**{word[1:]}"):
        completion = form.format(w=spelled)
        grade = grade_choice("A", TEXTS[:n_options], completion)
        assert grade.verdict is Verdict.NO_ANSWER, completion


@given(
    text=st.one_of(
        st.text(alphabet="ABCDabcd ().:*\n isor", max_size=80),
        st.lists(
            st.sampled_from(
                (
                    *("The answer is ", "Answer: ", "A", "B", "C", "(D)", " not ", ".", "\n"),
                    *(" or ", "\\boxed{", "}", "<think>", "</think>", "Context:", "So ", "if "),
                    *("**", " is "),
                )
            ),
            max_size=14,
        ).map("".join),
    ),
    reason=st.sampled_from([None, "stop", "length"]),
)
@settings(max_examples=1500, derandomize=True, deadline=None)
def test_any_text_gets_a_verdict_and_a_letter_that_is_in_it(text: str, reason: str | None) -> None:
    grade = grade_choice("A", TEXTS[:4], text, reason)  # pyright: ignore[reportArgumentType]
    if grade.extracted is not None:
        start, end = grade.evidence["span"]
        assert 0 <= start < end <= len(text)
        assert grade.extracted in text[start:end].upper()
        assert text[start:end].startswith(grade.evidence["matched"])
        assert end <= grade.evidence.get("run_on_start", len(text))


@given(
    text=st.text(st.characters(exclude_categories=()), max_size=200),
    reason=st.sampled_from([None, "stop", "length"]),
)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_no_text_raises(text: str, reason: str | None) -> None:
    grade = grade_choice("A", TEXTS[:4], text, reason)  # pyright: ignore[reportArgumentType]
    assert grade.verdict in set(Verdict) - {Verdict.TIMEOUT, Verdict.ERROR}


def test_an_option_inside_a_longer_one_does_not_make_it_ambiguous() -> None:
    assert match_option("So three young men left", ("young men", "three young men")) == 1


@pytest.mark.parametrize("target", ["E", "", "AB", "1"])
def test_a_gold_letter_without_option_is_the_graders_error(target: str) -> None:
    with pytest.raises(GradingError, match="gold letter names no option"):
        grade_choice(target, TEXTS[:4], "A")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is (B).", {"flan-cot": "B"}),
        ("The answer is B", {}),  # it drops the last character
        (" (b)\nbecause", {"generative": "B"}),
        ("Answer: Because", {"simple-evals": "B"}),
        ("Answer: B", {"simple-evals": "B"}),
    ],
)
def test_the_published_rules_read_what_they_read(text: str, expected: dict[str, str]) -> None:
    found = published_letters(text, "ABCD")
    assert {name: each.letter for name, each in found.items()} == expected


def test_the_corpus_has_two_to_ten_options() -> None:
    assert {len(row["options"]) for row in golden_rows("logiqa")} >= {2, 3, 4, 10}
