"""`LeasedEngine`: an engine together with the lease of its devices, ended in the right order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from quarry.inference.engine import (
    CaptureSpec,
    Completion,
    GenerationParameters,
    InferenceEngine,
    Prompt,
    Usage,
)
from quarry.inference.lease import Lease


class LeasedEngine(InferenceEngine):
    """An engine that holds its devices until it is closed; else it is the engine that it wraps.

    Args:
        engine: the engine; it is closed with this one.
        lease: of its devices; it is released once the engine is closed, or failed to close.
    """

    def __init__(self, engine: InferenceEngine, lease: Lease) -> None:
        """Keep both."""
        self._engine = engine
        self.lease = lease

    @property
    def facts(self) -> dict[str, str | float]:
        """What is or was leased, see `Lease.facts`; also of a closed engine."""
        return self.lease.facts()

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks of the model."""
        return self._engine.n_layers

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self._engine.d_model

    @property
    def context_length(self) -> int:
        """Most tokens, prompt and output together, that the model can process."""
        return self._engine.context_length

    def describe(self) -> dict[str, Any]:
        """Engine name and version, device, dtype."""
        return self._engine.describe()

    def encode(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt."""
        return self._engine.encode(prompt)

    def run(
        self,
        prompts: Sequence[Prompt],
        parameters: GenerationParameters,
        capture: CaptureSpec | None = None,
    ) -> Iterator[Completion]:
        """Completions of prompts, see the contract."""
        return self._engine.run(prompts, parameters, capture)

    def states(
        self, sequences: Sequence[Sequence[int]], layers: Sequence[int]
    ) -> Iterator[npt.NDArray[np.float16]]:
        """Hidden states of given token ids, see the contract."""
        return self._engine.states(sequences, layers)

    @property
    def usage(self) -> Usage:
        """What was done and used up to now."""
        return self._engine.usage

    def close(self) -> None:
        """Free the model's memory, then its devices."""
        try:
            self._engine.close()
        finally:
            self.lease.release()


def lease_facts(engine: InferenceEngine) -> dict[str, str | float]:
    """What an engine leases, for metadata; nothing where it leases nothing."""
    return engine.facts if isinstance(engine, LeasedEngine) else {}
