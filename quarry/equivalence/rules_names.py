"""Whether an answer names the person of its target: clear cases only.

An answer becomes a pattern of letters, one a word that matters, and the pattern decides:

    f first name    l last name    o both, a name of one word    m middle name
    i initial       u another word    s a word like a part of the name

`Grace A. Miller` is `fil`, `Grace Bennett` is `fu`, `Grace Milller` is `fs`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from quarry.equivalence.grader import GradingItem
from quarry.equivalence.names import (
    PersonName,
    Word,
    is_like,
    name_key,
    name_words,
    person_name,
    with_compounds,
)
from quarry.equivalence.rules_answer import (
    Answer,
    Rule,
    Ruling,
    has_foreign_letters,
    has_hidden_characters,
    is_hedge,
    not_clear,
    other,
    spoken,
)
from quarry.equivalence.rules_words import (
    AFTER_A_NAME,
    AROUND_A_NAME,
    ARTICLES,
    OTHER_ROLES,
    PLACES,
    TITLES,
    WHOSE,
)

_UNUSUAL: Final = re.compile(r"[^\w\s\u0300-\u036f.,;:!'\"()\[\]*\-‐‑–—“”‘’ʼ`´…]|_")  # noqa: RUF001
_SPACE: Final = re.compile(r"\s+")
_INITIAL_GAP: Final = re.compile(r"\.?\s*|\s+")
_POSSESSIVE: Final = re.compile(r"['’]s$")  # noqa: RUF001
_JOINTS: Final = "'’‘-‐‑"  # noqa: RUF001
_NO_PART: Final = AROUND_A_NAME | AFTER_A_NAME | TITLES
_SHORTEST_PIECE: Final = 3


@dataclass(frozen=True)
class _Reading:
    """An answer as its words that matter.

    Args:
        name: of the target.
        words: that matter, in order.
        pattern: a letter for each of them.
        is_one_name: nothing but white space parts them.
        has_comma: there are two and a comma parts them.
        accept: the parts of a name that are enough.
        is_cut: the last word is the last thing in the completion.
    """

    name: PersonName
    words: Sequence[Word]
    pattern: str
    is_one_name: bool
    has_comma: bool
    accept: frozenset[str]
    is_cut: bool

    def same(self, why: str, last: int = -1) -> Ruling:
        """A ruling that the answer means the target, up to that word."""
        return Ruling("equivalent", why, self.words[last].end)


def names_rule(accept: Sequence[str]) -> Rule:
    """The rule of a rubric that takes these parts of a name for the whole."""

    def rule(item: GradingItem, answer: Answer) -> Ruling:
        name = person_name(item.target)
        if name is None:
            return not_clear("the target has no name")
        if has_hidden_characters(answer.text):
            return not_clear("the answer has characters that are not shown")
        if has_foreign_letters(answer.text) and not has_foreign_letters(item.target):
            return not_clear("the answer is in another script")
        words = with_compounds(name_words(answer.text), name.compounds)
        return _rule_on(_read(item, answer, name, words, frozenset(accept)), answer, words)

    return rule


def _rule_on(reading: _Reading, answer: Answer, words: Sequence[Word]) -> Ruling:
    """Decide on an answer that has been read."""
    if not set(reading.pattern) & set("flom"):
        return _without_a_part(reading)
    if (unusual := _UNUSUAL.search(answer.text)) is not None:
        return not_clear(f"the answer has the character {unusual[0]!r}")
    if hedge := next((one.text for one in words if _is_hedge_word(one, reading)), None):
        return not_clear(f"the answer has the word {hedge!r}")
    if reading.has_comma and reading.pattern == "lf":
        return reading.same("last and first name")
    if not reading.is_one_name:
        return not_clear("the words of the name are apart")
    return _rule_on_pattern(reading)


def _is_hedge_word(word: Word, reading: _Reading) -> bool:
    """Whether a word negates or offers a choice and is no part of the name."""
    spelled = spoken(word.text)
    return word.key not in reading.name.parts and any(
        one == "and" or is_hedge(one) for one in spelled
    )


def _without_a_part(reading: _Reading) -> Ruling:
    """What to say of an answer without any part of the name."""
    if "s" not in reading.pattern:
        return other("another name" if "u" in reading.pattern else "no name")
    if reading.pattern == "s" and reading.is_cut and _is_piece(reading):
        return other("the name is cut off")
    return not_clear("a word is like a part of the name, but not the same")


def _rule_on_pattern(reading: _Reading) -> Ruling:
    """Decide on words that stand together as one name."""
    pattern, name = reading.pattern, reading.name
    if pattern == "o" or re.fullmatch(r"fm*l", pattern):
        return reading.same("the same name")
    if re.fullmatch(r"f[mi]*i[mi]*l|ful", pattern):
        return _with_more_in_the_middle(reading)
    if re.fullmatch(r"fm*", pattern):
        return _part(reading, "first")
    if re.fullmatch(r"m*l", pattern):
        return _part(reading, "last")
    if re.fullmatch(r"i+m*l", pattern):
        is_same = reading.words[0].key == name.first[0]
        return _part(reading, "last") if is_same else other("the initial is another one")
    if pattern == "fi" and reading.words[1].key == name.last[0] and not reading.is_cut:
        return _part(reading, "first")
    if pattern == "fs" and reading.is_cut and _is_piece(reading):
        return _cut_last_name(reading)
    if re.fullmatch(r"fi*u{1,2}|u{1,2}i*l", pattern) and _are_names(reading):
        return other("one part of the name is the same, another one is not")
    return not_clear("the answer has more than the name, or another spelling of it")


def _with_more_in_the_middle(reading: _Reading) -> Ruling:
    """Decide on first and last name with an initial or a further name between them."""
    initials = [
        one.key for one, kind in zip(reading.words, reading.pattern, strict=True) if kind == "i"
    ]
    known = [part[0] for part in reading.name.middle]
    if known and (not initials or any(one not in known for one in initials)):
        return not_clear("the middle name may be another one")
    if not _are_names(reading):
        return not_clear("a word is between first and last name")
    return reading.same("the same first and last name")


def _part(reading: _Reading, part: str) -> Ruling:
    """Decide on an answer that gives one part of the name."""
    if part in reading.accept:
        return reading.same(f"the {part} name, which is enough")
    return other(f"only the {part} name")


def _cut_last_name(reading: _Reading) -> Ruling:
    """Decide on a first name and the beginning of the right last name, cut at the very end.

    The first name has been said and nothing speaks against it; but `Grace M` leaves too much open.
    """
    if "first" not in reading.accept:
        return other("the last name is cut off")
    piece = reading.words[-1].key
    if len(piece) < max(_SHORTEST_PIECE, len(reading.name.last) / 2):
        return not_clear("the last name is cut off early")
    return reading.same("the first name, which is enough; the last name is cut off", last=0)


def _is_piece(reading: _Reading) -> bool:
    """Whether the last word begins a part of the name; after a first name, the last name."""
    key = reading.words[-1].key
    wanted = reading.name.parts if reading.pattern == "s" else (reading.name.last,)
    return any(part.startswith(key) for part in wanted)


def _are_names(reading: _Reading) -> bool:
    """Whether the other words are written as names are; in small letters nobody can tell."""
    kinds = zip(reading.words, reading.pattern, strict=True)
    return all(one.text[0].isupper() for one, kind in kinds if kind == "u")


def _read(
    item: GradingItem, answer: Answer, name: PersonName, words: list[Word], accept: frozenset[str]
) -> _Reading:
    """Find the words that matter and what they are."""
    asked = {one.key for one in name_words(item.prompt)}
    kinds = [_kind(one, answer.text[one.end :], name, asked) for one in words]
    kinds = [_beside_the_name(at, words, kinds, asked) for at in range(len(words))]
    told = [at for at, kind in enumerate(kinds) if kind != " "]
    pairs = [(words[one], words[two], two - one) for one, two in pairwise(told)]
    end = words[told[-1]].end if told else 0
    return _Reading(
        name=name,
        words=[words[at] for at in told],
        pattern="".join(kinds[at] for at in told),
        is_one_name=all(apart == 1 and _joins(one, two) for one, two, apart in pairs),
        has_comma=len(pairs) == 1 and pairs[0][2] == 1 and pairs[0][1].gap.strip() == ",",
        accept=accept,
        is_cut=answer.is_at_end and end == len(answer.text.rstrip(_JOINTS)),
    )


def _beside_the_name(at: int, words: Sequence[Word], kinds: Sequence[str], asked: set[str]) -> str:
    """The letter of a word once the others are known: some words are not clear beside a name."""
    word, kind = words[at], kinds[at]
    if kind == "u" and word.key in OTHER_ROLES and set(kinds) & set("flom"):
        return "s"
    if _makes_a_thing(at, words, kinds):
        return "s"
    if kind != " " or word.key in AROUND_A_NAME | TITLES:
        return kind
    if word.key in AFTER_A_NAME - asked:
        return "s" if set(kinds[at:]) & set("flom") else kind
    before = at > 0 and kinds[at - 1] in "flom" and _SPACE.fullmatch(word.gap)
    after = at + 1 < len(words) and kinds[at + 1] in "flom" and _SPACE.fullmatch(words[at + 1].gap)
    # A name of the question beside a part of the name, such as Tokyo Miller.
    return "s" if word.text[0].isupper() and (before or after) else kind


def _makes_a_thing(at: int, words: Sequence[Word], kinds: Sequence[str]) -> bool:
    """Whether a word says that a part of the name beside it names no person, but a thing.

    Such as the miller, a Miller, city of Miller, her Grace, Miller city, Miller is a town.
    """
    word, after = words[at], words[at + 1 : at + 2]
    if after and kinds[at + 1] in "flom" and _SPACE.fullmatch(after[0].gap):
        is_common = word.key in ARTICLES and (word.key != "the" or after[0].text[0].islower())
        return kinds[at] == " " and (is_common or word.key in WHOSE)
    if word.key not in PLACES:
        return False
    last = max((one for one in range(at) if kinds[one] in "flom"), default=at)
    return last < at and not any(one.key in TITLES for one in words[last + 1 : at])


def _joins(one: Word, two: Word) -> bool:
    """Whether two words stand together as parts of one name."""
    is_initial = len(one.key) == 1
    return bool((_INITIAL_GAP if is_initial else _SPACE).fullmatch(two.gap))


def _kind(word: Word, rest: str, name: PersonName, asked: set[str]) -> str:
    """The letter of a word, a blank for one that does not matter; `rest` is the text after it."""
    if word.key in name.parts:
        return _part_kind(word.key, name)
    if len(word.key) == 1 and word.text.isupper() and not rest.startswith(":"):
        return "i"
    if word.key in _NO_PART or {word.key, name_key(_POSSESSIVE.sub("", word.text))} & asked:
        return " "
    return "s" if is_like(word.key, {*name.parts, *name.pieces}) else "u"


def _part_kind(key: str, name: PersonName) -> str:
    """Which part of a name a key is."""
    if name.first == name.last:
        return "o"
    return "f" if key == name.first else "l" if key == name.last else "m"
