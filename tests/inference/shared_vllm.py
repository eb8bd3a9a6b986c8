"""Engines under test that share one vLLM process a checkpoint, since its start takes half a minute.

A batch size is kept by the caller's side, so engines of several sizes can use the same process.
"""

from __future__ import annotations

from pathlib import Path

from quarry.inference.engine_settings import EngineSettings
from quarry.inference.vllm_engine import VllmEngine
from tests.vllm_environment import vllm_python


def cpu_settings(**changes: object) -> EngineSettings:
    """vLLM of the test environment, on the CPU."""
    settings = EngineSettings(engine="vllm", devices=("cpu",), vllm_python=vllm_python())
    return EngineSettings(**{**vars(settings), **changes})  # pyright: ignore[reportArgumentType]


class BorrowingEngine(VllmEngine):
    """An engine on another one's process, which it leaves alone when it is closed."""

    @classmethod
    def of(cls, owner: VllmEngine, batch_size: int) -> BorrowingEngine:
        return cls(owner._outline, owner._supply, owner._versions, batch_size, owner._meter)

    def close(self) -> None:
        self._is_closed = True


class SharedVllm:
    """One vLLM process a checkpoint; all of them end with `close`."""

    def __init__(self) -> None:
        self._owners: dict[Path, VllmEngine] = {}

    def engine(self, model_dir: Path, batch_size: int) -> VllmEngine:
        """An engine of its own batch size on the process of its checkpoint."""
        if model_dir not in self._owners:
            owner = VllmEngine.load(model_dir, batch_size=16, settings=cpu_settings())
            list(owner.states([[5]], range(owner.n_layers)))  # so that it starts with all layers
            self._owners[model_dir] = owner
        return BorrowingEngine.of(self._owners[model_dir], batch_size)

    def close(self) -> None:
        """End all processes."""
        for owner in self._owners.values():
            owner.close()
