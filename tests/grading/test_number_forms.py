"""However an accepted number is written, it grades alike."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.errors import GradingError
from quarry.grading.numbers import format_number, parse_number
from quarry.grading.numeric import grade_numeric
from quarry.grading.verdict import Verdict

NUMBERS = st.one_of(
    st.integers(-10_000_000, 10_000_000).map(Fraction),
    st.integers(-1_000_000, 1_000_000).map(lambda n: Fraction(n, 100)),
)
WRITTEN = (
    "{n}",
    "{n}.",
    "{grouped}",
    "{n} dollars",
    "${n}",
    "\\${grouped}",
    "**{n}**",
    "{n}%",
)
FORMS = (
    "#### {w}",
    "The steps give it.\n#### {w}",
    "The answer is {w}",
    "So the final answer is: {w}",
    "Answer: {w}",
    "**Answer:** {w}",
    "A: {w}",
    "9 + 1 = 10\nIt comes to {w}",
    "<think>maybe 3</think>\n{w}",
    "#### {w}\n\nQuestion: What is 7 * 6?\nAnswer: 42\n#### 42",
    "The answer is {w}\n\nQ: What is 7 * 6?\nA: 42",
)
BOXES = ("\\boxed{{{w}}}", "$\\boxed{{{w}}}$ is it", "\\boxed{{\\text{{{w}}}}}")


def written(number: Fraction, way: str) -> str:
    plain = format_number(number)
    whole, point, part = plain.lstrip("-").partition(".")
    grouped = f"{'-' if number < 0 else ''}{int(whole):,}{point}{part}"
    return way.format(n=plain, grouped=grouped)


@given(number=NUMBERS, way=st.sampled_from(WRITTEN), form=st.sampled_from(FORMS + BOXES))
@settings(max_examples=600, derandomize=True, deadline=None)
def test_a_right_number_is_correct_in_every_form(number: Fraction, way: str, form: str) -> None:
    completion = form.format(w=written(number, way))
    grade = grade_numeric(format_number(number), completion)
    assert grade.verdict is Verdict.CORRECT, (completion, grade)


@given(
    number=NUMBERS,
    off=st.sampled_from([Fraction(1), Fraction(-1), Fraction(1, 100), Fraction(1000)]),
    way=st.sampled_from(WRITTEN),
    form=st.sampled_from(FORMS + BOXES),
)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_a_near_miss_is_incorrect_in_every_form(
    number: Fraction, off: Fraction, way: str, form: str
) -> None:
    completion = form.format(w=written(number + off, way))
    assert grade_numeric(format_number(number), completion).verdict is Verdict.INCORRECT


@given(number=NUMBERS)
@settings(max_examples=200, derandomize=True, deadline=None)
def test_a_formatted_number_reads_back_as_itself(number: Fraction) -> None:
    assert parse_number(format_number(number)) == number


@given(above=st.integers(1, 9999), below=st.integers(1, 999), start=st.sampled_from(["", "d", "t"]))
@settings(max_examples=100, derandomize=True, deadline=None)
def test_a_fraction_has_its_exact_value(above: int, below: int, start: str) -> None:
    expected = Fraction(above, below)
    assert parse_number(f"{above}/{below}") == expected
    assert parse_number(f"\\{start}frac{{{above}}}{{{below}}}") == expected


@given(text=st.text(max_size=200), reason=st.sampled_from([None, "stop", "length"]))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_any_text_gets_a_verdict_and_a_span_inside_it(text: str, reason: str | None) -> None:
    grade = grade_numeric("18", text, reason)  # pyright: ignore[reportArgumentType]
    start, end = grade.evidence.get("span", (0, 0))
    assert 0 <= start <= end <= len(text)
    assert grade.verdict in set(Verdict) - {Verdict.TIMEOUT, Verdict.ERROR}


@pytest.mark.parametrize("text", ["1/0", "", "abc", "1 2", "--5", "9" * 200, "3rd"])
def test_what_is_no_number_has_no_value(text: str) -> None:
    assert parse_number(text) is None


def test_the_span_of_the_evidence_is_the_matched_text() -> None:
    completion = "<think>7</think>So the answer is $1,200."
    grade = grade_numeric("1200", completion)
    start, end = grade.evidence["span"]
    assert completion[start:end] == grade.evidence["matched"] == "answer is $1,200"


def test_a_gold_answer_that_is_no_number_is_the_graders_error() -> None:
    with pytest.raises(GradingError, match="gold answer is no number"):
        grade_numeric("many", "#### 18")
