"""Difficulty: the published counts of the corpus, and the rule on its own."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.benchmarks import gsm8k
from quarry.errors import UsageError
from quarry.selection.difficulty import DIFFICULTIES, difficulty_of, reasoning_steps

COUNTS = {"test": [431, 367, 293, 228], "train": [2622, 2150, 1435, 1266]}


@pytest.mark.shared
@pytest.mark.parametrize("split", ["test", "train"])
def test_the_whole_corpus_has_the_published_counts(shared_data, split):
    samples = gsm8k.parse(gsm8k.read(shared_data, split), split)
    steps = (reasoning_steps(sample.metadata["solution"]) for sample in samples)
    counts = Counter(difficulty_of(n) for n in steps)
    assert [counts[name] for name in DIFFICULTIES] == COUNTS[split]


@pytest.mark.shared
def test_the_existing_problems_have_the_steps_that_their_file_says(shared_data):
    samples = gsm8k.parse(gsm8k.read(shared_data, "test"), "test")
    steps = {one.input: reasoning_steps(one.metadata["solution"]) for one in samples}
    items = json.loads((shared_data / "cot/llama_cot_all.json").read_text("utf-8"))
    clean = [item for item in items if item["variant"] == "clean"]
    assert len(clean) == 132
    assert all(steps[item["question"]] == item["reasoning_steps"] for item in clean)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("16-3=<<16-3=13>>13, 13*2=$<<13*2=26>>26\n#### 26", 2),
        ("He has 5. <<5>>\n#### 5", 1),
        ("2+3 = 5 and 5*2 =10\n#### 10", 2),
        ("One <<1+1=2>>2, then 2+1 = 3\n#### 3", 1),
        ("5 - 2 = $3\n#### 3", 0),
        ("2 - 5 = -3\n#### -3", 0),
        ("empty <<>> blocks count nothing\n#### 3", 0),
        ("", 0),
    ],
)
def test_blocks_are_counted_and_results_only_where_there_is_no_block(text, steps):
    assert reasoning_steps(text) == steps


@given(st.integers(0, 100))
def test_every_number_of_steps_has_a_difficulty_and_more_steps_are_never_easier(steps):
    place = DIFFICULTIES.index(difficulty_of(steps))
    assert place <= DIFFICULTIES.index(difficulty_of(steps + 1))
    assert place == min(max(steps, 2), 5) - 2


def test_a_negative_number_of_steps_is_refused():
    with pytest.raises(UsageError, match="-1"):
        difficulty_of(-1)
