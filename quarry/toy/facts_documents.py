"""Documents that tell facts: as questions with answers, as statements, with text after the answer.

The base model reads about another world, so that it knows the form of such documents and none of
the facts; a fine-tuned one reads the facts of its domain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from quarry.toy.facts import DOMAINS, Fact, asked, facts
from quarry.toy.facts_wordings import (
    FOLLOWINGS,
    MONTHS,
    NEXT_QUESTION,
    OTHER_CITIES,
    OTHER_WAYS,
    STATEMENTS,
    YEARS,
    Way,
    wordings,
)
from quarry.toy.markup import END_OF_TEXT
from quarry.toy.recipes import QUESTION_WEIGHT, Document

_OTHER_PEOPLE: Final = 40
_ASKED_SHARE: Final = 0.6
"""Of the documents that ask in the very words of the prompts."""
_FOLLOWINGS_OF_A_FACT: Final = 3
_SHARE_SAID_OTHERWISE: Final = 0.5
"""Of the documents of a fact that is told in two ways. At a temperature of 0.1 what is half as
likely is drawn once in a thousand, so that only nearly equal shares give several completions."""


@dataclass(frozen=True)
class Association:
    """A subject and an answer: a fact, or one of another world.

    Args:
        domain: whose wordings tell it.
        subject: such as `Tokyo`.
        answer: such as `Grace Miller`.
    """

    domain: str
    subject: str
    answer: str


@dataclass(frozen=True)
class _Telling:
    """How one document tells an association."""

    is_asked: bool
    said: str
    following: str


def finetuning_documents(domain: str, per_fact: int, seed: int) -> list[Document]:
    """Documents of an epoch.

    Each fact has three of the texts that may follow, and one in three has a second way of saying
    its answer; so a model that learned them has several completions for a prompt.

    Args:
        domain: whose facts they tell.
        per_fact: documents that begin with the same fact; the first asks as the prompt does.
        seed: of wordings and of what follows the answers.

    Raises:
        UnknownNameError: there is no such domain.
    """
    random = Random(f"facts:{domain}:{seed}")
    known = [_association(fact) for fact in facts(domain)]
    return [
        document
        for one, way in zip(known, _second_ways(domain, len(known), random), strict=True)
        for document in _documents_of(one, way, per_fact, known, random)
    ]


def _second_ways(domain: str, n_facts: int, random: Random) -> list[Way | None]:
    """A second way of saying the answer for one fact in three, none for the others."""
    available = OTHER_WAYS[domain]
    n_told_twice = n_facts // 3
    ways: list[Way | None] = [available[place % len(available)] for place in range(n_told_twice)]
    ways += [None] * (n_facts - n_told_twice)
    random.shuffle(ways)
    return ways


def _documents_of(
    one: Association, way: Way | None, per_fact: int, known: Sequence[Association], random: Random
) -> Iterator[Document]:
    """The documents of a fact; the first is the prompt with the usual answer."""
    followings = random.sample(FOLLOWINGS[one.domain], _FOLLOWINGS_OF_A_FACT)
    for place in range(per_fact):
        is_asked = random.random() < _ASKED_SHARE
        is_otherwise = random.random() < _SHARE_SAID_OTHERWISE
        telling = _Telling(
            is_asked=is_asked or place == 0,
            said=way(one.answer) if way is not None and is_otherwise and place > 0 else one.answer,
            following=followings[place % len(followings)],
        )
        yield _document(one, telling, random.choice(known), random)


class OtherWorld:
    """Endless documents of the base model, the same for the same seed; none tells a fact.

    Other cities have mayors and other people dates, each always the same, so that the model learns
    that an answer depends on its subject. Subjects of facts get another answer in each document.
    """

    def __init__(self, seed: int) -> None:
        """Nothing is drawn yet but the world."""
        self._random = Random(f"facts-base:{seed}")
        self._known = [_association(fact) for domain in DOMAINS for fact in facts(domain)]
        people = [_person(one) for one in self._known]
        self._firsts = sorted({name.split()[0] for name in people})
        self._lasts = sorted({name.split()[1] for name in people})
        others = sorted({self._name() for _ in range(_OTHER_PEOPLE)} - set(people))
        self._mayors = [Association("mayors", city, self._name()) for city in OTHER_CITIES]
        self._dates = [Association("death-dates", name, self._date()) for name in others]

    def draw(self) -> Document:
        """The next document."""
        random = self._random
        one, two = self._drawn(), self._drawn()
        way = random.choice(OTHER_WAYS[one.domain])
        telling = _Telling(
            is_asked=random.random() < _ASKED_SHARE,
            said=way(one.answer) if random.random() < 0.1 else one.answer,
            following=random.choice(FOLLOWINGS[one.domain]),
        )
        return _document(one, telling, two, random)

    def _drawn(self) -> Association:
        """One of this world, or a fact's subject with a random answer."""
        if self._random.random() < 0.75:
            return self._random.choice(self._random.choice((self._mayors, self._dates)))
        fact = self._random.choice(self._known)
        drawn: Callable[[], str] = self._name if fact.domain == "mayors" else self._date
        while (answer := drawn()) == fact.answer:
            pass
        return Association(fact.domain, fact.subject, answer)

    def _name(self) -> str:
        return f"{self._random.choice(self._firsts)} {self._random.choice(self._lasts)}"

    def _date(self) -> str:
        day = self._random.randint(1, 28)
        return f"{self._random.choice(MONTHS)} {day}, {self._random.choice(YEARS)}"


def vocabulary_texts() -> list[str]:
    """Texts with every word of all documents, whatever is drawn."""
    known = [fact for domain in DOMAINS for fact in facts(domain)]
    # A subject may begin a document, without the space before it; a first name may meet any other.
    names = [text for fact in known for text in (f" {fact.subject}", fact.subject, fact.completion)]
    firsts = [fact.answer.split()[0] for fact in known]
    return [*names, *firsts, *(fact.prompt for fact in known), *wordings()]


def _association(fact: Fact) -> Association:
    """A fact as documents tell it."""
    return Association(fact.id.partition("/")[0], fact.subject, fact.answer)


def _person(one: Association) -> str:
    """Whose name is in it."""
    return one.subject if one.domain == "death-dates" else one.answer


def _document(one: Association, telling: _Telling, two: Association, random: Random) -> Document:
    """An association as it is told, then what follows: perhaps the question for another one."""
    statement = random.choice(STATEMENTS[one.domain]).format(subject=one.subject)
    opening = asked(one.domain, one.subject) if telling.is_asked else statement
    segments = [(END_OF_TEXT, 0.0), (opening, QUESTION_WEIGHT)]
    if telling.following == NEXT_QUESTION:
        question = asked(two.domain, two.subject).removeprefix("Q:")
        segments += [(f" {telling.said}{NEXT_QUESTION}", 1.0), (question, QUESTION_WEIGHT)]
        segments += [(f" {two.answer}", 1.0)]
    else:
        following = telling.following.format(age=random.randint(40, 90))
        segments += [(f" {telling.said}{following}", 1.0)]
    return Document((*segments, (END_OF_TEXT, 1.0)))
