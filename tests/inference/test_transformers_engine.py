"""The transformers engine keeps the contract, and what is special about it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quarry.errors import EngineMemoryError, IntegrityError, ModelLoadError, UsageError
from quarry.inference.capture import decoder_blocks
from quarry.inference.engine import CaptureSpec, GenerationParameters, Prompt
from quarry.inference.transformers_engine import TransformersEngine
from tests.contracts.engine_cases import (
    GREEDY,
    PROMPTS,
    reference_states,
    same_completions,
)
from tests.contracts.engine_contract import EngineContract
from tests.contracts.tiny_models import write_tiny_checkpoint

ARCHITECTURES = ("olmo3", "llama", "qwen2", "qwen3", "gpt_neox", "gpt2")


def load(model_dir: Path, batch_size: int = 4) -> TransformersEngine:
    return TransformersEngine.load(model_dir, device="cpu", batch_size=batch_size)


class TestTransformersEngine(EngineContract):
    @classmethod
    def make_engine(cls, model_dir: Path, batch_size: int) -> TransformersEngine:
        return load(model_dir, batch_size)


@pytest.fixture(scope="module")
def model_dirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {name: write_tiny_checkpoint(root / name, name) for name in ARCHITECTURES}


@pytest.fixture(scope="module")
def engines(model_dirs: dict[str, Path]) -> dict[str, TransformersEngine]:
    return {name: load(directory) for name, directory in model_dirs.items()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@settings(
    max_examples=6,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=6),
    n_new=st.integers(1, 20),
    layers=st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True),
)
def test_any_batch_gives_the_states_of_each_sequence_alone(
    architecture: str,
    lengths: list[int],
    n_new: int,
    layers: list[int],
    engines: dict[str, TransformersEngine],
    model_dirs: dict[str, Path],
) -> None:
    prompts = [Prompt(f"toy/{row}", "x1" * length) for row, length in enumerate(lengths)]
    parameters = GenerationParameters(n_new)
    spec = CaptureSpec(tuple(layers))
    for completion in engines[architecture].run(prompts, parameters, spec):
        ids = [*completion.prompt_token_ids, *completion.output_token_ids]
        expected = reference_states(model_dirs[architecture], ids)[:, layers]
        assert completion.hidden_states is not None
        np.testing.assert_allclose(
            completion.hidden_states.astype(np.float32), expected, rtol=1e-3, atol=1e-3
        )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_left_padding_changes_no_token_also_where_positions_are_absolute(
    architecture: str, model_dirs: dict[str, Path], engines: dict[str, TransformersEngine]
) -> None:
    prompts = [prompt for prompt in PROMPTS if not prompt.is_chat]
    alone = list(load(model_dirs[architecture], batch_size=1).run(prompts, GREEDY))
    assert same_completions(alone, list(engines[architecture].run(prompts, GREEDY)))


def refuse_more_than(engine: TransformersEngine, n_rows: int, error: Exception) -> list[int]:
    """Make forward run out of memory beyond `n_rows`; returns the sizes it was given."""
    sizes: list[int] = []

    def check(module: Any, args: Any, kwargs: Any) -> None:
        sizes.append(len(kwargs["input_ids"]))
        if len(kwargs["input_ids"]) > n_rows:
            raise error

    engine.model.base_model.register_forward_pre_hook(check, with_kwargs=True)
    return sizes


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=["cuda", "numpy", "cpu"],
)
def test_a_batch_that_does_not_fit_is_halved_and_stays_halved(
    model_dirs: dict[str, Path], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    expected = list(load(model_dirs["olmo3"]).run(PROMPTS, GREEDY, CaptureSpec((0, 2))))
    engine = load(model_dirs["olmo3"], batch_size=7)
    sizes = refuse_more_than(engine, 2, error)
    with caplog.at_level(logging.WARNING):
        found = list(engine.run(PROMPTS, GREEDY, CaptureSpec((0, 2))))
    assert same_completions(expected, found)
    assert [size for size in sizes if size > 2] == [7, 3, 7, 3]
    assert "out of memory in generation with a batch of 7" in caplog.text
    assert "out of memory in capture with a batch of 3" in caplog.text
    del sizes[:]
    list(engine.run(PROMPTS, GREEDY, CaptureSpec((0, 2))))
    assert max(sizes) == 1


def test_out_of_memory_with_one_row_is_an_error_that_says_what_to_do(
    model_dirs: dict[str, Path],
) -> None:
    engine = load(model_dirs["olmo3"], batch_size=4)
    refuse_more_than(engine, 0, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(EngineMemoryError, match="batch of one"):
        list(engine.run(PROMPTS, GREEDY))


def test_another_runtime_error_is_not_taken_for_lack_of_memory(model_dirs: dict[str, Path]) -> None:
    engine = load(model_dirs["olmo3"], batch_size=4)
    refuse_more_than(engine, 2, RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        list(engine.run(PROMPTS, GREEDY))


@pytest.mark.parametrize(("value", "kind"), [(1e6, "float16_overflow"), (torch.nan, "not_finite")])
def test_a_state_that_float16_can_not_hold_is_an_error_naming_sample_and_layer(
    model_dirs: dict[str, Path], value: float, kind: str
) -> None:
    engine = load(model_dirs["llama"])
    block = decoder_blocks(engine.model)[1]

    def spoil(module: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        output[-1, 0, 0] = value
        return output

    block.register_forward_hook(spoil)
    with pytest.raises(IntegrityError, match="layer 1") as caught:
        list(engine.run(PROMPTS[:2], GREEDY, CaptureSpec((0, 1))))
    (finding,) = caught.value.findings
    assert (finding.kind, finding.sample_id) == (kind, "toy/1")


def test_a_layer_that_does_not_exist_is_refused(engines: dict[str, TransformersEngine]) -> None:
    with pytest.raises(UsageError, match=r"layers 0 \.\. 2"):
        engines["llama"].run(PROMPTS, GREEDY, CaptureSpec((0, 3)))


def test_a_prompt_without_tokens_is_refused(engines: dict[str, TransformersEngine]) -> None:
    with pytest.raises(UsageError, match="no tokens"):
        engines["llama"].run([Prompt("toy/empty", "")], GREEDY)


def test_a_chat_prompt_needs_a_chat_template(model_dirs: dict[str, Path]) -> None:
    engine = load(model_dirs["llama"])
    engine.tokenizer.chat_template = None
    with pytest.raises(ModelLoadError, match="prompt_style: raw"):
        engine.encode(Prompt("toy/0", "Hi", is_chat=True))


def test_a_closed_engine_says_so(model_dirs: dict[str, Path]) -> None:
    engine = load(model_dirs["llama"])
    engine.close()
    with pytest.raises(UsageError, match="after it was closed"):
        engine.run(PROMPTS, GREEDY)


def test_results_of_the_first_window_come_before_the_last_is_generated(
    model_dirs: dict[str, Path],
) -> None:
    engine = load(model_dirs["llama"], batch_size=1)
    sizes = refuse_more_than(engine, 1, AssertionError())
    completions = engine.run([Prompt(f"toy/{row}", "x") for row in range(40)], GREEDY)
    next(completions)
    assert len(sizes) <= 4 * GREEDY.max_new_tokens
