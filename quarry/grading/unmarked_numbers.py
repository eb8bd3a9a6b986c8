r"""Finds the number that a text without any marker seems to answer with.

`first_line`, a bare number with an explanation below, and the guesses `bold` and `last_number`.
Numbers that a text calls its answer are found in `quarry.grading.stated_numbers`.
"""

from __future__ import annotations

import re

from quarry.grading.numbers import NUMBER, parse_number
from quarry.grading.quantities import FoundNumber, quantity_at, with_alternative

_NUMBERS = re.compile(NUMBER)
_DIGIT = re.compile(r"\d")
UNIT = r"(?:[ ]?[%°]|[ ](?!and\b|or\b)[A-Za-z][A-Za-z.²³/-]*)"
CLOSES = r"[*_\])}$\\\"'`”\u2019<]"
_BOLD = re.compile(r"\*\*(?P<inside>[^*\n]+)\*\*|__(?P<inside_>[^_\n]+)__")
_FIRST_LINE = re.compile(
    rf"\s*(?:\\[(\[]|[*_$]){{0,4}}(?!\d{{1,2}}[.)][ \t]*\n)(?P<n>{NUMBER}){UNIT}{{0,3}}"
    rf"{CLOSES}{{0,6}}[.!]?{CLOSES}{{0,6}}[ \t]*\n[ \t]*\n"
)
EXPLAINS = re.compile(
    r"(?m)^[ \t#*_>]{0,9}(?:(?:Step-by-step )?(?:Explanation|Reasoning|Rationale|Justification))"
    r"[*_]{0,4}[ \t]*[:\n]"
)
_REMARKS = re.compile(
    r"(?m)^[ \t#*_>(]{0,9}(?:Check|Checking|Verification|Verifying|Notes?|Confidence|Sources?"
    r"|References?|Proof|(?:Let me|Let's|Let us|We can|To) (?:verify|check|double-?check))\b"
    r"(?=[^\n]{0,60}:|[^\n]{0,60}verif|[^\n]{0,60}check)"
)
_TERM = r"[\s$(]{0,9}\d[\d.,]{0,60}[)\s]{0,9}"
_ASIDE = re.compile(r"(?<=[\w%.$€][ ])\([^()\n]{1,80}\)")
_WINDOW = 2000
"""Characters at the end of a long line in which its last number is looked for."""
_CALCULATION = re.compile(rf"{_TERM}(?:[-+*/\u00d7\u00f7\u2212\u2013]{_TERM})+[.\s]*")


def first_line(text: str) -> FoundNumber | None:
    """A bare number with the first line to itself and a blank line below."""
    match = _FIRST_LINE.match(text)
    quantity = quantity_at(text, match["n"], match.end("n")) if match else None
    if match is None or quantity is None:
        return None
    return FoundNumber("first_line", quantity.readings, match.start("n"), quantity.end)


def without_remarks(text: str) -> str:
    """The text before an explanation, or before a last paragraph that only checks or remarks."""
    stop = EXPLAINS.search(text)
    if stop is None:
        last_paragraph = text.rstrip().rfind("\n\n")
        stop = _REMARKS.search(text, max(0, last_paragraph))
    if stop is None or _DIGIT.search(text, 0, stop.start()) is None:
        return text
    return text[: stop.start()]


def last_number(text: str) -> FoundNumber | None:
    """The last bold or other number of the last line that has one; a sum left open has none."""
    end = len(text)
    for line in reversed(text.split("\n")):
        start = end - len(line)
        if _DIGIT.search(line) is not None:
            if _CALCULATION.fullmatch(line) and parse_number(line) is None:
                return None
            found = _in_line(text, max(start, end - _WINDOW), end)
            if found is not None:
                return found
        end = start - 1
    return None


def _in_line(text: str, start: int, end: int) -> FoundNumber | None:
    spans = [
        ("bold", *match.span(match.lastgroup or 0)) for match in _BOLD.finditer(text, start, end)
    ]
    for rule, first, last in [*reversed(spans), ("last_number", start, end)]:
        found = _last_in(rule, text, first, last)
        if found is not None:
            return found
    return None


def _last_in(rule: str, text: str, start: int, end: int) -> FoundNumber | None:
    """The last quantity between two offsets, in brackets only where none is outside of them.

    "18 or 20" leaves none.
    """
    asides = [match.span() for match in _ASIDE.finditer(text, start, end)]
    found: list[tuple[bool, FoundNumber | None]] = []
    at = start
    while (number := _NUMBERS.search(text, at, end)) is not None:
        at = number.end()
        quantity = quantity_at(text, number[0], number.end())
        if quantity is None:
            continue
        decided = with_alternative(text, quantity)
        at = min(max(at, (decided or quantity).end), end)
        is_outside = not any(first <= number.start() < last for first, last in asides)
        stated = decided and FoundNumber(rule, decided.readings, number.start(), decided.end)
        found.append((is_outside, stated))
        if decided is None:
            skipped = _NUMBERS.search(text, at, end)
            at = skipped.end() if skipped else end
    return max(enumerate(found), key=lambda each: (each[1][0], each[0]))[1][1] if found else None
