"""Completions that share their beginnings are those that are generated each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from quarry.inference.engine import CaptureSpec, Completion, GenerationParameters, Prompt
from quarry.inference.transformers_engine import TransformersEngine
from tests.contracts.engine_cases import PROMPTS, same_completions
from tests.contracts.tiny_models import write_tiny_checkpoint

ARCHITECTURES = ("olmo3", "llama", "qwen2", "gpt_neox", "gpt2")
N = 48
FEW: Sequence[Prompt] = (PROMPTS[0], PROMPTS[2])
"""One short, one longer than the window of sliding attention."""


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model_dir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(
        tmp_path_factory.mktemp("shared") / request.param, str(request.param)
    )


def hot(temperature: float, **others: int | tuple[str, ...]) -> GenerationParameters:
    return GenerationParameters(
        **{"max_new_tokens": 8, "temperature": temperature, "n": N, "seed": 3, **others}  # type: ignore[arg-type]
    )


def completions(
    model_dir: Path, parameters: GenerationParameters, batch_size: int
) -> list[Completion]:
    with TransformersEngine.load(model_dir, device="cpu", batch_size=batch_size) as engine:
        return list(engine.run(FEW, parameters))


@pytest.mark.parametrize("temperature", [0.05, 0.8, 2.0])
@pytest.mark.parametrize("batch_size", [1, 5, 32])
def test_shared_beginnings_change_no_token(
    model_dir: Path, temperature: float, batch_size: int
) -> None:
    each_by_itself = completions(model_dir, hot(temperature), batch_size=N + 1)
    shared = completions(model_dir, hot(temperature), batch_size)
    assert same_completions(each_by_itself, shared)


def test_greedy_completions_are_computed_once(model_dir: Path) -> None:
    with TransformersEngine.load(model_dir, device="cpu", batch_size=4) as engine:
        rows = widths(engine)
        found = list(engine.run(FEW, hot(0.0)))
    assert len(found) == 2 * N
    assert set(rows) == {1}
    assert len({c.text for c in found if c.prompt_index == 0}) == 1


def test_no_more_sequences_run_at_once_than_the_batch_size_says(model_dir: Path) -> None:
    with TransformersEngine.load(model_dir, device="cpu", batch_size=6) as engine:
        rows = widths(engine)
        found = list(engine.run(FEW, hot(2.0)))
    assert len({c.text for c in found}) > N, "so hot that nearly all differ"
    assert max(rows) == 6


def test_memory_that_runs_out_halves_the_width_and_changes_no_token(model_dir: Path) -> None:
    expected = completions(model_dir, hot(1.0), batch_size=N + 1)
    with TransformersEngine.load(model_dir, device="cpu", batch_size=16) as engine:
        rows = widths(engine, most=5)
        found = list(engine.run(FEW, hot(1.0)))
        remarks = engine.usage.remarks
    assert same_completions(expected, found)
    assert max(rows) > 5
    assert "going on with 8" in remarks[0]
    assert "going on with 4" in remarks[1]


def test_stop_strings_end_shared_completions_alike(model_dir: Path) -> None:
    free = completions(model_dir, hot(1.0), batch_size=N + 1)
    stop = next(c.text[2:4] for c in free if len(c.text) > 6)
    each_by_itself = completions(model_dir, hot(1.0, stop=(stop,)), batch_size=N + 1)
    shared = completions(model_dir, hot(1.0, stop=(stop,)), batch_size=4)
    assert any(c.finish_reason == "stop" for c in shared)
    assert same_completions(each_by_itself, shared)


def test_states_of_shared_completions_are_those_of_each_by_itself(model_dir: Path) -> None:
    parameters, capture = hot(0.7, n=12), CaptureSpec((0, 2))
    found: list[list[Completion]] = []
    for batch_size in (4, 13):
        with TransformersEngine.load(model_dir, device="cpu", batch_size=batch_size) as engine:
            found.append(list(engine.run(FEW, parameters, capture)))
    assert same_completions(*found)
    for shared, alone in zip(*found, strict=True):
        assert shared.hidden_states is not None
        assert alone.hidden_states is not None
        np.testing.assert_allclose(
            shared.hidden_states.astype(float),
            alone.hidden_states.astype(float),
            atol=2e-3,
            rtol=2e-3,
        )


def widths(engine: TransformersEngine, most: int | None = None) -> list[int]:
    """Rows of each forward pass from now on; passes of more than `most` run out of memory."""
    rows: list[int] = []
    forward = engine.model.forward

    def counted(*args: object, **kwargs: object) -> object:
        width = len(kwargs["input_ids"])  # type: ignore[arg-type]
        rows.append(width)
        if most is not None and width > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(*args, **kwargs)

    engine.model.forward = counted  # type: ignore[method-assign]
    return rows
