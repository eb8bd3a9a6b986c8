"""Recognises an option by its text, for completions that do not name a letter.

Where letters stand in a completion is decided in `quarry.grading.choice`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_MARKED = re.compile(
    r"(?i)\b(?:answer|conclusion|option|choice)\b[*_\s]{0,20}(?:\bis\b:?|:)[*_\s\"“]{0,20}(?:that\s+)?"
)
_DENIED = re.compile(r"\b(?:not|neither|nor|wrong|incorrect|false|cannot|eliminated?|n t)\b")
_WORD = re.compile(r"\w+")
_FEWEST_CHARACTERS = 4
"""Shorter option texts ("no", "20") occur by chance and count only as the whole answer."""
_MOST_CHARACTERS = 2000
"""A line longer than this is no restated option."""


@dataclass(frozen=True)
class StatedOption:
    """An option that a text gives as its answer in words, with its offsets in the text."""

    index: int
    start: int
    end: int


def normalised(text: str) -> str:
    """Words in lower case, separated by single blanks, without punctuation."""
    return " ".join(_WORD.findall(text.lower()))


def begins_with(text: str, at: int, option: str) -> bool:
    """Whether the option's text starts at `at`, as in "The answer is A Rome is young"."""
    wanted = normalised(option)
    found = normalised(text[at : at + 2 * len(option) + 20])
    return len(wanted) >= _FEWEST_CHARACTERS and f"{found} ".startswith(f"{wanted} ")


def stated_option(text: str, choices: Sequence[str], *, is_whole: bool) -> StatedOption | None:
    """The option that the first line, or else the last "the answer is …", gives in words.

    Args:
        text: what may hold the answer.
        choices: the option texts in order.
        is_whole: whether nothing is missing at the end of `text`; else a text that reaches the end
            may be the beginning of a longer option.
    """
    line, has_more, _ = text.lstrip().partition("\n")
    index = match_option(line, choices, is_whole=True) if has_more else None
    if index is not None:
        start = len(text) - len(text.lstrip())
        return StatedOption(index, start, start + len(line))
    found: StatedOption | None = None
    for marked in _MARKED.finditer(text):
        index = _option_at(text, marked.end(), choices)
        end = marked.end() + (len(choices[index]) if index is not None else 0)
        if index is not None and (is_whole or _WORD.search(text, end)):
            found = StatedOption(index, marked.start(), min(end, len(text)))
    return found


def _option_at(text: str, at: int, choices: Sequence[str]) -> int | None:
    """Index of the longest option whose text starts at `at`."""
    starting = [index for index, option in enumerate(choices) if begins_with(text, at, option)]
    return max(starting, key=lambda index: len(normalised(choices[index])), default=None)


def match_option(text: str, choices: Sequence[str], *, is_whole: bool = False) -> int | None:
    """Index of the only option that `text` states, or None.

    An option counts when the text, or what follows "the answer is", equals it; else when the text
    contains it and no other, and does not deny anything outside of the option's own words.

    Args:
        text: a line or a whole answer.
        choices: the option texts in order.
        is_whole: accept equality only; mentions anywhere in a long text prove nothing.
    """
    if len(text) > _MOST_CHARACTERS + max(map(len, choices), default=0):
        return None
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
