r"""How a number is written in a completion, and its exact value.

`NUMBER` is a pattern to build larger patterns from; `parse_number` gives the value of what it
matched. Where in a completion the answer stands is decided in `quarry.grading.numeric`.
"""

from __future__ import annotations

import re
from fractions import Fraction

_SIGN = r"[-+\u2212\u2013]"
_CURRENCY = r"(?:\\?\$|£|€|¥|₹)"
_SEPARATOR = r"(?:,|\{,\}|\\,)"
_PLAIN = (
    rf"(?:\d{{1,3}}(?:{_SEPARATOR}\d{{2,3}})*{_SEPARATOR}\d{{3}}(?!\d)|\d+)(?:\.\d+)?"
    r"|\.\d+"
)
_LATEX_FRACTION = r"\\[dt]?frac\s*\{\s*[\d.,]+\s*\}\s*\{\s*[\d.,]+\s*\}"
_MIXED = r"\d+[ ]\d+/\d+"
_EXPONENT = r"[eE][-+]?\d{1,2}"
_DENOMINATOR = r"[ ]?/[ ]?\d+(?![\d.,]*\d)"

NUMBER = (
    rf"(?<!\w)(?:{_SIGN}?{_CURRENCY}[ ]?{_SIGN}?|{_SIGN}?)"
    rf"(?:{_LATEX_FRACTION}|{_MIXED}|(?:{_PLAIN})(?:{_EXPONENT}|{_DENOMINATOR})?)"
    r"(?!\d|(?:st|nd|rd|th)\b)"
)
r"""A number with optional sign and currency: `-$1,200.50`, `1{,}200`, `1 1/2`, `\frac{1}{2}`.

A minus behind a digit or a word is a subtraction and not part of the number; an ordinal (`3rd`) is
no number.
"""

_CLEAN = re.compile(rf"{_CURRENCY}|\{{,\}}|\\,|[,\s+]")
_FRACTION_PARTS = re.compile(r"\\[dt]?frac\s*\{(?P<above>[^}]*)\}\s*\{(?P<below>[^}]*)\}")
_NUMBER_ALONE = re.compile(NUMBER)
_MOST_CHARACTERS = 100
_MIXED_PARTS = re.compile(r"(?P<whole>\d+) (?P<above>\d+)/(?P<below>\d+)")


def parse_number(text: str) -> Fraction | None:
    """The exact value of one number, or None where `text` is not exactly one number.

    Percent signs are units: `50%` has the value 50, as GSM8K's gold answers do.
    """
    text = text.strip().rstrip("%").removesuffix("\\").rstrip(". ")
    if len(text) > _MOST_CHARACTERS or _NUMBER_ALONE.fullmatch(text) is None:
        return None
    text = text.replace("\u2212", "-").replace("\u2013", "-")
    sign = -1 if "-" in re.split(r"[\d.\\]", text.replace("\\$", "$"), maxsplit=1)[0] else 1
    text = re.sub(r"^[^\d.\\]+", "", text.replace("\\$", ""))
    try:
        return sign * _magnitude(text)
    except (ValueError, ZeroDivisionError):
        return None


def _magnitude(text: str) -> Fraction:
    """The value of an unsigned number."""
    latex = _FRACTION_PARTS.search(text)
    if latex is not None:
        return Fraction(_bare(latex["above"])) / Fraction(_bare(latex["below"]))
    mixed = _MIXED_PARTS.search(text)
    if mixed is not None:
        part = Fraction(int(mixed["above"]), int(mixed["below"]))
        return int(mixed["whole"]) + part
    return Fraction(_bare(text))


def _bare(text: str) -> str:
    """A number without currency, separators and blanks."""
    return _CLEAN.sub("", text)


def format_number(value: Fraction) -> str:
    """One spelling for each value: `18`, `-2.5`, `1/3`."""
    if value.denominator == 1:
        return str(value.numerator)
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    digits = 0
    while (value * 10**digits).denominator != 1:
        digits += 1
    scaled = abs(value * 10**digits).numerator
    whole, part = divmod(scaled, 10**digits)
    return f"{'-' if value < 0 else ''}{whole}.{part:0{digits}d}"
