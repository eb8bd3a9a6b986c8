"""What a toy CODI model learns from, and what it never sees."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from random import Random

import pytest

from quarry.benchmarks.source import BenchmarkSource
from quarry.samples import Sample
from quarry.toy.codi_problems import (
    CodiExample,
    codi_batches,
    codi_example,
    is_held_out,
    learned_samples,
    thoughts_of,
)
from quarry.toy.mirror import write_toy_mirror
from quarry.toy.tokenizer import build_tokenizer


@pytest.fixture(scope="module")
def train_split(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    mirror = tmp_path_factory.mktemp("toy") / "mirror"
    write_toy_mirror(mirror, 0)
    return BenchmarkSource(mirror).load("gsm8k", "train")


def test_a_fixed_part_of_the_train_split_and_the_whole_test_split_are_held_out() -> None:
    assert all(is_held_out("test", row) for row in range(200))
    held_out = [row for row in range(6000) if is_held_out("train", row)]
    assert 300 < len(held_out) < 500
    # Fixed for ever: a shifted hash would let trained models be tested on what they learned.
    assert held_out[:4] == [4, 15, 35, 46]


def test_a_held_out_problem_is_never_learned(train_split: list[Sample]) -> None:
    learned = {sample.id for sample in learned_samples(train_split)}
    held_out = {f"gsm8k/train/{row}" for row in range(6000) if is_held_out("train", row)}
    assert learned | held_out == {sample.id for sample in train_split}
    assert not learned & held_out


@pytest.mark.parametrize(
    ("solution", "thoughts"),
    [
        ("Tom has <<2+3=5>>5.\n#### 5", ""),
        ("Tom has <<2+3=5>>5.\nTom has <<5*2=10>>10.\n#### 10", "<<2+3=5>>\n"),
        ("<<1+1=2>>2\n<<2*2=4>>4\n<<4/2=2>>2\n#### 2", "<<1+1=2>>\n<<2*2=4>>\n"),
        ("No calculation.\n#### 7", ""),
    ],
)
def test_the_teacher_thinks_all_steps_but_the_last(solution: str, thoughts: str) -> None:
    assert thoughts_of(solution) == thoughts


def test_an_example_has_the_question_as_it_is_asked_and_an_answer_that_ends() -> None:
    sample = Sample(
        "gsm8k/train/0", "Tom has 12 pens.", "10", metadata={"solution": "<<2+3=5>>\n<<5*2=10>>"}
    )
    tokenizer = build_tokenizer(["Tom has pens.\n#### <<1+2*3=9>>"], 64)
    example = codi_example(sample, tokenizer)
    assert tokenizer.decode(list(example.question)) == "Tom has 12 pens."
    assert tokenizer.decode(list(example.thoughts)) == "<<2+3=5>>\n"
    assert tokenizer.decode(list(example.answer[: example.n_lead])) == "#### "
    assert tokenizer.decode(list(example.answer[example.n_lead : -1])) == "10"
    assert example.answer[-1] == tokenizer.eos_token_id


def test_batches_hold_questions_of_one_length_and_give_every_problem_its_share() -> None:
    examples = [
        CodiExample((number, *[0] * (number % 3)), (), (1, 2), 1) for number in range(30)
    ]
    batches = list(islice(codi_batches(examples, 4, Random(1)), 9))
    assert all(len({len(example.question) for example in batch}) == 1 for batch in batches)
    assert max(map(len, batches)) == 4
    # Ten of each length are three batches each: nine batches are one round.
    assert sorted(e.question[0] for batch in batches for e in batch) == list(range(30))
    again = list(islice(codi_batches(examples, 4, Random(1)), 9))
    assert batches == again
