"""Dates in answers: a table of what people and models write, and properties of every date."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.equivalence.dates import find_dates
from quarry.equivalence.grader import Decision, GradingItem
from quarry.equivalence.rules import RulesGrader
from tests.equivalence.date_cases import OPEN, OTHER, PROMPT, SAME, TARGET
from tests.equivalence.rubrics_here import RUBRICS, marked

GRADER = RulesGrader(RUBRICS["death_dates"])


def decided(completion: str, target: str = TARGET) -> Decision:
    return GRADER.examine(GradingItem(PROMPT, target, completion))


def ordinal(day: int) -> str:
    ending = "th" if 10 <= day % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


NAMED: tuple[Callable[[date], str], ...] = (
    lambda day: f"{day:%B} {day.day}, {day.year}",
    lambda day: f"{day:%B} {day.day} {day.year}",
    lambda day: f"{day:%B} {ordinal(day.day)}, {day.year}",
    lambda day: f"{day:%b} {day.day}, {day.year}",
    lambda day: f"{day:%b}. {day:%d}, {day.year}",
    lambda day: f"{day.day} {day:%B} {day.year}",
    lambda day: f"{ordinal(day.day)} of {day:%B}, {day.year}",
    lambda day: f"on the {ordinal(day.day)} of {day:%B} in {day.year}",
    lambda day: f"{day:%d-%b-%Y}",
    lambda day: f"{day.year} {day:%B} {day:%d}",
    lambda day: f"{day:%A}, {day:%B} {day.day}, {day.year}",
    lambda day: f"{day:%B} {day.day}, {day.year}".upper(),
    lambda day: f"{day.isoformat()}",
    lambda day: f"{day.isoformat()}T12:00:00",
    lambda day: f"{day.year}/{day.month}/{day:%d}",
)
NUMERIC: tuple[Callable[[date], str], ...] = (
    lambda day: f"{day:%m}/{day:%d}/{day.year}",
    lambda day: f"{day:%d}.{day:%m}.{day.year}",
    lambda day: f"{day.day}-{day.month}-{day.year}",
)
DAYS = st.dates(min_value=date(1000, 1, 1), max_value=date(9990, 12, 31))


@pytest.mark.parametrize("case", SAME)
def test_the_same_day_is_equivalent_however_it_is_written(case: str):
    completion, trimmed = marked(case)
    decision = decided(completion)
    assert (decision.outcome, decision.trimmed) == ("equivalent", trimmed), decision
    assert decision.decided_by == "rules"


@pytest.mark.parametrize("case", OTHER)
def test_another_day_or_less_than_a_day_is_not_equivalent(case: str):
    completion, trimmed = marked(case)
    decision = decided(completion)
    assert (decision.outcome, decision.trimmed) == ("not_equivalent", trimmed), decision
    assert decision.reasoning


@pytest.mark.parametrize("completion", OPEN)
def test_what_is_not_clear_is_left_to_a_judge(completion: str):
    decision = decided(completion)
    assert (decision.outcome, decision.trimmed) == ("ungraded", None), decision
    assert decision.reason.startswith("not clear to the rules: ")
    assert GRADER.settle(GradingItem(PROMPT, TARGET, completion)) is None


@pytest.mark.parametrize(
    ("completion", "outcome"),
    [
        (" 03/04/1987", "ungraded"),
        (" 04.03.1987", "ungraded"),
        (" 03/05/1987", "not_equivalent"),
        (" 03/04/1988", "not_equivalent"),
    ],
)
def test_a_date_that_can_be_read_in_two_orders_is_right_only_if_both_are(
    completion: str, outcome: str
):
    assert decided(completion, " March 4, 1987").outcome == outcome
    assert decided(" 05/05/1987", " May 5, 1987").outcome == "equivalent"


@pytest.mark.parametrize(
    ("completion", "outcome"),
    [
        (" 1987-3-1", "ungraded"),
        (" 1987-3-1\n", "equivalent"),
        (" 1987-03-01", "equivalent"),
        (" 1987 March 1st", "equivalent"),
    ],
)
def test_a_last_number_that_a_limit_may_have_cut_is_not_clear(completion: str, outcome: str):
    assert decided(completion, " March 1, 1987").outcome == outcome


@pytest.mark.parametrize("target", [" unknown", " March 1987", " 03/04/1987", ""])
def test_a_target_that_names_no_single_day_is_not_compared(target: str):
    assert decided(" March 4, 1987", target).outcome == "ungraded"


@pytest.mark.parametrize("target", [" unknown", " 03/04/1987", " in the spring of 1987"])
def test_the_same_text_is_equivalent_whatever_it_says(target: str):
    assert decided(target.upper() + "\nQ:", target).outcome == "equivalent"


def test_a_day_that_no_calendar_has_is_found_without_a_reading():
    assert [one.readings for one in find_dates("February 30, 1987")] == [frozenset()]


@settings(deadline=None)
@given(day=DAYS, form=st.sampled_from(NAMED), after=st.sampled_from(["", "\nQ:", ", at the", "."]))
def test_a_date_in_any_named_form_is_the_same_day(
    day: date, form: Callable[[date], str], after: str
):
    said = f" {form(day)}"
    decision = decided(said + after, f" {day:%B} {day.day}, {day.year}")
    assert decision.outcome == "equivalent", decision
    assert decision.trimmed is not None
    assert said.startswith(decision.trimmed)


@settings(deadline=None)
@given(day=DAYS, form=st.sampled_from(NUMERIC))
def test_numbers_are_the_same_day_or_can_change_places(day: date, form: Callable[[date], str]):
    decision = decided(f" {form(day)}\n", f" {day:%B} {day.day}, {day.year}")
    is_plain = day.day > 12 or day.day == day.month
    assert decision.outcome == ("equivalent" if is_plain else "ungraded"), decision


@settings(deadline=None)
@given(
    day=DAYS, days=st.integers(1, 800), form=st.sampled_from(NAMED), target=st.sampled_from(NAMED)
)
def test_another_day_is_never_the_same(
    day: date, days: int, form: Callable[[date], str], target: Callable[[date], str]
):
    decision = decided(f" {form(day)}", f" {target(day + timedelta(days))}")
    assert decision.outcome == "not_equivalent", decision


@settings(deadline=None)
@given(day=DAYS, days=st.integers(1, 800), form=st.sampled_from(NUMERIC))
def test_numbers_of_another_day_are_never_the_same(
    day: date, days: int, form: Callable[[date], str]
):
    assert decided(f" {form(day)}", f" {day + timedelta(days)}").outcome != "equivalent"


@settings(deadline=None)
@given(day=DAYS, form=st.sampled_from(NAMED[:13]), kept=st.integers(0, 40))
def test_a_date_cut_anywhere_is_never_taken_for_a_whole_one(
    day: date, form: Callable[[date], str], kept: int
):
    said = f" {form(day)}"
    if kept < len(said):
        assert decided(said[:kept], f" {day.isoformat()}").outcome != "equivalent"
