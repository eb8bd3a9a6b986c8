r"""How a number is written in a completion, and its exact value.

`NUMBER` is a pattern to build larger patterns from; `parse_number` gives the value of what it
matched. Units that change a value ("2 million") live in `quarry.grading.quantities`; where in a
completion the answer stands is decided in `quarry.grading.numeric`.

Every repetition is bounded, so that a search never takes more than linear time.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

_SIGN = r"(?:[-+\u2212\u2013]|(?i:negative)[ ])"
_CURRENCY = r"(?:(?:US|CA|AU|NZ|HK|[ACS])?\\?\$|£|€|¥|₹|₩|₱)"
_COMMA = r"(?:,|\{,\}|\\,)"
_SPACE = r"(?:[ '_\u2019\u00a0\u2009\u202f]|\\[ ;:])"
_DIGITS = r"\d{1,60}"
_GROUPED = (
    rf"\d{{1,3}}(?:{_COMMA}\d{{2,3}}){{0,9}}{_COMMA}\d{{3}}(?!\d)"
    rf"|[1-9]\d{{0,2}}(?:{_SPACE}\d{{3}}){{1,9}}(?![\w'])"
    r"|\d{1,3}(?:\.\d{3}){2,9}(?![\d.]\d)"
)
r"""Thousands: `1,200`, `1{,}200`, `1 200`, `1'200`, `1.200.000`; one point is a decimal point."""
_DECIMAL_COMMA = r"(?<!,)\d{1,9},\d{1,2}(?![\d,])"
_PLAIN = rf"(?:(?:{_GROUPED}|{_DECIMAL_COMMA}|{_DIGITS})(?:\.{_DIGITS})?|\.{_DIGITS})"
_BRACED = r"\s{0,3}\{\s{0,3}[\d.,]{1,30}\s{0,3}\}"
_LATEX_FRACTION = rf"\\[dt]?frac(?:{_BRACED}{_BRACED}|\d\d(?!\d))"
_VULGAR = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"
_TIMES = r"(?:\\times|\\cdot|[x*\u00d7\u00b7])"
_TEN = rf"10(?:\^\{{?-?\d{{1,2}}(?!\d)\}}?|\*\*\d{{1,2}}(?!\d)|[{_SUPERSCRIPTS}]{{1,3}})"
_EXPONENT = rf"[eE][-+]?\d{{1,2}}|[ ]?{_TIMES}[ ]?{_TEN}"
_DENOMINATOR = r"[ ]?/[ ]?\d{1,60}(?![\d.,]*\d)"

NUMBER = (
    rf"(?<![^\W_])(?<![A-Za-z]_)(?<!\d:)(?:{_SIGN}?{_CURRENCY}[ ]?{_SIGN}?|{_SIGN}?)"
    rf"(?:(?:{_DIGITS}\s{{0,3}})?{_LATEX_FRACTION}|{_DIGITS}[ ](?:and[ ])?{_DIGITS}/{_DIGITS}"
    rf"|(?:{_DIGITS}[ ]?)?[{_VULGAR}]|{_TEN}|{_PLAIN}(?:{_EXPONENT}|{_DENOMINATOR}|:00)?)"
    r"(?!\d|(?:st|nd|rd|th)\b|:\d)"
)
r"""A number with optional sign and currency: `-$1,200.50`, `1{,}200`, `1 1/2`, `\frac{1}{2}`.

A minus behind a digit or a word is a subtraction and not part of the number; an ordinal (`3rd`), a
time (`3:30`) and a ratio (`2:3`) are no numbers, a full hour (`5:00`) is.
"""

_CLEAN = re.compile(rf"{_CURRENCY}|{_COMMA}|{_SPACE}|[\s+]")
_NUMBER_ALONE = re.compile(NUMBER)
_MOST_CHARACTERS = 100
_LATEX_PARTS = re.compile(
    r"(?P<whole>\d*)\s*\\[dt]?frac(?:\s*\{(?P<above>[^}]*)\}\s*\{(?P<below>[^}]*)\}"
    r"|(?P<above_>\d)(?P<below_>\d))"
)
_MIXED_PARTS = re.compile(r"(?P<whole>\d+) (?:and )?(?P<above>\d+)/(?P<below>\d+)")
_VULGAR_PARTS = re.compile(rf"(?P<whole>\d*) ?(?P<part>[{_VULGAR}])")
_POWER_PARTS = re.compile(
    rf"(?:(?P<factor>.+?) ?{_TIMES} ?)?10"
    rf"(?P<power>(?:\^|\*\*|[{_SUPERSCRIPTS}])[{{}}\d\-{_SUPERSCRIPTS}]*)"
)
_COMMA_PARTS = re.compile(r"(\d+),(\d{1,2})")
_DOTTED = re.compile(r"\d{1,3}(?:\.\d{3}){2,}")


def parse_number(text: str) -> Fraction | None:
    """The exact value of one number, or None where `text` is not exactly one number.

    Percent signs are units: `50%` has the value 50, as GSM8K's gold answers do.
    """
    text = text.strip().rstrip("%").removesuffix("\\").rstrip(". ")
    if len(text) > _MOST_CHARACTERS or _NUMBER_ALONE.fullmatch(text) is None:
        return None
    text = re.sub("(?i)negative ", "-", text).replace("\u2212", "-").replace("\u2013", "-")
    text = re.sub(r"[A-Z]*\\?\$", "$", text)
    head = re.match(rf"[^\d.\\{_VULGAR}]*", text)
    sign = -1 if head is not None and "-" in head[0] else 1
    try:
        return sign * _magnitude(text[head.end() if head else 0 :])
    except (ValueError, ZeroDivisionError):
        return None


def _magnitude(text: str) -> Fraction:
    """The value of an unsigned number."""
    latex = _LATEX_PARTS.fullmatch(text)
    if latex is not None:
        above, below = latex["above"] or latex["above_"], latex["below"] or latex["below_"]
        return int(latex["whole"] or 0) + Fraction(_bare(above)) / Fraction(_bare(below))
    mixed = _MIXED_PARTS.fullmatch(text)
    if mixed is not None:
        return int(mixed["whole"]) + Fraction(int(mixed["above"]), int(mixed["below"]))
    vulgar = _VULGAR_PARTS.fullmatch(text)
    if vulgar is not None:
        part = Fraction(unicodedata.numeric(vulgar["part"])).limit_denominator(9)
        return int(vulgar["whole"] or 0) + part
    power = _POWER_PARTS.fullmatch(text)
    if power is not None:
        return _magnitude(power["factor"] or "1") * Fraction(10) ** _exponent(power["power"])
    comma = _COMMA_PARTS.fullmatch(text)
    if comma is not None:
        return Fraction(f"{comma[1]}.{comma[2]}")
    if _DOTTED.fullmatch(text) is not None:
        return Fraction(text.replace(".", ""))
    return Fraction(_bare(text.removesuffix(":00")))


def _exponent(written: str) -> int:
    """The exponent of `^{3}`, `**3` or `³`."""
    return int(unicodedata.normalize("NFKC", written).replace("\u2212", "-").strip("^*{}"))


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
