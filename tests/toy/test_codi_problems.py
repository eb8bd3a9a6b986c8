"""What a toy CODI model learns from, and what it never sees."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import cast

import pytest

from quarry.benchmarks.draw import draw_samples
from quarry.benchmarks.source import BenchmarkSource
from quarry.samples import Sample
from quarry.toy.codi_problems import (
    CodiExample,
    Encoder,
    ProblemBatches,
    codi_example,
    is_held_out,
    learned_samples,
    thoughts_of,
)
from quarry.toy.mirror import write_toy_mirror
from quarry.toy.tokenizer import build_tokenizer


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkSource:
    mirror = tmp_path_factory.mktemp("toy") / "mirror"
    write_toy_mirror(mirror, 0)
    return BenchmarkSource(mirror)


@pytest.fixture(scope="module")
def train_split(source: BenchmarkSource) -> list[Sample]:
    return source.load("gsm8k", "train")


@pytest.fixture(scope="module")
def test_split(source: BenchmarkSource) -> list[Sample]:
    return source.load("gsm8k", "test")


def test_a_draw_of_a_tenth_of_all_problems_with_seed_0_is_held_out(
    train_split: list[Sample], test_split: list[Sample]
) -> None:
    drawn = [one.id.split("/") for one in draw_samples([*test_split, *train_split], 620, seed=0)]
    assert all(is_held_out(split, int(row)) for _, split, row in drawn)
    assert {split for _, split, _ in drawn} == {"test", "train"}


def test_a_fixed_part_of_the_train_split_and_the_whole_test_split_are_held_out() -> None:
    assert all(is_held_out("test", row) for row in range(200))
    held_out = [row for row in range(6000) if is_held_out("train", row)]
    assert 650 < len(held_out) < 850
    # Fixed for ever: a shifted hash would let trained models be tested on what they learned.
    assert held_out[:4] == [4, 17, 18, 29]


def test_a_held_out_problem_is_never_learned(train_split: list[Sample]) -> None:
    learned = {sample.id for sample in learned_samples(train_split)}
    held_out = {f"gsm8k/train/{row}" for row in range(6000) if is_held_out("train", row)}
    assert learned | held_out == {sample.id for sample in train_split}
    assert not learned & held_out


@pytest.mark.parametrize(
    ("solution", "thoughts"),
    [
        ("Tom has <<2+3=5>>5.\n#### 5", "\n"),
        ("Tom has <<2+3=5>>5.\nTom has <<5*2=10>>10.\n#### 10", "\n5\n"),
        ("<<1+1=2>>2\n<<2*2=4>>4\n<<4/2=2>>2\n#### 2", "\n2\n4\n"),
        ("<<3*.5=1.5>>1.5 and <<1.5*2=3>>3\n#### 3", "\n1.5\n"),
        ("No calculation.\n#### 7", "\n"),
    ],
)
def test_the_teacher_thinks_all_steps_but_the_last(solution: str, thoughts: str) -> None:
    assert thoughts_of(solution) == thoughts


def test_an_example_has_the_question_as_it_is_asked_and_an_answer_that_ends() -> None:
    sample = Sample(
        "gsm8k/train/0", "Tom has 12 pens.", "10", metadata={"solution": "<<2+3=5>>\n<<5*2=10>>"}
    )
    tokenizer = build_tokenizer(["Tom has pens.\n#### <<1+2*3=9>>"], 64)
    example = codi_example(sample, cast("Encoder", tokenizer))
    assert tokenizer.decode(list(example.question)) == "Tom has 12 pens."
    assert tokenizer.decode(list(example.thoughts)) == "\n5\n"
    assert tokenizer.decode(list(example.answer[: example.n_lead])) == "#### "
    assert tokenizer.decode(list(example.answer[example.n_lead : -1])) == "10"
    assert example.answer[-1] == tokenizer.eos_token_id
    assert example.n_steps == 2


def some_problems() -> list[CodiExample]:
    """Three lengths of question, one to three steps."""
    return [
        CodiExample((n, *[0] * (n % 3)), (), (1, 2), 1, n_steps=1 + n // 3 % 3) for n in range(90)
    ]


def test_a_batch_holds_questions_of_one_length_and_none_twice() -> None:
    batches = ProblemBatches(some_problems(), Random(1))
    for _ in range(50):
        batch = batches.draw(8, {1: 1, 2: 1, 3: 1})
        assert len(batch) == len({example.question for example in batch}) == 8
        assert len({len(example.question) for example in batch}) == 1


def test_problems_come_in_the_shares_that_are_wanted() -> None:
    batches = ProblemBatches(some_problems(), Random(1))
    drawn = [e.n_steps for _ in range(400) for e in batches.draw(4, {1: 0.7, 2: 0.3, 3: 0.0})]
    counts = Counter(drawn)
    assert set(counts) == {1, 2}
    assert 0.62 < counts[1] / len(drawn) < 0.75


def test_the_same_seed_draws_the_same_batches() -> None:
    def draws(seed: int) -> list[list[CodiExample]]:
        batches = ProblemBatches(some_problems(), Random(seed))
        return [batches.draw(4, {1: 1, 2: 1, 3: 1}) for _ in range(5)]

    assert draws(3) == draws(3)
    assert draws(3) != draws(4)
