"""However a number is written, it grades alike; a grade is never harsher than the official one."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.errors import GradingError
from quarry.grading.gsm8k_rules import official_verdict
from quarry.grading.numbers import format_number, parse_number
from quarry.grading.numeric import grade_numeric
from quarry.grading.verdict import Grade, Verdict
from tests.grading.golden_rows import golden_rows

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
    "US${n}",
    "{n} €",
    "€{grouped}",
    "**{n}**",
    "**${grouped}**",
    "*{n}*",
    "`{n}`",
    "{n}%",
    "{n} percent",
    "{n} km/h",
    "{typographic}",
    "{latex}",
    "{apostrophe}",
    "{blank}",
    "{wide}",
    "\\({n}\\)",
    "$\\mathbf{{{n}}}$",
)
FORMS = (
    "#### {w}",
    "The steps give it.\n#### {w}",
    "The answer is {w}",
    "The answer is {w} \U0001f389",
    "So the final answer is: {w}",
    "Answer: {w}",
    "**Answer:** {w}",
    "**Final Answer:** {w}",
    "### Final answer\n\n{w}",
    "A: {w}",
    "9 + 1 = 10\nIt comes to {w}",
    "4 + 5 = 9\nx = {w}",
    "<think>maybe 3</think>\n{w}",
    "<answer>{w}</answer>",
    "#### {w}\n\nQuestion: What is 7 * 6?\nAnswer: 42\n#### 42",
    "The answer is {w}\n\nQ: What is 7 * 6?\nA: 42",
    "The answer is {w}\nuser\nWhat is 7 * 6?\nassistant\n42",
    "The answer is 7.\nWait, I made a mistake.\nThe answer is {w}",
)
BOXES = (
    "\\boxed{{{w}}}",
    "$\\boxed{{{w}}}$ is it",
    "\\boxed{{\\text{{{w}}}}}",
    "First \\boxed{{7}}, then \\boxed{{{w}}}",
)
BOXED = tuple(way for way in WRITTEN if not way.startswith(("`", "\\(", "$\\", "*{")))


def written(number: Fraction, way: str) -> str:
    plain = format_number(number)
    whole, point, part = plain.lstrip("-").partition(".")
    sign, grouped = "-" if number < 0 else "", f"{int(whole):,}"
    ways = {
        "n": plain,
        "grouped": f"{sign}{grouped}{point}{part}",
        "typographic": plain.replace("-", "\u2212"),
        "latex": f"{sign}{grouped.replace(',', '{,}')}{point}{part}",
        "apostrophe": f"{sign}{grouped.replace(',', chr(39))}{point}{part}",
        "blank": f"{sign}{grouped.replace(',', chr(0x202F))}{point}{part}",
        "wide": "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in plain),
    }
    return way.format(**ways)


def assert_alike(number: Fraction, way: str, form: str) -> None:
    completion = form.format(w=written(number, way))
    grade = grade_numeric(format_number(number), completion)
    assert grade.verdict is Verdict.CORRECT, (completion, grade)


@given(number=NUMBERS, way=st.sampled_from(WRITTEN), form=st.sampled_from(FORMS))
@settings(max_examples=1500, derandomize=True, deadline=None)
def test_a_right_number_is_correct_in_every_form(number: Fraction, way: str, form: str) -> None:
    assert_alike(number, way, form)


@given(number=NUMBERS, way=st.sampled_from(BOXED), form=st.sampled_from(BOXES))
@settings(max_examples=400, derandomize=True, deadline=None)
def test_a_right_number_is_correct_in_every_box(number: Fraction, way: str, form: str) -> None:
    assert_alike(number, way, form)


@given(
    number=NUMBERS,
    off=st.sampled_from([Fraction(1), Fraction(-1), Fraction(1, 100), Fraction(1000)]),
    way=st.sampled_from(WRITTEN),
    form=st.sampled_from(FORMS),
)
@settings(max_examples=600, derandomize=True, deadline=None)
def test_a_near_miss_is_incorrect_in_every_form(
    number: Fraction, off: Fraction, way: str, form: str
) -> None:
    completion = form.format(w=written(number + off, way))
    grade = grade_numeric(format_number(number), completion)
    if not grade.is_officially_correct:  # `#### 9'999` officially reads 9
        assert grade.verdict is Verdict.INCORRECT, (completion, grade)


@given(number=NUMBERS, dollars=st.integers(0, 999), cents=st.integers(1, 99))
@settings(max_examples=100, derandomize=True, deadline=None)
def test_dollars_and_cents_are_one_number(number: Fraction, dollars: int, cents: int) -> None:
    said = f"The answer is {dollars} dollars and {cents} cents."
    both = format_number(dollars + Fraction(cents, 100))
    assert grade_numeric(both, said).verdict is Verdict.CORRECT
    assert grade_numeric(str(dollars), said).verdict is Verdict.INCORRECT


@given(number=NUMBERS)
@settings(max_examples=200, derandomize=True, deadline=None)
def test_a_formatted_number_reads_back_as_itself(number: Fraction) -> None:
    assert parse_number(format_number(number)) == number


@given(
    whole=st.integers(0, 99),
    above=st.integers(1, 9999),
    below=st.integers(1, 999),
    start=st.sampled_from(["", "d", "t"]),
)
@settings(max_examples=100, derandomize=True, deadline=None)
def test_a_fraction_has_its_exact_value(whole: int, above: int, below: int, start: str) -> None:
    expected = Fraction(above, below)
    assert parse_number(f"{above}/{below}") == expected
    assert parse_number(f"\\{start}frac{{{above}}}{{{below}}}") == expected
    assert parse_number(f"{whole} {above}/{below}") == whole + expected
    assert parse_number(f"{whole}\\{start}frac{{{above}}}{{{below}}}") == whole + expected


@given(
    factor=st.integers(1, 999),
    power=st.integers(0, 12),
    times=st.sampled_from(["x", "\u00d7", "*"]),
)
@settings(max_examples=60, derandomize=True, deadline=None)
def test_a_power_of_ten_has_its_exact_value(factor: int, power: int, times: str) -> None:
    expected = Fraction(factor * 10**power)
    assert parse_number(f"{factor}e{power}") == expected
    assert parse_number(f"{factor} {times} 10^{power}") == expected
    assert parse_number(f"{factor} \\times 10^{{{power}}}") == expected


@given(
    right=st.integers(-999, 99_999),
    wrong=st.integers(-999, 99_999),
    steps=st.sampled_from(
        [
            "{n}\n",
            "So {n}.\n",
            "9 + 1 = {n}\n",
            "The total is {n}.\n\n",
            "**{n}**\n",
            "\\boxed{{{n}}}\n",
        ]
    ),
)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_a_right_step_never_saves_a_wrong_final_answer(right: int, wrong: int, steps: str) -> None:
    completion = f"{steps.format(n=right)}#### {wrong}"
    expected = Verdict.CORRECT if right == wrong else Verdict.INCORRECT
    assert grade_numeric(str(right), completion).verdict is expected


PIECES = st.sampled_from(
    (
        *("#### ", "####", "-", "18", "1", "8", ",", ".", "$", " ", "\n", "9", "= ", "wait", "**"),
        *("Question:", "Answer: ", "A: ", "The answer is ", "\\boxed{18}", "1. Count"),
        *("<think>", "</think>"),
    )
)


@given(pieces=st.lists(PIECES, max_size=14), reason=st.sampled_from([None, "stop", "length"]))
@settings(max_examples=2000, derandomize=True, deadline=None)
def test_no_grade_is_harsher_than_the_official_one(pieces: list[str], reason: str | None) -> None:
    completion = "".join(pieces)
    grade = grade_numeric("18", completion, reason)  # pyright: ignore[reportArgumentType]
    official = official_verdict(completion, "18")
    assert grade.is_officially_correct == official.is_correct
    if official.is_correct:
        assert grade.verdict is Verdict.CORRECT
    assert_evidence_fits(completion, grade)


def assert_evidence_fits(completion: str, grade: Grade) -> None:
    start, end = grade.evidence.get("span", (0, 0))
    assert 0 <= start <= end <= len(completion)
    assert completion[start:end].startswith(grade.evidence.get("matched", ""))
    cut_at = grade.evidence.get("run_on_start", len(completion))
    assert grade.evidence["rule"] == "official" or end <= cut_at <= len(completion)


@given(
    text=st.text(st.characters(exclude_categories=()), max_size=200),
    reason=st.sampled_from([None, "stop", "length"]),
)
@settings(max_examples=500, derandomize=True, deadline=None)
def test_any_text_gets_a_verdict_and_a_span_inside_it(text: str, reason: str | None) -> None:
    grade = grade_numeric("18", text, reason)  # pyright: ignore[reportArgumentType]
    assert_evidence_fits(text, grade)
    assert grade.verdict in set(Verdict) - {Verdict.TIMEOUT, Verdict.ERROR}


@pytest.mark.parametrize("row", golden_rows("gsm8k")[::9], ids=lambda row: row["note"])
def test_the_evidence_of_a_corpus_row_fits(row: dict[str, str]) -> None:
    grade = grade_numeric(row["target"], row["completion"])
    assert_evidence_fits(row["completion"], grade)


@pytest.mark.parametrize("text", ["1/0", "", "abc", "--5", "9" * 200, "3rd", "3:30", "2:3", "1 2"])
def test_what_is_no_number_has_no_value(text: str) -> None:
    assert parse_number(text) is None


def test_the_span_of_the_evidence_is_the_matched_text() -> None:
    completion = "<think>7</think>So the answer is $1,200.\n\nQuestion: 3?"
    evidence = grade_numeric("1200", completion).evidence
    start, end = evidence["span"]
    assert completion[start:end] == evidence["matched"] == "answer is $1,200"
    assert completion[evidence["run_on_start"] :] == "Question: 3?"


def test_the_evidence_names_what_the_published_rules_extract() -> None:
    evidence = grade_numeric("18", "#### 18.\nSo 9 eggs, 2 each.").evidence
    assert evidence["official"] == "18."
    assert evidence["lm_eval"] == {
        "strict-match": {"extracted": "18.", "is_correct": True},
        "flexible-extract": {"extracted": "2", "is_correct": False},
    }


def test_a_gold_answer_that_is_no_number_is_the_graders_error() -> None:
    with pytest.raises(GradingError, match="gold answer is no number"):
        grade_numeric("many", "#### 18")
