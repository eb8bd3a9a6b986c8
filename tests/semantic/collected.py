"""Files with states of real tiny models, and faults planted in them: wrong, but whole and intact.

A fault changes rows before they are written, so that the writer makes its digests of what is wrong.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quarry.inference.engine import (
    CaptureSpec,
    GenerationParameters,
    InferenceEngine,
    Prompt,
    Scope,
)
from quarry.inference.transformers_engine import TransformersEngine
from quarry.trajectory.layout import States, TrajectoryHeader, TrajectoryRow
from quarry.trajectory.publication import publish
from tests.contracts.tiny_models import write_tiny_checkpoint
from tests.trajectory.examples import make_header, stage

N_LAYERS = 4
LAYERS = (0, 1, 3)
N_ROWS = 6
_WORDS = ("Tom", "has", "twelve", "apples", "and", "buys", "seven", "more", "red", "ones")


@dataclass(frozen=True)
class Collected:
    """What a model gave for some prompts, before it is written."""

    header: TrajectoryHeader
    rows: tuple[TrajectoryRow, ...]
    whole: tuple[States, ...]
    """States of all layers and all tokens of each row, `(n_tokens, N_LAYERS, d_model)`."""


Fault = Callable[[Collected], Sequence[States]]


def open_tiny(directory: Path, architecture: str, dtype: str = "float32") -> TransformersEngine:
    """A tiny model of four layers, the same for every dtype."""
    folder = directory / architecture
    if not folder.exists():
        write_tiny_checkpoint(folder, architecture, N_LAYERS)
    return TransformersEngine.load(folder, dtype=dtype, device="cpu", batch_size=4)


def collected(
    engine: InferenceEngine,
    scope: Scope = "prompt+output",
    layers: tuple[int, ...] = LAYERS,
    seed: int = 0,
    n_rows: int = N_ROWS,
) -> Collected:
    """Generate and capture with an engine, as a collection does."""
    rng = np.random.default_rng(seed)
    prompts = [
        Prompt(f"toy/test/{k}", " ".join(rng.choice(_WORDS, int(rng.integers(4, 12)))))
        for k in range(n_rows)
    ]
    rows: list[TrajectoryRow] = []
    for k, prompt in enumerate(prompts):
        # lengths that differ: a file whose rows are all cut at the limit is refused
        parameters = GenerationParameters(9 + 2 * k, temperature=1.0, seed=seed)
        made = next(engine.run([prompt], parameters, CaptureSpec(layers, scope)))
        assert made.hidden_states is not None
        rows.append(
            TrajectoryRow(
                sample_id=prompt.sample_id,
                prompt=made.prompt_text,
                model_output=made.text,
                ground_truth="",
                hidden_states=made.hidden_states,
                prompt_length=len(made.prompt_token_ids),
                output_length=len(made.output_token_ids),
                token_ids=np.concatenate([made.prompt_token_ids, made.output_token_ids]),
                finish_reason="stop",
            )
        )
    header = make_header(
        scope=scope,
        layers=layers,
        d_model=engine.d_model,
        max_seq_len=160,
        n_samples=n_rows,
        engine=engine.describe(),
    )
    sequences = [row.token_ids.tolist() for row in rows]
    whole = tuple(engine.states(sequences, tuple(range(engine.n_layers))))
    return Collected(header, tuple(rows), whole)


def write(data_dir: Path, what: Collected, fault: Fault | None = None) -> Path:
    """Publish a file of the rows, with a fault planted in them."""
    states = fault(what) if fault else [row.hidden_states for row in what.rows]
    rows = [
        replace(row, hidden_states=np.ascontiguousarray(wrong, dtype=np.float16))
        for row, wrong in zip(what.rows, states, strict=True)
    ]
    shutil.rmtree(data_dir / "trajectories", ignore_errors=True)
    final = data_dir / what.header.key.trajectory_path
    publish(stage(data_dir, what.header, rows), final)
    return final


def window(row: TrajectoryRow, scope: Scope, whole: npt.NDArray[np.float16]) -> States:
    """The states that a scope keeps."""
    start = row.prompt_length if scope == "output" else 0
    return whole[start : row.prompt_length if scope == "prompt" else None]
