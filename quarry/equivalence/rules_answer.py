"""Which part of a completion answers, and what a rule says about it.

Words that turn an answer round live here, too; dates and names have modules of their own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from quarry.equivalence.grader import GradingItem, Outcome
from quarry.equivalence.rules_words import HEDGES

_MOST_CHARACTERS: Final = 500
"""Of an answer that rules read; nobody answers with a name or a date in more."""

_END: Final = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]|(?:^|(?<=\s))(?:Q|Question)\s{0,3}:")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")  # noqa: RUF001


@dataclass(frozen=True)
class Answer:
    """The part of a completion that answers.

    Args:
        start: where it starts in the completion, white space left out; characters.
        text: up to the first line break or the next question.
        is_at_end: nothing follows it, so that a limit of tokens may have cut its last word.
        is_on_a_later_line: line breaks come before it.
    """

    start: int
    text: str
    is_at_end: bool
    is_on_a_later_line: bool

    @property
    def is_too_long(self) -> bool:
        """Whether rules leave it alone."""
        return len(self.text) > _MOST_CHARACTERS

    @property
    def is_empty(self) -> bool:
        """Whether it has neither letters nor digits."""
        return not any(character.isalnum() for character in self.text)


@dataclass(frozen=True)
class Ruling:
    """What a rule says about an answer.

    Args:
        outcome: `ungraded` where it is not clear to the rule.
        why: in words for people.
        end: how many characters of the answer's text count; None for all but trailing white space.
    """

    outcome: Outcome
    why: str
    end: int | None = None


Rule = Callable[[GradingItem, Answer], Ruling]


def not_clear(why: str) -> Ruling:
    """A ruling that leaves an answer to a judge."""
    return Ruling("ungraded", why)


def other(why: str, end: int | None = None) -> Ruling:
    """A ruling that an answer does not mean the target."""
    return Ruling("not_equivalent", why, end)


def answer_of(completion: str) -> Answer:
    """The answer of a completion; what is beyond it never changes a ruling."""
    body = completion.lstrip()
    start = len(completion) - len(body)
    found = _END.search(body)
    return Answer(
        start,
        body[: found.start()] if found else body,
        found is None,
        _END.search(completion, 0, start) is not None,
    )


def spoken(text: str) -> list[str]:
    """The words of a text in small letters, compatibility forms resolved."""
    return [word.casefold() for word in _WORD.findall(unicodedata.normalize("NFKC", text))]


def hedge_in(text: str) -> str | None:
    """The first word of a text that negates, corrects or offers a choice."""
    return next((word for word in spoken(text) if is_hedge(word)), None)


def is_hedge(word: str) -> bool:
    """Whether a word in small letters negates, corrects or offers a choice."""
    return word in HEDGES or word.replace("’", "'").endswith("n't")  # noqa: RUF001


def has_hidden_characters(text: str) -> bool:
    """Whether a text has characters that change how it looks without being seen themselves.

    Controls, directions, joiners and marks over other characters that no letter is made of.
    """
    composed = unicodedata.normalize("NFC", text)
    hidden = {"Cc", "Cf", "Co", "Cn", "Cs", "Mn", "Me"}
    return any(unicodedata.category(one) in hidden and one != "\t" for one in composed)


def has_foreign_letters(text: str) -> bool:
    """Whether a text has letters of another script than Latin."""
    return any(
        one.isalpha() and "LATIN" not in unicodedata.name(one, "")
        for one in unicodedata.normalize("NFKC", text)
    )
