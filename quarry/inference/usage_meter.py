"""`UsageMeter`: counts what an engine does, for `InferenceEngine.usage`.

How much memory is in use is measured by the engine, which knows its device.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager

from quarry.inference.engine import Completion, Usage


class UsageMeter:
    """Clock and counters of one engine.

    Args:
        n_devices: GPUs in use; 0 on a CPU.
    """

    def __init__(self, n_devices: int = 0) -> None:
        """Nothing is counted yet."""
        self._n_devices = n_devices
        self._start_s = 0.0
        self._run_s = 0.0
        self._running_since: float | None = None
        self._completions = 0
        self._prompt_tokens = 0
        self._output_tokens = 0
        self._peak_memory_bytes = 0
        self._remarks: list[str] = []

    @contextmanager
    def starting(self) -> Generator[None]:
        """Count the time of a block as loading the model, also in the middle of running."""
        began = time.monotonic()
        try:
            yield
        finally:
            took_s = time.monotonic() - began
            self._start_s += took_s
            if self._running_since is not None:
                self._running_since += took_s

    def counted(self, completions: Iterable[Completion]) -> Iterator[Completion]:
        """Pass completions on; the time from the first request to the end counts as running."""
        with self.running():
            for completion in completions:
                self._completions += 1
                self._prompt_tokens += len(completion.prompt_token_ids)
                self._output_tokens += len(completion.output_token_ids)
                yield completion

    @contextmanager
    def running(self) -> Generator[None]:
        """Count the time of a block as running; within another such block, nothing."""
        if self._running_since is not None:
            yield
            return
        self._running_since = time.monotonic()
        try:
            yield
        finally:
            self._run_s += time.monotonic() - self._running_since
            self._running_since = None

    def remark(self, text: str) -> None:
        """Keep a sentence about what did not go as asked."""
        self._remarks.append(text)

    def memory(self, n_bytes: int) -> None:
        """Note how much memory is or was in use."""
        self._peak_memory_bytes = max(self._peak_memory_bytes, n_bytes)

    def reading(self) -> Usage:
        """All counts up to now, also in the middle of a run."""
        since = self._running_since
        return Usage(
            start_s=self._start_s,
            run_s=self._run_s + (time.monotonic() - since if since is not None else 0.0),
            completions=self._completions,
            prompt_tokens=self._prompt_tokens,
            output_tokens=self._output_tokens,
            peak_memory_bytes=self._peak_memory_bytes,
            n_devices=self._n_devices,
            remarks=tuple(self._remarks),
        )
