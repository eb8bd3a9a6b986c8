"""Which toy problems a CODI model learns from, and how it is shown one.

Which problems its necessity is tested on follows from `is_held_out`. Training lives in
`codi_training`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from quarry.benchmarks.draw import draw_rank
from quarry.samples import Sample

LEAD = "#### "
"""What stands between thoughts and answer, in both tasks."""

SEPARATOR = "\n"
"""What stands around each thought, and so in the place of the added tokens."""

_RESULT = re.compile(r"<<[^<>]*=([^<>=]*)>>")

# The seed of the demo's candidates, so that a draw of up to a tenth of the problems is held out.
_SEED = 0
# Of 256: about 750 of the 6,000 train problems.
_HELD_OUT_BYTES = 32


class Encoder(Protocol):
    """The part of a tokenizer that is needed."""

    @property
    def eos_token_id(self) -> int:
        """The token that ends a text."""
        ...

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Token ids of a text."""
        ...


@dataclass(frozen=True)
class CodiExample:
    """Token ids of one problem.

    Args:
        question: as it is asked, without any prompt around it.
        thoughts: the results of all steps but the last, a line each, for the teacher.
        answer: the lead, the number and the end of the text.
        n_lead: how many tokens of `answer` stand before the number.
        n_steps: calculations of the gold solution.
    """

    question: tuple[int, ...]
    thoughts: tuple[int, ...]
    answer: tuple[int, ...]
    n_lead: int
    n_steps: int


def is_held_out(split: str, row: int) -> bool:
    """Whether no toy CODI model learns from a problem of the toy mirror.

    Args:
        split: `test`, all of which is held out, or `train`, of which an eighth is: the rows that
            a draw with seed 0 takes first.
        row: of the split's file, from 0.
    """
    return split != "train" or draw_rank(_SEED, f"gsm8k/train/{row}")[0] < _HELD_OUT_BYTES


def learned_samples(samples: Iterable[Sample]) -> list[Sample]:
    """The samples of the train split that are not held out."""
    return [s for s in samples if not is_held_out("train", int(s.id.rpartition("/")[2]))]


def thoughts_of(solution: str) -> str:
    """The results of a gold solution's steps but the last, each on a line of its own.

    The last one is left out, as in the paper: a teacher that can copy it has nothing to pass on.
    Without the calculations, a thought is about as long as the latents that stand for it.
    """
    results: list[str] = _RESULT.findall(solution)
    return SEPARATOR + "".join(f"{result}{SEPARATOR}" for result in results[:-1])


def codi_example(sample: Sample, tokenizer: Encoder) -> CodiExample:
    """A sample in tokens; its parts are encoded apart, as they are when the model answers."""

    def encode(text: str) -> tuple[int, ...]:
        return tuple(tokenizer.encode(text, add_special_tokens=False))

    lead, solution = encode(LEAD), str(sample.metadata["solution"])
    return CodiExample(
        question=encode(sample.input),
        thoughts=encode(thoughts_of(solution)),
        answer=(*lead, *encode(sample.target), tokenizer.eos_token_id),
        n_lead=len(lead),
        n_steps=len(_RESULT.findall(solution)),
    )


class ProblemBatches:
    """Draws batches of problems whose questions have the same length.

    With equal lengths nothing has to be padded before the thoughts, so that neither attention
    masks nor positions are needed.

    Args:
        examples: what is drawn from.
        random: decides.
    """

    def __init__(self, examples: Sequence[CodiExample], random: Random) -> None:
        """Sort the problems once."""
        self._random = random
        self._counts = Counter(example.n_steps for example in examples)
        self._by_length: dict[int, list[CodiExample]] = {}
        for example in examples:
            self._by_length.setdefault(len(example.question), []).append(example)

    def draw(self, size: int, shares: Mapping[int, float]) -> list[CodiExample]:
        """One batch; no problem is twice in it.

        Args:
            size: most problems.
            shares: relative number of problems by number of steps, over many batches.
        """
        weights = {n: shares.get(n, 0) / count for n, count in self._counts.items()}
        lengths = list(self._by_length)
        totals = [sum(weights[e.n_steps] for e in self._by_length[length]) for length in lengths]
        alike = self._by_length[self._random.choices(lengths, totals)[0]]
        wanted = [example for example in alike if weights[example.n_steps] > 0]
        # The largest `u ** (1 / weight)` are a weighted draw without replacement
        # (Efraimidis and Spirakis 2006); logarithms keep small weights apart.
        wanted.sort(key=lambda e: math.log(1 - self._random.random()) / weights[e.n_steps])
        return wanted[-size:]
