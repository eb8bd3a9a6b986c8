"""Prompts of a benchmark: leaks refused, lengths kept, nothing cut silently."""

from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.benchmarks.benchmark_set import BenchmarkSet
from quarry.catalog import BenchmarkSpec
from quarry.errors import LeakageError, PromptTooLongError
from quarry.inference.engine import Prompt
from quarry.prompts import build_prompts
from quarry.samples import Sample

ERROR = BenchmarkSpec(format="gsm8k")
TRUNCATE = BenchmarkSpec(format="gsm8k", overflow="truncate_left")


def sample(split: str, row: int, n_words: int) -> Sample:
    words = " ".join(f"{split}{row}w{n}" for n in range(n_words))
    return Sample(f"gsm8k/{split}/{row}", words, "1", metadata={"solution": "so\n#### 1"})


def benchmark(n_graded: int = 3, n_exemplars: int = 4, n_words: int = 10) -> BenchmarkSet:
    return BenchmarkSet(
        "gsm8k",
        n_exemplars,
        "gsm8k",
        tuple(sample("test", row, n_words) for row in range(n_graded)),
        tuple(sample("train", row, n_words) for row in range(n_exemplars)),
    )


def count_words(prompt: Prompt) -> int:
    return len(prompt.text.split())


def build(
    a_set: BenchmarkSet,
    spec: BenchmarkSpec = ERROR,
    style: Literal["raw", "chat"] = "raw",
    context_length: int = 10_000,
    max_new_tokens: int = 10,
) -> list[Prompt]:
    return build_prompts(
        a_set,
        spec,
        style,
        count_tokens=count_words,
        context_length=context_length,
        max_new_tokens=max_new_tokens,
    )


@pytest.mark.parametrize(("style", "is_chat"), [("raw", False), ("chat", True)])
def test_there_is_one_prompt_a_sample_in_order(
    style: Literal["raw", "chat"], is_chat: bool
) -> None:
    a_set = benchmark()
    prompts = build(a_set, style=style)
    assert [prompt.sample_id for prompt in prompts] == [s.id for s in a_set.samples]
    assert {prompt.is_chat for prompt in prompts} == {is_chat}
    assert {prompt.exemplar_ids for prompt in prompts} == {tuple(s.id for s in a_set.exemplars)}


def test_a_prompt_that_just_fits_is_kept_and_one_token_less_is_an_error() -> None:
    a_set = benchmark(n_graded=1, n_exemplars=2)
    n_tokens = count_words(build(a_set)[0])
    assert build(a_set, context_length=n_tokens + 10)
    with pytest.raises(PromptTooLongError) as caught:
        build(a_set, context_length=n_tokens + 9)
    assert caught.value.where == "gsm8k/test/0"
    assert str(n_tokens) in (caught.value.got or "")
    assert str(n_tokens - 1) in (caught.value.expected or "")
    assert "truncate_left" in (caught.value.fix or "")


def test_truncation_leaves_out_the_first_exemplars_and_says_which_remain() -> None:
    a_set = benchmark(n_graded=1, n_exemplars=4)
    kept = replace(a_set, exemplars=a_set.exemplars[2:])
    (expected,) = build(kept)
    (prompt,) = build(a_set, TRUNCATE, context_length=count_words(expected) + 10)
    assert prompt == expected
    assert prompt.exemplar_ids == ("gsm8k/train/2", "gsm8k/train/3")


def test_a_question_that_does_not_fit_alone_is_an_error_also_when_truncating() -> None:
    with pytest.raises(PromptTooLongError, match="0 exemplars"):
        build(benchmark(n_words=50), TRUNCATE, context_length=40)


@given(
    n_words=st.integers(1, 30),
    n_exemplars=st.integers(0, 6),
    context_length=st.integers(1, 400),
    max_new_tokens=st.integers(1, 50),
)
@settings(derandomize=True, deadline=None)
def test_a_prompt_always_fits_and_always_holds_the_whole_question(
    n_words: int, n_exemplars: int, context_length: int, max_new_tokens: int
) -> None:
    a_set = benchmark(2, n_exemplars, n_words)
    try:
        prompts = build(a_set, TRUNCATE, "raw", context_length, max_new_tokens)
    except PromptTooLongError:
        alone = build(replace(a_set, exemplars=()))
        assert max(map(count_words, alone)) + max_new_tokens > context_length
        return
    for prompt, graded in zip(prompts, a_set.samples, strict=True):
        assert count_words(prompt) + max_new_tokens <= context_length
        assert prompt.text.endswith(f"Question: {graded.input}\nAnswer:")
        assert prompt.text.count("Question:") == len(prompt.exemplar_ids) + 1
        ids = tuple(exemplar.id for exemplar in a_set.exemplars)
        assert prompt.exemplar_ids == ids[len(ids) - len(prompt.exemplar_ids) :]


def test_a_graded_exemplar_is_refused_before_any_prompt_is_built() -> None:
    a_set = benchmark()
    leaking = replace(a_set, exemplars=(*a_set.exemplars, a_set.samples[1]))
    with pytest.raises(LeakageError, match="gsm8k/test/1") as caught:
        build(leaking)
    assert caught.value.fix


def test_an_exemplar_of_the_graded_split_is_refused_even_if_it_is_not_drawn() -> None:
    a_set = benchmark()
    with pytest.raises(LeakageError, match="graded split"):
        build(replace(a_set, exemplars=(sample("test", 99, 5),)))
