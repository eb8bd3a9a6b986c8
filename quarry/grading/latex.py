r"""Boxed LaTeX answers: finding `\boxed{…}` and the value of what it holds.

Plain numbers never reach sympy; only arithmetic that an allow-list admits does, through the
`math-verify` library, which is imported on first use.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, cast

from quarry.grading.numbers import NUMBER, parse_number
from quarry.grading.quantities import quantity_at

_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?P<brace>\{)?")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_UNBRACED = re.compile(r"[^\s$\\{}]{1,60}")
_TEXT = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|underline|bold)\s*\{([^{}]*)\}"
    r"|\\(?:textcolor|color)\{[a-z]{1,20}\}(?:\{([^{}]*)\})?"
)
_SPACING = re.compile(r"\\[!;:, ]|~|\\quad|\\left|\\right|\^\\circ|\^\{\\circ\}|\\%|\*\*|[$]$")
_UNIT_POWER = re.compile(r"([A-Za-z]\s*)\^\{?\d\}?")
_NUMBERS = re.compile(NUMBER)
_MOST_CHARACTERS = 300
_MOST_BOXES = 50
"""Boxes that are read, from the last one back."""
_UNIT = re.compile(r"[^\d\\^=+*/(){}]*")
_WORDS = re.compile(r"[A-Za-z]")
_ARITHMETIC = re.compile(
    r"(?:\\(?:[dt]?frac|cdot|times|div|sqrt)(?![a-zA-Z])|\^(?:\d|\{\d\})(?![\d^])|[\d.,+\-*/(){}=\s]){1,80}"
)
"""What may reach sympy: no letters, and exponents of one digit, so that no value can explode."""


def boxed_contents(text: str) -> Iterator[tuple[int, int, str]]:
    r"""Start, end and content of every closed `\boxed{…}` of a text, in order.

    Boxes with more than 300 characters hold a text, not an answer, and are left out.
    """
    closings: dict[int, int] | None = None
    for box in _BOX.finditer(text):
        if box["brace"] is None:
            bare = _UNBRACED.match(text, box.end())
            if bare is not None:
                yield box.start(), bare.end(), bare[0]
            continue
        closings = _closing_braces(text) if closings is None else closings
        end = closings.get(box.end() - 1)
        if end is not None and end - box.end() <= _MOST_CHARACTERS:
            yield box.start(), end + 1, text[box.end() : end]


def _closing_braces(text: str) -> dict[int, int]:
    """Offset of each opening brace to that of its closing one, found in one pass."""
    closings: dict[int, int] = {}
    waiting: list[int] = []
    for found in _BRACE.finditer(text):
        if found[0] == "{":
            waiting.append(found.start())
        elif found[0] == "}" and waiting:
            closings[waiting.pop()] = found.start()
    return closings


def without_markup(content: str) -> str:
    r"""The content of a box without `\text{}`, spacing commands and dollar signs around it."""
    previous = None
    while previous != content:
        previous, content = content, _TEXT.sub(r" \1\2 ", content)
    content = content.replace("{,}", ",").replace("\\,", "").replace("\\$", "$")
    return _SPACING.sub(" ", _UNIT_POWER.sub(r"\1", content)).strip()


def boxed_readings(text: str) -> Iterator[tuple[int, int, tuple[Fraction, ...]]]:
    """Start, end and possible values of the boxes that hold a number, the last box first."""
    for start, end, content in reversed(list(boxed_contents(text))[-_MOST_BOXES:]):
        readings = _readings(content)
        if readings:
            yield start, end, readings


def _readings(content: str) -> tuple[Fraction, ...]:
    """What a boxed content may mean: a number with its unit words, else one value."""
    plain = without_markup(content)
    number = _NUMBERS.match(plain)
    quantity = quantity_at(plain, number[0], number.end()) if number else None
    if quantity is not None and _UNIT.fullmatch(plain, quantity.end):
        return quantity.readings
    value = latex_value(content)
    return () if value is None else (value,)


def latex_value(content: str) -> Fraction | None:
    """The exact value of a boxed content, or None where it is no single number.

    Tried in order: one number with or without a unit, the right side of an equation, arithmetic.
    """
    plain = without_markup(content)
    value = parse_number(plain)
    if value is not None:
        return value
    if "=" in plain:
        return latex_value(plain.rpartition("=")[2])
    found = [parse_number(number[0]) for number in _NUMBERS.finditer(plain)]
    if len(found) == 1 and (_WORDS.search(_NUMBERS.sub("", plain)) and "\\" not in plain):
        return found[0]
    return _evaluate(plain)


def _evaluate(expression: str) -> Fraction | None:
    """The value of plain LaTeX arithmetic, or None where it has no rational one."""
    if _ARITHMETIC.fullmatch(expression) is None or not re.search(r"\d", expression):
        return None
    if expression.count("^") > 2:
        return None
    # Imports sympy (0.6 s); only unusual boxes come here.
    from math_verify import parse  # pyright: ignore[reportMissingTypeStubs,reportUnknownVariableType]

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that time limits are off
    # Without time limits: those use SIGALRM, which works in the main thread only.
    values = cast(
        list[Any], parse(f"\\boxed{{{expression}}}", parsing_timeout=0, raise_on_error=False)
    )
    for value in values:
        simple: Any = value.doit() if hasattr(value, "doit") else value
        if getattr(simple, "is_Rational", False):
            return Fraction(int(simple.p), int(simple.q))
    return None
