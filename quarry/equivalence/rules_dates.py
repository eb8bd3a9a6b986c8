"""Whether an answer names the day of its target: clear cases only."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from quarry.equivalence.dates import MONTH, DateMention, find_dates
from quarry.equivalence.grader import GradingItem
from quarry.equivalence.rules_answer import (
    Answer,
    Ruling,
    has_foreign_letters,
    has_hidden_characters,
    hedge_in,
    not_clear,
    other,
    spoken,
)
from quarry.equivalence.rules_words import AFTER_A_DATE, BEFORE_A_DATE, BIRTHS, SPELLED_NUMBERS

_GOES_ON: Final = re.compile(
    rf"[.,'’]\d|\s*,?\s*(?:(?:and|to|through|thru|till|until|[-‐‑‒–—−/&+])\s*(?:the\s+)?(?:\d|{MONTH})"  # noqa: RUF001
    r"|\(?(?:b\.?\s?c|bce?)\b|[%?~±=])",
    re.IGNORECASE,
)
_A_MONTH: Final = re.compile(MONTH, re.IGNORECASE)
_LAST_NUMBER_IS_WHOLE: Final = re.compile(r"(?:\d{4}|^\d{4}.*(?:\d\d|[4-9]|[^\d]))$")
"""A limit of tokens can leave 1 of a year or of a day that was to be 1987 or 15."""
_FULL_YEAR: Final = 4
_A_YEAR: Final = re.compile(r"(?<!\d)\d{4}(?!\d)")


def rule_on_date(item: GradingItem, answer: Answer) -> Ruling:
    """Compare the first date of an answer with the one date of the target.

    What follows the date is ignored, unless it takes it back, offers another or makes it a range.
    """
    wanted = frozenset(day for one in find_dates(item.target) for day in one.readings)
    if len(wanted) != 1:
        return not_clear("the target does not name one day")
    (day,) = wanted
    if has_hidden_characters(answer.text):
        return not_clear("the answer has characters that are not shown")
    found = find_dates(answer.text)
    if not found:
        return _without_a_date(answer.text, day)
    first, *others = found
    if (why := _taken_back(answer.text, day, first, others)) is not None:
        return not_clear(why)
    if births := BIRTHS.intersection(spoken(answer.text)).difference(spoken(item.prompt)):
        return not_clear(f"the answer has a date and the word {min(births)!r}")
    if moved := _moved(item, answer, first):
        return not_clear(f"after the date comes {moved!r}")
    if day in first.readings:
        return _right(item, answer, first)
    if _is_short(first, day):
        return other(f"the year {first.year} is incomplete or another one", first.end)
    said = " or ".join(sorted(one.isoformat() for one in first.readings)) or "a day of no calendar"
    return other(f"says {said}, not {day.isoformat()}", first.end)


def _taken_back(text: str, day: date, first: DateMention, others: list[DateMention]) -> str | None:
    """Why the first date of an answer may not be all it says."""
    if (hedge := hedge_in(text)) is not None:
        return f"the answer has a date and the word {hedge!r}"
    is_right = day in first.readings
    if is_right and any(one.readings != frozenset({day}) for one in others):
        return "the answer has different dates"
    # A broken date such as March 15-16, 1987 was read up to its first number after the month.
    start = first.end if first.readings and not _is_short(first, day) else 0
    if not is_right and _has_numbers(text[start:], day):
        return "the target's numbers are there, but not in its first date"
    if not is_right and any(day in one.readings for one in others):
        return "the answer has different dates"
    return None


def _moved(item: GradingItem, answer: Answer, first: DateMention) -> str | None:
    """What after a date can make it another day's: the first such word, or a second year."""
    known = set(spoken(item.prompt))
    said = [word for word in spoken(answer.text[first.end :]) if word not in known]
    if word := next((word for word in said if word in AFTER_A_DATE), None):
        return word
    around = f"{answer.text[: first.start]} {answer.text[first.end :]}"
    years = {found[0] for found in _A_YEAR.finditer(around)}
    return min(years - {first.year}, default=None)


def _right(item: GradingItem, answer: Answer, first: DateMention) -> Ruling:
    """What to say of an answer whose first date can be read as the target's."""
    if len(first.readings) > 1:
        return not_clear("day and month of the date can change places")
    known = BEFORE_A_DATE | set(spoken(item.prompt))
    if strange := [word for word in spoken(answer.text[: first.start]) if word not in known]:
        return not_clear(f"the date comes after the word {strange[0]!r}")
    if _GOES_ON.match(answer.text, first.end):
        return not_clear("the date goes on after its year")
    written = answer.text[first.start : first.end]
    is_last = answer.is_at_end and first.end == len(answer.text)
    if is_last and not _LAST_NUMBER_IS_WHOLE.search(written):
        return not_clear("the last number may be cut")
    return Ruling("equivalent", "the same day, month and year", first.end)


def _is_short(found: DateMention, day: date) -> bool:
    """Whether a date's year has fewer digits than the target's."""
    return len(found.year) < len(str(day.year))


def _without_a_date(text: str, day: date) -> Ruling:
    """What to say of an answer in which no whole date was found."""
    if _has_numbers(text, day):
        return not_clear("the target's numbers are there in a form that no rule reads")
    spelled = sum(word in SPELLED_NUMBERS for word in spoken(text))
    if spelled > 1 or (spelled and _A_MONTH.search(text)):
        return not_clear("numbers are spelled out")
    if has_foreign_letters(text):
        return not_clear("the answer is in another script")
    return other("names no whole date")


def _has_numbers(text: str, day: date) -> bool:
    """Whether a text has the day and the year of a date, the year with all or with two digits."""
    numbers = [int(number) for number in re.findall(r"\d+", text) if len(number) <= _FULL_YEAR]
    if day.day not in numbers:
        return False
    numbers.remove(day.day)
    return day.year in numbers or day.year % 100 in numbers
