"""Toy four-choice logic problems: transitive order, membership, exclusion.

Only the problems are made here; `mirror` writes them in LogiQA's eight-line format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from random import Random

_NAMES = ("Tom", "Ann", "Bob", "Eve", "Sam", "Mia", "Leo", "Zoe", "Max", "Amy", "Ben", "Kim")
_ORDERS = (("taller", "tallest"), ("older", "oldest"), ("faster", "fastest"))
_OPPOSITES = {"tallest": "shortest", "oldest": "youngest", "fastest": "slowest"}
_KINDS = ("cats", "dogs", "birds", "cows", "pigs", "hens", "foxes", "bears")
_TRAITS = ("big", "small", "old", "young", "calm", "fast", "slow", "kind")
_COLOURS = ("red", "blue", "green", "white", "black", "brown", "pink", "grey")
_THINGS = ("key", "ring", "coin", "card", "book", "pen")


@dataclass(frozen=True)
class LogicItem:
    """One problem: options in order, `answer` the index of the right one."""

    context: str
    question: str
    options: tuple[str, ...]
    answer: int


def _shuffled(context: str, question: str, options: list[str], random: Random) -> LogicItem:
    """The item with its options in random order; the right one comes first in `options`."""
    right = options[0]
    random.shuffle(options)
    return LogicItem(context, question, tuple(options), options.index(right))


def _order(random: Random) -> LogicItem:
    """Four people in a chain of comparisons; who is at one end?"""
    people = random.sample(_NAMES, 4)
    comparative, superlative = random.choice(_ORDERS)
    pairs = [f"{a} is {comparative} than {b}." for a, b in pairwise(people)]
    random.shuffle(pairs)
    wants_first = random.random() < 0.5
    end = superlative if wants_first else _OPPOSITES[superlative]
    options = people if wants_first else people[::-1]
    return _shuffled(" ".join(pairs), f"Who is the {end}?", list(options), random)


def _membership(random: Random) -> LogicItem:
    """All of a kind have a trait, a named one is of that kind; which trait follows?"""
    kinds, traits = random.sample(_KINDS, 3), random.sample(_TRAITS, 4)
    name = random.choice(_NAMES)
    rules = [f"All {kind} are {trait}." for kind, trait in zip(kinds, traits, strict=False)]
    random.shuffle(rules)
    context = f"{' '.join(rules)} {name} is one of the {kinds[0]}."
    return _shuffled(context, f"What is {name}?", list(traits), random)


def _exclusion(random: Random) -> LogicItem:
    """A thing is in one of four boxes and not in three of them; where is it?"""
    colours, thing = random.sample(_COLOURS, 4), random.choice(_THINGS)
    denials = [f"It is not in the {colour} box." for colour in colours[1:]]
    context = f"The {thing} is in a box. {' '.join(denials)}"
    return _shuffled(context, f"Which box has the {thing}?", list(colours), random)


_KINDS_OF_ITEM: tuple[Callable[[Random], LogicItem], ...] = (_order, _membership, _exclusion)


def logic_items(sizes: dict[str, int], seed: int) -> dict[str, list[LogicItem]]:
    """Items by split; no context and question occur twice, within a split or between them."""
    random = Random(f"logic:{seed}")
    unique: dict[tuple[str, str], LogicItem] = {}
    while len(unique) < sum(sizes.values()):
        item = random.choice(_KINDS_OF_ITEM)(random)
        unique.setdefault((item.context, item.question), item)
    remaining = iter(unique.values())
    return {split: [next(remaining) for _ in range(size)] for split, size in sizes.items()}
