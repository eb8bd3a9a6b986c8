"""Whole dates in a text: day, month and year, in the forms that people write in English.

Nothing is guessed: `dateutil` fills a missing day or year from today and reads 03/04 in one order
without a word, which here would turn a cut date into a right one. So a date is whole or it is not
found, and one that can be read in two orders has two readings. What follows from a date is decided
in `rules_dates`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
MONTH: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)(?![^\W\d_])"
)
_DASHES: Final = r"/.\-‐‑‒–—−"  # noqa: RUF001
_NAMED_MONTH: Final = rf"(?P<month>{MONTH})\.?"
_DAY: Final = r"(?P<day>\d{1,2})(?!\d)(?:\s?(?:st|nd|rd|th)\b)?"
_YEAR: Final = r"['’]?(?P<year>\d{1,4})(?!\w)(?!:\d)"  # noqa: RUF001
_TO_YEAR: Final = (
    rf"\s*[,{_DASHES}]?\s*(?:(?:of|in)\s+)?(?:the\s+)?(?:year\s+)?(?:of\s+)?(?:our\s+lord\s+)?"
)
_BEFORE: Final = r"(?<!\w)(?<!\d[/.\-])"

_NAMED: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_BEFORE}{_NAMED_MONTH}\s*[,{_DASHES}]?\s*(?:the\s+)?{_DAY}{_TO_YEAR}{_YEAR}",
        rf"{_BEFORE}{_DAY}\s*(?:day\s+)?(?:of\s+)?[,{_DASHES}]?\s*{_NAMED_MONTH}{_TO_YEAR}{_YEAR}",
        rf"{_BEFORE}(?P<year>\d{{4}})\s*[,{_DASHES}]?\s*{_NAMED_MONTH}\s*[,{_DASHES}]?\s*{_DAY}(?!\w)",
    )
)
_YEAR_FIRST: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_BEFORE}(?P<year>\d{{4}})\s?(?P<by>[{_DASHES}])\s?(?P<month>\d{{1,2}})\s?(?P=by)\s?"
        r"(?P<day>\d{1,2})(?:(?=T\d)|(?!\w))",
        r"(?P<year>\d{4})\s?年\s?(?P<month>\d{1,2})\s?月\s?(?P<day>\d{1,2})\s?日",
    )
)
_YEAR_LAST: Final = re.compile(
    rf"{_BEFORE}(?P<one>\d{{1,2}})\s?(?P<by>[{_DASHES}])\s?(?P<two>\d{{1,2}})\s?(?P=by)\s?{_YEAR}"
)


@dataclass(frozen=True)
class DateMention:
    """A date in a text.

    Args:
        start: of its first character.
        end: after its last one.
        readings: the days it can mean; none where no calendar has it, such as February 30, and two
            where day and month can change places.
        year: as written, such as `87` or `198`.
    """

    start: int
    end: int
    readings: frozenset[date]
    year: str


def find_dates(text: str) -> list[DateMention]:
    """The whole dates of a text in order, those inside longer ones left out.

    Dates that only overlap are all kept: such a text is not clear.
    """
    found = sorted(set(_mentions(text)), key=lambda one: (one.start, -one.end))
    return [one for one in found if not any(_is_inside(one, two) for two in found)]


def _mentions(text: str) -> Iterator[DateMention]:
    """Every date that one of the forms finds."""
    for form in _NAMED:
        for match in form.finditer(text):
            month = _MONTHS.index(match["month"][:3].casefold()) + 1
            yield _mention(match, [(month, int(match["day"]))])
    for form in _YEAR_FIRST:
        for match in form.finditer(text):
            yield _mention(match, [(int(match["month"]), int(match["day"]))])
    for match in _YEAR_LAST.finditer(text):
        one, two = int(match["one"]), int(match["two"])
        yield _mention(match, [(one, two), (two, one)])


def _mention(match: re.Match[str], orders: Iterable[tuple[int, int]]) -> DateMention:
    """The date of a match, read in each order of month and day."""
    year = int(match["year"])
    days = (_day(year, month, day) for month, day in orders)
    readings = frozenset(one for one in days if one is not None)
    return DateMention(match.start(), match.end(), readings, match["year"])


def _day(year: int, month: int, day: int) -> date | None:
    """That day, where the calendar has it."""
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _is_inside(one: DateMention, two: DateMention) -> bool:
    """Whether one date is a part of another, longer one."""
    is_longer = two.end - two.start > one.end - one.start
    return is_longer and two.start <= one.start and one.end <= two.end
