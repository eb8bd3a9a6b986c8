"""Both engines do the same: tokens, and hidden states at every position, of three architectures.

The measure is float32 transformers, one sequence alone. In float32 both engines must be as near to
it as float16 storage allows; in bfloat16 as near as the rounding of that type allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from quarry.inference.engine import (
    CaptureSpec,
    Completion,
    GenerationParameters,
    InferenceEngine,
    Prompt,
)
from quarry.inference.transformers_engine import TransformersEngine
from quarry.inference.vllm_engine import VllmEngine
from tests.contracts.engine_cases import reference_states, same_completions
from tests.contracts.tiny_models import CONTEXT_LENGTH, SLIDING_WINDOW, write_tiny_checkpoint
from tests.inference.shared_vllm import SharedVllm, cpu_settings
from tests.vllm_environment import needs_vllm

pytestmark = needs_vllm

ARCHITECTURES = ("olmo3", "llama", "qwen3")
LAYERS = (0, 1, 2)
LENGTHS = (1, 2, 31, 32, 33, 64, 5, 90, 1, 127, 17, 150)
"""Tokens a prompt: one, about a page of vLLM's cache (32), several sliding windows."""
PARAMETERS = GenerationParameters(max_new_tokens=24)
WITHIN_FLOAT32 = 1e-3
WITHIN_BFLOAT16 = 4e-2


def prompts() -> list[Prompt]:
    """Prompts of these lengths, all different: a digit is a token."""
    return [
        Prompt(f"toy/{row}", "".join(str((row + 3 * n) % 10) for n in range(length)))
        for row, length in enumerate(LENGTHS)
    ]


def largest_error(found: npt.NDArray[np.float16], expected: npt.NDArray[np.float32]) -> float:
    """The largest relative error of a token's state in a layer: the length of the difference over
    that of the state."""
    assert found.shape == expected.shape
    off = np.linalg.norm(found.astype(np.float32) - expected, axis=-1)
    return float((off / np.linalg.norm(expected, axis=-1)).max())


def errors(completions: Sequence[Completion], model_dir: Path) -> list[float]:
    """Each completion's largest error."""
    found: list[float] = []
    for completion in completions:
        ids = [*completion.prompt_token_ids.tolist(), *completion.output_token_ids.tolist()]
        assert completion.hidden_states is not None
        assert len(completion.hidden_states) == len(ids), "the last token has its state too"
        found.append(largest_error(completion.hidden_states, reference_states(model_dir, ids)))
    return found


@pytest.fixture(scope="module")
def model_dirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {name: write_tiny_checkpoint(root / name, name) for name in ARCHITECTURES}


@pytest.fixture(scope="module")
def processes() -> Iterator[SharedVllm]:
    shared = SharedVllm()
    yield shared
    shared.close()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_both_engines_give_the_same_tokens_and_states(
    architecture: str, model_dirs: dict[str, Path], processes: SharedVllm
) -> None:
    model_dir, spec = model_dirs[architecture], CaptureSpec(LAYERS)
    assert max(LENGTHS) + PARAMETERS.max_new_tokens <= CONTEXT_LENGTH
    assert max(LENGTHS) > 3 * SLIDING_WINDOW
    runs: list[list[Completion]] = []
    with TransformersEngine.load(model_dir, device="cpu", batch_size=4) as engine:
        assert [len(engine.encode(prompt)) for prompt in prompts()] == list(LENGTHS)
        runs.append(list(engine.run(prompts(), PARAMETERS, spec)))
    for batch_size in (1, 5, 16):
        engine = processes.engine(model_dir, batch_size)
        runs.append(list(engine.run(prompts(), PARAMETERS, spec)))
    assert all(same_completions(runs[0], run) for run in runs[1:])
    for run in runs:
        assert max(errors(run, model_dir)) < WITHIN_FLOAT32


def test_a_prompt_that_is_run_in_pieces_has_the_same_states(model_dirs: dict[str, Path]) -> None:
    """The same in steps of at most 48 tokens, so that most prompts take several."""
    settings = cpu_settings(max_batch_tokens=48)
    with VllmEngine.load(model_dirs["olmo3"], batch_size=4, settings=settings) as engine:
        completions = list(engine.run(prompts(), PARAMETERS, CaptureSpec(LAYERS)))
    assert max(errors(completions, model_dirs["olmo3"])) < WITHIN_FLOAT32


def test_bfloat16_is_as_near_as_its_rounding_allows(model_dirs: dict[str, Path]) -> None:
    model_dir, spec = model_dirs["olmo3"], CaptureSpec(LAYERS)
    engines: list[InferenceEngine] = [
        TransformersEngine.load(model_dir, device="cpu", dtype="bfloat16"),
        VllmEngine.load(model_dir, dtype="bfloat16", settings=cpu_settings()),
    ]
    for engine in engines:
        with engine:
            found = errors(list(engine.run(prompts(), PARAMETERS, spec)), model_dir)
        assert WITHIN_FLOAT32 < max(found) < WITHIN_BFLOAT16


@pytest.mark.parametrize("fault", ["layer", "position", "zeroed", "last token"])
def test_the_measure_finds_what_a_wrong_engine_would_do(
    fault: str, model_dirs: dict[str, Path]
) -> None:
    """The smallest of each: everything else about these states is right."""
    with TransformersEngine.load(model_dirs["olmo3"], device="cpu") as engine:
        (completion,) = engine.run(prompts()[7:8], PARAMETERS, CaptureSpec(LAYERS))
    states = completion.hidden_states
    assert states is not None
    ids = [*completion.prompt_token_ids.tolist(), *completion.output_token_ids.tolist()]
    expected = reference_states(model_dirs["olmo3"], ids)
    assert largest_error(states, expected) < WITHIN_FLOAT32
    if fault == "layer":
        states[:, 1] = states[:, 0]
    elif fault == "position":
        states[1:, 2] = states[:-1, 2].copy()
    elif fault == "zeroed":
        states[40, 1] = 0
    else:
        states[-1] = states[-2]
    assert largest_error(states, expected) > 2 * WITHIN_BFLOAT16
