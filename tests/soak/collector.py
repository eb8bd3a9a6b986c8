"""The work that is killed: one cell collected by a tiny deterministic engine, and published.

It goes the way of the platform: `collection.collect`, which goes on from what earlier runs left,
then `publication.publish`, over an older version. The engine notes each sample that it runs, so
that work done twice is seen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quarry.benchmarks.benchmark_set import BenchmarkSet
from quarry.catalog import Catalog
from quarry.collection import collect, expected_file
from quarry.inference.engine import (
    CaptureSpec,
    Completion,
    GenerationParameters,
    InferenceEngine,
    Prompt,
    Usage,
)
from quarry.keys import TrajectoryKey
from quarry.samples import Sample
from quarry.trajectory.manifest import Manifest
from quarry.trajectory.publication import publish
from tests.soak.corpus import words_of

KEY = TrajectoryKey("tiny", "gsm8k", 0)
N_SAMPLES, D_MODEL, N_NEW, LAYERS = 5, 256, 6, (0, 1)

CATALOG = Catalog.model_validate({
    "name": "soak",
    "shots": [0],
    "benchmark_source": {"kind": "toy"},
    "models": {"tiny": {"recipe": "tiny", "prompt_style": "raw"}},
    "benchmarks": {"gsm8k": {"format": "gsm8k", "max_new_tokens": N_NEW}},
    "capture": {"layers": LAYERS},
})  # fmt: skip


class TinyEngine(InferenceEngine):
    """Random states that follow from version, tokens and position.

    Args:
        version: another one gives other states.
        calls: file that takes the id of each sample that is run, a line each.
    """

    def __init__(self, version: int, calls: Path) -> None:
        self._version = version
        self._calls = os.open(calls, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    @property
    def n_layers(self) -> int:
        """Layers of the model, all of which are captured."""
        return len(LAYERS)

    @property
    def d_model(self) -> int:
        """Width."""
        return D_MODEL

    @property
    def context_length(self) -> int:
        """Far more than any question takes."""
        return 200

    def describe(self) -> dict[str, Any]:
        """Rows of another version are not used."""
        return {"name": "tiny", "version": self._version}

    def encode(self, prompt: Prompt) -> list[int]:
        """A token for each word."""
        return words_of(prompt.text)

    def run(
        self,
        prompts: Sequence[Prompt],
        parameters: GenerationParameters,
        capture: CaptureSpec | None = None,
    ) -> Iterator[Completion]:
        """One completion a prompt."""
        for index, prompt in enumerate(prompts):
            os.write(self._calls, f"{prompt.sample_id}\n".encode())
            told = self.encode(prompt)
            rng = np.random.default_rng([self._version, *told])
            said = rng.integers(3, 300, parameters.max_new_tokens).astype(np.int32)
            shape = (len(told) + len(said), self.n_layers, D_MODEL)
            yield Completion(
                prompt_index=index,
                completion_index=0,
                prompt_text=prompt.text,
                prompt_token_ids=np.asarray(told, dtype=np.int32),
                output_token_ids=said,
                text=" ".join(map(str, said.tolist())),
                finish_reason="stop",
                hidden_states=rng.standard_normal(shape, dtype=np.float32).astype(np.float16),
            )

    def states(
        self, sequences: Sequence[Sequence[int]], layers: Sequence[int]
    ) -> Iterator[npt.NDArray[np.float16]]:
        """Random states that follow from the version and the tokens."""
        for tokens in sequences:
            rng = np.random.default_rng([self._version, *tokens])
            shape = (len(tokens), len(layers), D_MODEL)
            yield rng.standard_normal(shape, dtype=np.float32).astype(np.float16)

    @property
    def usage(self) -> Usage:
        """Nothing is counted."""
        return Usage()

    def close(self) -> None:
        """Close the file of calls, once."""
        if self._calls >= 0:
            os.close(self._calls)
            self._calls = -1


def collect_and_publish(data_dir: Path, version: int, calls: Path) -> Manifest:
    """One run of the cell, as the platform's asset does it."""
    with TinyEngine(version, calls) as engine:
        staged = collect(KEY, CATALOG, _benchmark(), engine, data_dir, log=lambda line: None)
    expected = expected_file(CATALOG, KEY)
    return publish(staged, data_dir / KEY.trajectory_path, expected=expected)


def _benchmark() -> BenchmarkSet:
    """Questions of different lengths, so that samples have different numbers of chunks."""
    samples = [
        Sample(f"gsm8k/test/{index}", f"What is {' + '.join(map(str, range(4 * index + 2)))}?",
               str(index))
        for index in range(N_SAMPLES)
    ]  # fmt: skip
    return BenchmarkSet(KEY.task, KEY.n_shot, "gsm8k", tuple(samples), ())
