"""Which toy problems a CODI model learns from, and how it is shown one.

Which problems its necessity is tested on follows from `is_held_out`. Training lives in
`codi_training`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from quarry.benchmarks.draw import draw_rank
from quarry.samples import Sample

LEAD = "#### "
"""What stands between thoughts and answer, in both tasks."""

_STEP = re.compile(r"<<[^<>]*>>")

# Of 256: about 400 of the 6,000 train problems, twice as many as the test split has.
_HELD_OUT_BYTES = 17


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
        thoughts: the calculations of all steps but the last, a line each, for the teacher.
        answer: the lead, the number and the end of the text.
        n_lead: how many tokens of `answer` stand before the number.
    """

    question: tuple[int, ...]
    thoughts: tuple[int, ...]
    answer: tuple[int, ...]
    n_lead: int


def is_held_out(split: str, row: int) -> bool:
    """Whether no toy CODI model learns from a problem of the toy mirror.

    Args:
        split: `test`, all of which is held out, or `train`, of which 17 in 256 are, by hash.
        row: of the split's file, from 0.
    """
    return split != "train" or draw_rank(0, f"gsm8k/train/{row}")[0] < _HELD_OUT_BYTES


def learned_samples(samples: Iterable[Sample]) -> list[Sample]:
    """The samples of the train split that are not held out."""
    return [s for s in samples if not is_held_out("train", int(s.id.rpartition("/")[2]))]


def thoughts_of(solution: str) -> str:
    r"""The calculations of a gold solution but the last, each with a line break.

    The last one is left out, as in the paper: a teacher that can copy the result from it has
    nothing to pass on.
    """
    return "".join(f"{step}\n" for step in _STEP.findall(solution)[:-1])


def codi_example(sample: Sample, tokenizer: Encoder) -> CodiExample:
    """A sample in tokens; its parts are encoded apart, as they are when the model answers."""

    def encode(text: str) -> tuple[int, ...]:
        return tuple(tokenizer.encode(text, add_special_tokens=False))

    lead = encode(LEAD)
    return CodiExample(
        question=encode(sample.input),
        thoughts=encode(thoughts_of(str(sample.metadata["solution"]))),
        answer=(*lead, *encode(sample.target), tokenizer.eos_token_id),
        n_lead=len(lead),
    )


def codi_batches(
    examples: Sequence[CodiExample], size: int, random: Random
) -> Iterator[list[CodiExample]]:
    """Endless batches of at most `size` problems whose questions have the same length.

    With equal lengths nothing has to be padded before the thoughts, so that neither attention
    masks nor positions are needed.
    """
    while True:
        shuffled = random.sample(examples, len(examples))
        by_length: dict[int, list[CodiExample]] = {}
        for example in shuffled:
            by_length.setdefault(len(example.question), []).append(example)
        batches = [
            alike[start : start + size]
            for alike in by_length.values()
            for start in range(0, len(alike), size)
        ]
        random.shuffle(batches)
        yield from batches
