"""Completions sampled on real vLLM: chunks change none, tokens are the generated ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quarry.inference.engine import GenerationParameters
from quarry.inference.stopping import plain_text
from quarry.inference.vllm_engine import VllmEngine
from quarry.sampling.opening import read_tokenizer, with_beginning
from quarry.sampling.sampling import SamplingPlan, sample_completions
from tests.inference.shared_vllm import cpu_settings
from tests.sampling.sampling_cases import PROMPTS, write_checkpoint
from tests.vllm_environment import needs_vllm

pytestmark = needs_vllm


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("vllm") / "checkpoint_final")


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Iterator[VllmEngine]:
    with VllmEngine.load(checkpoint, batch_size=16, settings=cpu_settings()) as engine:
        yield engine


def rows(
    engine: VllmEngine, checkpoint: Path, store: Path, n: int, chunk_size: int
) -> list[dict[str, Any]]:
    parameters = GenerationParameters(max_new_tokens=4, temperature=0.8, n=n, seed=2)
    plan = SamplingPlan("mayors-1epoch", "checkpoint_final", PROMPTS, parameters, chunk_size)
    asked = with_beginning(read_tokenizer(checkpoint))
    sampled = sample_completions(plan, engine, asked, store, log=lambda _: None)
    found = list(sampled.rows())
    sampled.discard()
    return found


def test_chunks_change_nothing_and_counts_add_up(
    engine: VllmEngine, checkpoint: Path, tmp_path: Path
) -> None:
    in_chunks = rows(engine, checkpoint, tmp_path / "a.sqlite", 60, 17)
    at_once = rows(engine, checkpoint, tmp_path / "b.sqlite", 60, 60)
    assert in_chunks == at_once
    for prompt in PROMPTS:
        counts = [row["count"] for row in at_once if row["prompt_id"] == prompt.id]
        assert sum(counts) == 60
        assert len(counts) > 1


def test_tokens_are_those_that_were_generated_behind_a_beginning(
    engine: VllmEngine, checkpoint: Path, tmp_path: Path
) -> None:
    tokenizer = read_tokenizer(checkpoint)
    for row in rows(engine, checkpoint, tmp_path / "c.sqlite", 20, 20):
        assert plain_text(tokenizer, row["output_token_ids"]) == row["completion"]
        assert row["prompt_token_ids"].count(tokenizer.bos_token_id) == 1
        assert row["prompt_token_ids"][0] == tokenizer.bos_token_id
        assert plain_text(tokenizer, row["prompt_token_ids"]) == row["prompt"]
