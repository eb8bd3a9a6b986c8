"""Too little memory, a damaged checkpoint, no vLLM: the run goes on where it can, else says why."""

from __future__ import annotations

import random
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from quarry.errors import (
    EngineDiedError,
    EngineMemoryError,
    IntegrityError,
    ModelLoadError,
    UsageError,
)
from quarry.inference.engine import CaptureSpec, Completion, GenerationParameters, Prompt
from quarry.inference.host.session import session_members
from quarry.inference.transformers_engine import TransformersEngine
from quarry.inference.vllm_engine import VllmEngine
from tests.contracts.engine_cases import GREEDY, PROMPTS
from tests.contracts.tiny_models import write_tiny_checkpoint
from tests.inference.vllm_under_fire import (
    CAPTURE,
    MANY,
    MIB,
    is_right,
    load,
    member,
    session_of,
)
from tests.vllm_environment import needs_vllm, vllm_python

pytestmark = [needs_vllm, pytest.mark.timeout(600)]


@pytest.mark.parametrize("python", ["/nonexistent/python", sys.executable])
def test_an_interpreter_without_vllm_is_refused_at_once(llama_dir: Path, python: str) -> None:
    if python == sys.executable == vllm_python():
        pytest.skip("the tests run where vLLM is")
    with pytest.raises(ModelLoadError, match="vLLM is not installed") as caught:
        load(llama_dir, vllm_python=python)
    assert "make vllm" in str(caught.value)


def truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])


def lose_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.down_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "cause"), [(truncate, "SafetensorError"), (lose_weights, "down_proj")]
)
def test_a_damaged_checkpoint_is_refused_with_its_cause(
    tmp_path: Path, damage: Callable[[Path], None], cause: str
) -> None:
    folder = write_tiny_checkpoint(tmp_path / "damaged", "llama")
    damage(folder)
    with pytest.raises(ModelLoadError, match=cause):
        load(folder)


def test_a_model_that_vllm_can_not_capture_from_is_refused_with_its_reason(tmp_path: Path) -> None:
    folder = write_tiny_checkpoint(tmp_path / "model", "gpt2")
    with load(folder) as engine:
        with pytest.raises(ModelLoadError, match="vLLM could not load a model") as caught:
            list(engine.run(PROMPTS, GREEDY, CAPTURE))
        assert engine._supply.host is None
    assert "Error" in str(caught.value.got)
    assert "initialization failed" not in str(caught.value.got)


def test_out_of_memory_halves_the_batch_and_the_run_goes_on(
    llama_dir: Path, reference: list[Completion]
) -> None:
    with starved(llama_dir, cache_bytes=2048 * MIB, batch_size=4) as engine:
        assert is_right(list(engine.run(PROMPTS, GREEDY, CAPTURE)), reference)
        (remark,) = engine.usage.remarks
        assert "out of memory with a batch of 4 and a cache of 2048 MiB" in remark
        assert "going on with 2 and a cache of 1024 MiB" in remark


def test_out_of_memory_at_the_smallest_batch_says_what_to_do(llama_dir: Path) -> None:
    with starved(llama_dir, cache_bytes=8192 * MIB, batch_size=2) as engine:
        with pytest.raises(EngineMemoryError, match="smallest batch") as caught:
            list(engine.run(PROMPTS, GREEDY, CAPTURE))
        assert len(engine.usage.remarks) == 1
        assert engine._supply.host is None
    assert "more memory" in str(caught.value)


def starved(llama_dir: Path, *, cache_bytes: int, batch_size: int) -> VllmEngine:
    """An engine whose cache does not fit beside what vLLM itself needs."""
    engine = load(llama_dir, batch_size, memory_limit_bytes=4300 * MIB)
    engine._supply.settings = replace(engine._supply.settings, cpu_cache_bytes=cache_bytes)
    return engine


def test_memory_that_ends_in_the_middle_of_a_run_is_survived_and_nothing_wrong_comes_of_it(
    llama_dir: Path, reference: list[Completion]
) -> None:
    with load(llama_dir) as engine:
        run = engine.run(PROMPTS * 40, GREEDY, CAPTURE)
        completions = [next(run) for _ in range(7)]
        session = session_of(engine)
        # From now on the worker gets no more memory from the kernel than it has. Libraries differ
        # in what they make of that: most say it, some die of it.
        worker = member(session, "VLLM::Worker")
        resource.prlimit(worker, resource.RLIMIT_AS, (4096, 4096))
        try:
            completions += run
        except EngineDiedError:
            assert session_members(session) == []
            assert is_right(list(engine.run(PROMPTS, GREEDY, CAPTURE)), reference)
        else:
            assert len(completions) == len(PROMPTS) * 40
            assert "out of memory with a batch of 4" in "".join(engine.usage.remarks)
        for completion in completions:
            expected = reference[completion.prompt_index % len(PROMPTS)]
            assert is_right([completion], [expected])
        assert session_of(engine) != session


def test_a_spool_smaller_than_one_request_grows_and_says_so(
    llama_dir: Path, reference: list[Completion]
) -> None:
    with load(llama_dir, spool_bytes=1024) as engine:
        assert is_right(list(engine.run(PROMPTS * 2, GREEDY, CAPTURE)), reference)
        session = session_of(engine)
        grown, bound = engine.usage.remarks
        assert "it was enlarged" in grown
        assert "room for the hidden states of 1 requests, so not 4" in bound
        # The next call has a smaller need and the same room.
        assert is_right(list(engine.run(PROMPTS, GREEDY, CAPTURE)), reference)
        assert sum("enlarged" in remark for remark in engine.usage.remarks) == 1
        half = engine.run(PROMPTS, GREEDY)
        next(half)
    with pytest.raises(UsageError, match="closed"):
        list(half)
    assert session_members(session) == []


def test_states_too_large_for_float16_are_named_and_the_engine_goes_on(
    tmp_path: Path,
) -> None:
    loud = write_tiny_checkpoint(tmp_path / "loud", "llama")
    weights = load_file(loud / "model.safetensors")
    name = "model.layers.1.mlp.down_proj.weight"
    weights[name] = weights[name] * 1e7
    save_file(weights, loud / "model.safetensors", metadata={"format": "pt"})
    with load(loud) as engine:
        with pytest.raises(IntegrityError) as caught:
            list(engine.run(MANY, GREEDY, CaptureSpec((0, 1, 2))))
        (finding,) = caught.value.findings
        assert (finding.sample_id, finding.kind) == ("toy/0", "float16_overflow")
        assert "token 0, layer 1" in finding.where
        calm = list(engine.run(PROMPTS, GREEDY, CaptureSpec((0,))))
        assert len(calm) == len(PROMPTS)
        with pytest.raises(IntegrityError, match="sequence 0"):
            list(engine.states([[5, 6]], (2,)))


def test_sequences_that_lose_their_pages_have_all_their_states(llama_dir: Path) -> None:
    """The cache holds two of sixteen sequences, so that vLLM takes pages away all the time."""
    words = ["Tom", "has", "12", "apples.", "Kim", "is", "a", "cat;", "def", "東京", "Größe\n"]
    dice = random.Random(1)
    prompts = [
        Prompt(f"toy/{n}", " ".join(dice.choices(words, k=dice.randint(1, 20)))) for n in range(60)
    ]
    parameters = GenerationParameters(
        max_new_tokens=80, temperature=1.5, n=4, seed=3, stop=("Tom", "cat", "12")
    )
    with load(llama_dir, 16, spool_bytes=64 * MIB) as engine:
        engine._supply.settings = replace(engine._supply.settings, cpu_cache_bytes=600 << 10)
        completions = list(engine.run(prompts, parameters, CAPTURE))
    sequences = [[*c.prompt_token_ids.tolist(), *c.output_token_ids.tolist()] for c in completions]
    assert sum(c.finish_reason == "stop" for c in completions) > 100
    with TransformersEngine.load(llama_dir, batch_size=16, device="cpu") as other:
        for completion, expected in zip(
            completions, other.states(sequences, CAPTURE.layers), strict=True
        ):
            assert completion.hidden_states is not None
            np.testing.assert_allclose(completion.hidden_states, expected, atol=2e-2, rtol=1e-3)
