"""Toy word problems in the GSM8K record format: 1-4 steps, small numbers, few words.

Only the problems are made here; `mirror` writes them to files. Every number that occurs lies in
0 .. 99, so that a tokenizer may spell numbers digit by digit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

LARGEST = 99

_NAMES = ("Tom", "Ann", "Bob", "Eve", "Sam", "Mia", "Leo", "Zoe", "Max", "Amy", "Ben", "Kim")
_ITEMS = ("apples", "books", "cards", "coins", "eggs", "pens", "shells", "stamps", "toys", "cups")

# Shares of 1, 2, 3 and 4 steps: mostly short, since a tiny model should get a part of them right.
_STEP_WEIGHTS = (40, 35, 17, 8)


@dataclass(frozen=True)
class _Step:
    """One change of the amount: its sentence and its calculation."""

    sentence: str
    calculation: str
    result: int


def _gain(amount: int, other: str, random: Random) -> _Step | None:
    if amount >= LARGEST:
        return None
    more = random.randint(1, min(12, LARGEST - amount))
    verb = random.choice(("buys", "finds", "gets"))
    return _Step(f"{verb} {more} more", f"{amount}+{more}", amount + more)


def _loss(amount: int, other: str, random: Random) -> _Step | None:
    if amount < 1:
        return None
    less = random.randint(1, min(12, amount))
    sentence = random.choice((f"gives {less} to {other}", f"loses {less}"))
    return _Step(sentence, f"{amount}-{less}", amount - less)


def _multiple(amount: int, other: str, random: Random) -> _Step | None:
    factors = [factor for factor in (2, 3, 4) if 0 < amount * factor <= LARGEST]
    if not factors:
        return None
    factor = random.choice(factors)
    return _Step(f"has {factor} times as many", f"{amount}*{factor}", amount * factor)


def _half(amount: int, other: str, random: Random) -> _Step | None:
    if amount < 2 or amount % 2:
        return None
    return _Step("sells half", f"{amount}/2", amount // 2)


# Additions and subtractions twice as often: multiplication is what a tiny model learns last.
_STEPS: tuple[Callable[[int, str, Random], _Step | None], ...] = (
    _gain,
    _gain,
    _loss,
    _loss,
    _multiple,
    _half,
)


def _steps(amount: int, n_steps: int, other: str, random: Random) -> list[_Step]:
    """`n_steps` changes, starting from `amount`."""
    steps: list[_Step] = []
    while len(steps) < n_steps:
        step = random.choice(_STEPS)(amount, other, random)
        if step is not None:
            steps.append(step)
            amount = step.result
    return steps


def arithmetic_record(random: Random) -> dict[str, str]:
    """One problem with `question` and `answer`, the answer ending in `#### n`."""
    name, other = random.sample(_NAMES, 2)
    item = random.choice(_ITEMS)
    amount = random.randint(2, 20)
    n_steps = random.choices((1, 2, 3, 4), _STEP_WEIGHTS)[0]
    steps = _steps(amount, n_steps, other, random)
    story = " ".join(f"{name} {step.sentence}." for step in steps)
    lines = [f"{name} has <<{s.calculation}={s.result}>>{s.result}." for s in steps]
    return {
        "question": f"{name} has {amount} {item}. {story} How many {item} does {name} have?",
        "answer": "\n".join([*lines, f"#### {steps[-1].result}"]),
    }


def arithmetic_records(n_train: int, n_test: int, seed: int) -> dict[str, list[dict[str, str]]]:
    """Problems by split; no question occurs twice, within a split or between them.

    Test problems are drawn first, so that a larger train split leaves the test split as it is.
    """
    random = Random(f"arithmetic:{seed}")
    unique: dict[str, dict[str, str]] = {}
    while len(unique) < n_train + n_test:
        record = arithmetic_record(random)
        unique.setdefault(record["question"], record)
    records = list(unique.values())
    return {"test": records[:n_test], "train": records[n_test:]}
