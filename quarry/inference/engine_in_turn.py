"""`EngineInTurn`: one open engine at a time, for work that is ordered by model."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, Self, TypeVar

from quarry.errors import QuarryError
from quarry.inference.engine import InferenceEngine

Model = TypeVar("Model", bound=Hashable)


class EngineInTurn(Generic[Model]):
    """Hands out the engine of a model and keeps it open until another model's is asked for.

    Args:
        open_engine: loads the engine of a model.
    """

    def __init__(self, open_engine: Callable[[Model], InferenceEngine]) -> None:
        self._open_engine = open_engine
        self._model: Model | None = None
        self._engine: InferenceEngine | None = None
        self._failed: dict[Model, QuarryError] = {}

    def of(self, model: Model) -> InferenceEngine:
        """The engine of a model; the other one is closed first.

        Raises:
            QuarryError: see how engines are opened; a model that failed is not loaded again.
        """
        if model in self._failed:
            raise self._failed[model].with_traceback(None)
        if self._engine is None or self._model != model:
            self.close()
            try:
                self._engine, self._model = self._open_engine(model), model
            except QuarryError as error:
                self._failed[model] = error
                raise
        return self._engine

    def close(self) -> None:
        """Close the engine that is open, if there is one."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def __enter__(self) -> Self:
        """Nothing is open yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what is open."""
        self.close()
