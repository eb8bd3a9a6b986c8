"""An engine without a model: deterministic, causal, fast; and a small cell for it to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from quarry.benchmarks.benchmark_set import BenchmarkSet
from quarry.catalog import Catalog
from quarry.errors import EngineMemoryError
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
from tests.trajectory.examples import VOCABULARY, causal_states, make_header

KEY = TrajectoryKey("tiny", "gsm8k", 0)
N_SAMPLES = 10
D_MODEL, N_LAYERS = 32, 2


class ArithmeticEngine(InferenceEngine):
    """An engine whose tokens are the prompt's bytes and whose output is their sum.

    Args:
        stop_after: prompts after which it stops; None runs on.
        device: what it calls its device.
        stop: how it stops; by default it runs out of memory.
    """

    def __init__(
        self,
        stop_after: int | None = None,
        *,
        device: str = "cpu",
        stop: Callable[[], object] | None = None,
    ) -> None:
        self.stop_after = stop_after
        self.stop = stop or run_out_of_memory
        self.device = device
        self.ran: list[str] = []

    @property
    def n_layers(self) -> int:
        return N_LAYERS

    @property
    def d_model(self) -> int:
        return D_MODEL

    @property
    def context_length(self) -> int:
        return 4096

    def describe(self) -> dict[str, Any]:
        return {"engine": "arithmetic", "device": self.device, "batch_size": len(self.ran)}

    def encode(self, prompt: Prompt) -> list[int]:
        return [3 + byte % (VOCABULARY - 3) for byte in prompt.text.encode()]

    def run(
        self,
        prompts: Sequence[Prompt],
        parameters: GenerationParameters,
        capture: CaptureSpec | None = None,
    ) -> Iterator[Completion]:
        assert capture is not None
        header = make_header(layers=capture.layers, d_model=D_MODEL)
        for index, prompt in enumerate(prompts):
            if len(self.ran) == self.stop_after:
                self.stop()
            self.ran.append(prompt.sample_id)
            tokens = np.asarray(self.encode(prompt), dtype=np.int32)
            output = np.asarray([3 + int(tokens.sum()) % 200, 7], dtype=np.int32)
            both = np.concatenate([tokens, output])
            text = f"#### {output[0]}"
            states = causal_states(both, header)
            yield Completion(index, 0, prompt.text, tokens, output, text, "stop", states)

    def states(
        self, sequences: Sequence[Sequence[int]], layers: Sequence[int]
    ) -> Iterator[npt.NDArray[np.float16]]:
        header = make_header(layers=tuple(layers), d_model=D_MODEL)
        for sequence in sequences:
            yield causal_states(np.asarray(sequence, dtype=np.int32), header)

    @property
    def usage(self) -> Usage:
        return Usage(completions=len(self.ran))

    def close(self) -> None:
        """Nothing is held."""


def run_out_of_memory() -> None:
    raise EngineMemoryError("out of memory", where="device", fix="use a smaller batch")


def catalog(**changes: Any) -> Catalog:
    values = {
        "name": "test",
        "n_samples": N_SAMPLES,
        "shots": [0],
        "models": {"tiny": {"path": "tiny", "prompt_style": "raw"}},
        "benchmarks": {"gsm8k": {"format": "gsm8k"}},
        "benchmark_source": {"kind": "hub"},
        "generation": {"max_new_tokens": 4},
        "capture": {"layers": [0, 1]},
    }
    return Catalog.model_validate(values | changes)


def benchmark(
    n_samples: int = N_SAMPLES, changes: Mapping[str, dict[str, str]] | None = None
) -> BenchmarkSet:
    samples = [
        Sample(
            f"gsm8k/test/{i}", f"What is {i} plus {i * i}?" + " Think." * (i % 4), f"{i + i * i}"
        )
        for i in range(n_samples)
    ]
    samples = [replace(sample, **(changes or {}).get(sample.id, {})) for sample in samples]
    return BenchmarkSet("gsm8k", 0, "gsm8k", tuple(samples), ())
