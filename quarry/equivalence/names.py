"""People's names as words that can be compared: keys, parts, titles, likeness.

Accents, capitals, apostrophes and hyphens make no difference. What follows from a name is decided
in `rules_names`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Final

from quarry.equivalence.rules_words import SUFFIXES, TITLES

_LETTER: Final = r"[^\W\d_][\u0300-\u036f]*"
_WORD: Final = re.compile(rf"{_LETTER}(?:['’‘ʼ`´]?{_LETTER})*")  # noqa: RUF001
_JOINT: Final = re.compile(r"['’‘ʼ`´\-‐‑]\s?|\s")  # noqa: RUF001
_HYPHEN: Final = re.compile(r"[-‐‑]")  # noqa: RUF001

_LIKE: Final = 0.75
_SHORTEST_ROOT: Final = 3


@dataclass(frozen=True)
class Word:
    """A word of a text.

    Args:
        text: as written.
        key: the same for all spellings that make no difference, see `name_key`.
        start: of its first character.
        end: after its last one.
        gap: what is written between the word before and this one.
    """

    text: str
    key: str
    start: int
    end: int
    gap: str


@dataclass(frozen=True)
class PersonName:
    """The name of one person.

    Args:
        parts: keys of its words in order, without titles and suffixes; the last one is the last
            name, and a name of one word is first and last name at once.
        compounds: keys of the parts that are written with a hyphen or an apostrophe.
        pieces: keys of what hyphens part in them.
    """

    parts: tuple[str, ...]
    compounds: frozenset[str]
    pieces: frozenset[str]

    @property
    def first(self) -> str:
        """Key of the first name."""
        return self.parts[0]

    @property
    def last(self) -> str:
        """Key of the last name."""
        return self.parts[-1]

    @property
    def middle(self) -> tuple[str, ...]:
        """Keys of what is between."""
        return self.parts[1:-1]


def name_key(text: str) -> str:
    """A word without what makes no difference: capitals, accents, apostrophes, hyphens."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(one for one in unicodedata.normalize("NFKD", folded) if one.isalpha())


def name_words(text: str) -> list[Word]:
    """The words of a text; a hyphen parts two words, an apostrophe inside a word does not."""
    words: list[Word] = []
    for match in _WORD.finditer(text):
        gap = text[words[-1].end if words else 0 : match.start()]
        words.append(Word(match[0], name_key(match[0]), match.start(), match.end(), gap))
    return words


def person_name(text: str) -> PersonName | None:
    """The name that a text consists of; None where it has no words beside titles."""
    words = [one for one in _hyphenated(name_words(text)) if one.key not in TITLES | SUFFIXES]
    if not words:
        return None
    compounds = [one for one in words if not one.text.isalpha()]
    return PersonName(
        parts=tuple(one.key for one in words),
        compounds=frozenset(one.key for one in compounds),
        pieces=frozenset(name_key(piece) for one in compounds for piece in _HYPHEN.split(one.text)),
    )


def with_compounds(words: Sequence[Word], compounds: frozenset[str]) -> list[Word]:
    """Words with those joined that together write a compound, such as `O Malley` for `O'Malley`."""
    joined: list[Word] = []
    rest = list(words)
    while rest:
        size = next((n for n in (3, 2) if _writes_compound(rest[:n], n, compounds)), 1)
        joined.append(_join(rest[:size]))
        del rest[:size]
    return joined


def is_like(key: str, parts: Iterable[str]) -> bool:
    """Whether a word could be one of these names misspelled, cut or made longer."""
    return any(
        part.startswith(key)
        or (len(part) >= _SHORTEST_ROOT and key.startswith(part))
        or SequenceMatcher(None, key, part, autojunk=False).ratio() >= _LIKE
        for part in parts
    )


def _hyphenated(words: Iterable[Word]) -> Iterator[Word]:
    """Words with those joined that only a hyphen parts."""
    pending: list[Word] = []
    for word in words:
        if pending and not _HYPHEN.fullmatch(word.gap):
            yield _join(pending)
            pending = []
        pending.append(word)
    if pending:
        yield _join(pending)


def _writes_compound(words: Sequence[Word], size: int, compounds: frozenset[str]) -> bool:
    """Whether so many words together are one of the compounds."""
    return (
        len(words) == size
        and all(_JOINT.fullmatch(one.gap) for one in words[1:])
        and "".join(one.key for one in words) in compounds
    )


def _join(words: Sequence[Word]) -> Word:
    """Neighbouring words as one."""
    if len(words) == 1:
        return words[0]
    text = "".join([words[0].text, *(one.gap + one.text for one in words[1:])])
    return replace(words[0], text=text, key="".join(one.key for one in words), end=words[-1].end)
