"""Recognises an option by its text, for completions that do not name a letter.

Where letters stand in a completion is decided in `quarry.grading.choice`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_MARKED = re.compile(
    r"(?i)\b(?:answer|conclusion|option|choice)\b[*_\s]*(?:\bis\b|:)[*_\s]*(?:that\s+)?"
)
_DENIED = re.compile(r"\b(?:not|neither|nor|wrong|incorrect|false|cannot|eliminated?|n t)\b")
_FEWEST_CHARACTERS = 4
"""Shorter option texts ("no", "20") occur by chance and count only as the whole answer."""


def normalised(text: str) -> str:
    """Words in lower case, separated by single blanks, without punctuation."""
    return " ".join(re.findall(r"\w+", text.lower()))


def match_option(text: str, choices: Sequence[str], *, is_whole: bool = False) -> int | None:
    """Index of the only option that `text` states, or None.

    An option counts when the text, or what follows "the answer is", equals it; else when the text
    contains it and no other, and does not deny anything outside of the option's own words.

    Args:
        text: a line or a whole answer.
        choices: the option texts in order.
        is_whole: accept equality only; mentions anywhere in a long text prove nothing.
    """
    options = [normalised(choice) for choice in choices]
    said = normalised(text)
    marked = normalised(_MARKED.split(text)[-1])
    equal = {index for index, option in enumerate(options) if option and option in {said, marked}}
    if len(equal) == 1:
        return equal.pop()
    return None if is_whole or equal else _only_contained(said, options)


def _only_contained(said: str, options: Sequence[str]) -> int | None:
    """Index of the only option inside `said`; one inside a longer match does not count."""
    found = [
        index
        for index, option in enumerate(options)
        if len(option) >= _FEWEST_CHARACTERS and f" {option} " in f" {said} "
    ]
    longest = [
        index
        for index in found
        if not any(other != index and options[index] in options[other] for other in found)
    ]
    if len(longest) != 1:
        return None
    rest = f" {said} ".replace(f" {options[longest[0]]} ", " ")
    return None if _DENIED.search(rest) else longest[0]
