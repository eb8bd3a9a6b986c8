"""Generation k of a prompt depends on seed, prompt and k alone; nothing safe is made twice."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quarry.errors import PromptTooLongError, UsageError
from quarry.inference.engine import Prompt
from quarry.inference.stopping import plain_text
from quarry.sampling.opening import read_tokenizer
from quarry.sampling.prompts import EvalPrompt
from tests.sampling.sampling_cases import (
    ALL,
    PROMPTS,
    Bench,
    N,
    chunked,
    generations,
    load,
    plan,
    write_checkpoint,
)


def test_the_case_has_repeated_and_single_completions(whole: list[dict[str, Any]]) -> None:
    counts = [row["count"] for row in whole]
    assert len(whole) > 3 * len(PROMPTS)
    assert max(counts) > 1
    assert 1 in counts


@pytest.mark.parametrize("chunk_size", [1, 7, 50, N, 10 * N])
def test_chunks_change_nothing(bench: Bench, whole: list[dict[str, Any]], chunk_size: int) -> None:
    rows, asked = bench.sample(plan(chunk_size=chunk_size))
    assert rows == whole
    assert generations(asked) == ALL
    assert max(one.n for one in asked) <= chunk_size


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batches_change_nothing(bench: Bench, whole: list[dict[str, Any]], batch_size: int) -> None:
    assert bench.sample(plan(), batch_size=batch_size)[0] == whole


def test_the_order_of_prompts_is_that_of_the_rows_and_changes_nothing_else(
    bench: Bench, whole: list[dict[str, Any]]
) -> None:
    rows, _ = bench.sample(plan(prompts=PROMPTS[::-1]))
    assert [row["source"] for row in rows if row["generation_idx"] == 0] == [
        prompt.source for prompt in PROMPTS[::-1]
    ]
    assert sorted(rows, key=lambda row: str(row["source"])) == whole


def test_a_prompt_alone_gives_what_it_gives_among_others(
    bench: Bench, whole: list[dict[str, Any]]
) -> None:
    rows, _ = bench.sample(plan(prompts=PROMPTS[1:2]))
    assert rows == [row for row in whole if row["source"] == "mayors/1"]


def test_rows_are_what_the_engine_generates(bench: Bench, whole: list[dict[str, Any]]) -> None:
    tokenizer = read_tokenizer(bench.model_dir)
    for prompt in PROMPTS:
        rows = [row for row in whole if row["prompt_id"] == prompt.id]
        firsts = [row["generation_idx"] for row in rows]
        texts = [row["completion"] for row in rows]
        assert sum(row["count"] for row in rows) == N
        assert firsts == sorted(set(firsts))
        assert len(set(texts)) == len(texts)
        assert {row["n_generations"] for row in rows} == {N}
        for row in rows:
            assert plain_text(tokenizer, row["output_token_ids"]) == row["completion"]


def test_each_completion_is_counted_and_dated_as_plain_generation_says(
    bench: Bench, whole: list[dict[str, Any]]
) -> None:
    prompt = PROMPTS[1]
    with load(bench.model_dir, N + 1) as engine:  # each by itself
        plain = list(engine.run([Prompt(prompt.id, bench.ask(prompt.text))], plan().parameters))
    counts = Counter(one.text for one in plain)
    rows = [row for row in whole if row["prompt_id"] == prompt.id]
    assert {row["completion"]: row["count"] for row in rows} == counts
    for row in rows:
        first = next(one for one in plain if one.text == row["completion"])
        assert row["generation_idx"] == first.completion_index
        assert row["output_token_ids"] == first.output_token_ids.tolist()
        assert row["finish_reason"] == first.finish_reason


def test_completions_end_with_their_end_of_sequence_token(bench: Bench) -> None:
    rows, _ = bench.sample(plan(n=300, chunk_size=300, temperature=1.5))
    ended = [row for row in rows if row["finish_reason"] == "stop"]
    assert ended, "a few of the random completions end by themselves"
    for row in ended:
        assert row["output_token_ids"][-1] == 0
        assert "<|endoftext|>" not in row["completion"]
    for row in rows:
        if row["finish_reason"] == "length":
            assert len(row["output_token_ids"]) == 5


@pytest.mark.parametrize("stop_after", [0, 1, 19, 20, 21, N - 1, N, N + 30, 3 * N - 1])
def test_an_interruption_loses_no_more_than_its_chunk(
    bench: Bench, whole: list[dict[str, Any]], stop_after: int
) -> None:
    before = bench.interrupted(plan(), stop_after)
    rows, after = bench.sample(plan())
    assert rows == whole
    safe = [generation for call in before[:-1] for generation in call.generations]
    assert len(safe) == stop_after // 20 * 20
    assert sorted([*safe, *generations(after)]) == ALL


def test_many_interruptions_change_nothing(bench: Bench, whole: list[dict[str, Any]]) -> None:
    moments = random.Random(5)
    safe: list[tuple[str, int]] = []
    for _ in range(8):
        wanted = chunked(plan(), moments.choice([3, 7, 11]))
        asked = bench.interrupted(wanted, moments.randrange(25))
        safe += [generation for call in asked[:-1] for generation in call.generations]
    rows, asked = bench.sample(plan())
    assert rows == whole
    assert sorted([*safe, *generations(asked)]) == ALL
    assert f"going on from {len(safe)} of {3 * N} generations" in bench.said[-2]


def test_a_larger_n_makes_only_what_an_unfinished_store_lacks(
    bench: Bench, whole: list[dict[str, Any]]
) -> None:
    before = bench.interrupted(plan(n=40), stop_after=90)
    rows, after = bench.sample(plan())
    assert rows == whole
    safe = [generation for call in before[:-1] for generation in call.generations]
    assert len(safe) == 80
    assert sorted([*safe, *generations(after)]) == ALL


def test_a_prompt_that_is_new_is_all_that_is_made(
    bench: Bench, whole: list[dict[str, Any]]
) -> None:
    bench.sample(plan(prompts=PROMPTS[::2]))
    rows, asked = bench.sample(plan())
    assert rows == whole
    assert {one.prompt_id for one in asked} == {PROMPTS[1].id}


def test_a_smaller_n_begins_anew(bench: Bench, whole: list[dict[str, Any]]) -> None:
    bench.sample(plan(n=2 * N))
    rows, asked = bench.sample(plan())
    assert rows == whole
    assert generations(asked) == ALL


@pytest.mark.parametrize(
    "other",
    [{"temperature": 0.7}, {"seed": 2}, {"max_new_tokens": 4}, {"top_p": 0.9}, {"top_k": 9}],
)
def test_other_settings_use_nothing_that_was_made(bench: Bench, other: dict[str, Any]) -> None:
    bench.publish(plan(n=40, **other))
    bench.sample(plan(n=30, **other))
    rows, asked = bench.sample(plan(), published=bench.published)
    assert generations(asked) == ALL
    assert "90 generations made with other settings are not used" in bench.said
    fresh = Bench(bench.model_dir, bench.store.with_name("fresh.sqlite"))
    assert rows == fresh.sample(plan())[0]


def test_other_weights_use_nothing_that_was_made(bench: Bench, tmp_path: Path) -> None:
    bench.publish(plan(n=40))
    bench.sample(plan(n=40))
    copied = write_checkpoint(tmp_path / "copied")
    _, asked = Bench(copied, bench.store).sample(plan(n=40), published=bench.published)
    assert asked == [], "the same weights"
    trained = write_checkpoint(tmp_path / "trained")
    with (trained / "model.safetensors").open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(bytes(4))
    rows, asked = Bench(trained, bench.store).sample(plan(), published=bench.published)
    assert generations(asked) == ALL
    assert len({row["method"] for row in rows}) == 1


def test_a_second_process_is_refused_while_the_first_samples(bench: Bench) -> None:
    with load(bench.model_dir) as engine:
        first = bench.begin(plan(), engine, None)
        with first.store, pytest.raises(UsageError, match="sampled by another process") as refused:
            bench.begin(plan(), engine, None)
        assert str(bench.store) in str(refused.value)
        n_asked = len(engine.asked)
        bench.begin(plan(), engine, None).store.close()
        assert len(engine.asked) == n_asked, "all was kept"


def test_a_failure_gives_the_store_free(bench: Bench) -> None:
    long = EvalPrompt("mayors/9", "Tom has apples. " * 99, " 7")
    with load(bench.model_dir) as engine, pytest.raises(PromptTooLongError, match="context"):
        bench.begin(plan(prompts=[PROMPTS[0], long]), engine, None)
    _, asked = bench.sample(plan(prompts=PROMPTS[:1]))
    assert asked == [], "what was made before the failure is kept"


def test_a_damaged_store_is_put_aside_and_all_is_sampled(
    bench: Bench, whole: list[dict[str, Any]]
) -> None:
    bench.sample(plan(n=40))
    bench.store.write_bytes(b"no database at all " * 99)
    rows, asked = bench.sample(plan())
    assert rows == whole
    assert generations(asked) == ALL
    moved = bench.store.with_suffix(".damaged")
    assert f"the completions made before can't be read; they were moved to {moved}" in bench.said


def test_greedy_sampling_gives_one_completion_a_prompt(bench: Bench) -> None:
    rows, _ = bench.sample(plan(temperature=0.0))
    assert [(row["generation_idx"], row["count"]) for row in rows] == [(0, N)] * 3


def test_progress_tells_of_all_generations(bench: Bench) -> None:
    bench.sample(plan())
    assert bench.said[-1].startswith(f"{3 * N} of {3 * N} generations, ")


def test_what_the_checkpoint_is_called_is_part_of_the_method(bench: Bench) -> None:
    bench.sample(plan(n=40))
    _, asked = bench.sample(replace(plan(), run="mayors-5epochs"))
    assert generations(asked) == ALL
