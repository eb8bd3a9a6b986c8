"""A number together with the words behind it that change its value: `2 million`, `3 h 30 min`.

How the number itself is written lives in `quarry.grading.numbers`. Gold answers are bare numbers,
so a quantity has several readings, and a grader accepts each: "2 million" is 2 to a question that
asks for millions, else 2,000,000; "3 hours and 30 minutes" is 3.5 or 210, but never 3 or 30.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from quarry.grading.numbers import NUMBER, parse_number

_SCALES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 10**3,
    "k": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_SCALE = re.compile(
    r"[ ]?(?i:(?P<word>dozen|hundred|thousand|million|billion|trillion)s?)(?![\w-])|[kK](?!\w)"
)
_PAIRS = (
    (r"dollars?|bucks", r"cents?", 100),
    (r"pounds?", r"pence", 100),
    (r"hours?|hrs?|h", r"minutes?|mins?|m", 60),
    (r"minutes?|mins?|m", r"seconds?|secs?|s", 60),
    (r"days?", r"hours?|hrs?", 24),
    (r"weeks?", r"days?", 7),
    (r"years?", r"months?", 12),
    (r"feet|foot|ft\.?", r"inch(?:es)?|in\.?", 12),
    (r"pounds?|lbs?\.?", r"ounces?|oz\.?", 16),
)
"""Two units that are said together, and how many of the second make one of the first."""
_COMPOUNDS = tuple(
    (
        re.compile(rf"[ ]?(?i:{first}),?[ ](?:and[ ])?(?P<n>{NUMBER})[ ]?(?i:{second})(?!\w)"),
        ratio,
    )
    for first, second, ratio in _PAIRS
)
_RATIOS = {ratio for *_, ratio in _PAIRS} | {3, 10, 1000}
_UNDECIDED = re.compile(
    rf"(?:[ ][A-Za-z%]{{1,20}}){{0,3}},?[ ](?:or|to|\\text\{{ ?or ?\}})[ ](?:about |only )?"
    rf"(?P<n>{NUMBER})"
)
_MEASURE = (
    r"[ ]?(?i:seconds?|minutes?|hours?|hrs?|days?|weeks?|months?|years?|inch(?:es)?|feet|foot"
    r"|yards?|miles?|mm|cm|m|km|meters?|grams?|g|kg|ounces?|pounds?|lbs?|cents?|dollars?)"
)
_SAME = re.compile(rf"{_MEASURE}[ ]?(?:=|\(=?)[ ]?(?P<n>{NUMBER}){_MEASURE}(?!\w)")
_UNIT_STARTS = re.compile(r"[ ]?[dbphmwyfl]|[ ]and[ ]", re.IGNORECASE)
"""How every first unit begins; spares most numbers the search for a second one."""
_CENTS = re.compile(r"[ ]and[ ](?P<n>\d{1,2})[ ]cents?\b")
_CENTS_A_DOLLAR = 100


@dataclass(frozen=True)
class Quantity:
    """What a number and the words behind it may mean, the likeliest first, and where they end."""

    readings: tuple[Fraction, ...]
    end: int


@dataclass(frozen=True)
class FoundNumber:
    """A number that a rule took for the answer, with its offsets in the text.

    Args:
        rule: name of the rule.
        readings: what it may mean, the likeliest first; more than one only for "2 million" and
            the like.
        start: where the statement begins.
        end: where the number ends, with the words that change its value.
    """

    rule: str
    readings: tuple[Fraction, ...]
    start: int
    end: int


def quantity_at(text: str, number: str, end: int) -> Quantity | None:
    """The quantity that starts with `number`, which ends at `end` of `text`; None if it is none."""
    value = parse_number(re.sub(r"(?i)^minus ", "-", number))
    if value is None:
        return None
    scale = _SCALE.match(text, end)
    if scale is not None:
        factor = _SCALES[(scale["word"] or "k").lower()]
        return Quantity((value * factor, value), scale.end())
    if _UNIT_STARTS.match(text, end) is None:
        return Quantity((value,), end)
    for pattern, ratio in (*_COMPOUNDS, (_CENTS, _CENTS_A_DOLLAR)):
        match = pattern.match(text, end)
        part = parse_number(match["n"]) if match else None
        if match is not None and part is not None:
            sign = -1 if value < 0 else 1
            return Quantity((value + sign * part / ratio, value * ratio + sign * part), match.end())
    return Quantity((value,), end)


def with_alternative(text: str, quantity: Quantity) -> Quantity | None:
    """The quantity with what follows behind "or": another unit of the same, else no answer at all.

    "6 hours or 360 minutes" and "6 hours (360 minutes)" may mean 6 or 360; "18 or 20" and
    "10 to 20" decide nothing.
    """
    undecided = _UNDECIDED.match(text, quantity.end)
    other = undecided or _SAME.match(text, quantity.end)
    value = parse_number(other["n"]) if other else None
    if other is None or value is None:
        return quantity
    first = quantity.readings[0]
    if first == value:
        return quantity
    if min(first, value) > 0 and max(first, value) / min(first, value) in _RATIOS:
        return Quantity((*quantity.readings, value), other.end("n"))
    return None if undecided else quantity
