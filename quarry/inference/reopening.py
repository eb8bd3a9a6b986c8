"""`ReopenedEngine`: one engine for several pieces of work, opened again once after it died.

How an engine is opened, and on which device, is its caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Self

from quarry.errors import EngineDiedError, EngineMemoryError, ModelLoadError
from quarry.inference.engine import InferenceEngine

_GONE = (EngineDiedError, EngineMemoryError)


class ReopenedEngine:
    """Lends an engine to one piece of work after another; closes it at the end of its block.

    It is opened when it is first asked for. After a piece of work in which it died or ran out of
    memory, the next one gets a new engine. If that one dies, too, or none can be opened, there is
    no further attempt: what is asked for later fails with the same error at once.

    Args:
        open_engine: gives a block that begins with loading the model and ends with freeing it.
    """

    def __init__(self, open_engine: Callable[[], AbstractContextManager[InferenceEngine]]) -> None:
        """Nothing is opened yet."""
        self._open = open_engine
        self._stack = ExitStack()
        self._engine: InferenceEngine | None = None
        self._has_just_died = False
        self._last_word: Exception | None = None
        self.n_opened = 0

    @property
    def is_given_up(self) -> bool:
        """Whether there will be no engine any more."""
        return self._last_word is not None

    @contextmanager
    def lent(self) -> Generator[InferenceEngine]:
        """The engine, for one piece of work.

        Raises:
            QuarryError: the engine died in this piece of work, or can't be opened, now or before.
        """
        engine = self._engine or self._opened()
        try:
            yield engine
        except _GONE as error:
            self._died(error)
            raise
        except ModelLoadError as error:  # an engine may load its model when it is first used
            self._last_word = error
            self.close()
            raise
        self._has_just_died = False

    def close(self) -> None:
        """Free the model's memory; the next piece of work would load it again."""
        self._engine = None
        self._stack.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the engine."""
        self.close()

    def _opened(self) -> InferenceEngine:
        """A new engine."""
        if self._last_word is not None:
            raise self._last_word.with_traceback(None)
        try:
            self._engine = self._stack.enter_context(self._open())
        except Exception as error:
            self._last_word = error
            raise
        self.n_opened += 1
        return self._engine

    def _died(self, error: Exception) -> None:
        """Free what is left of a dead engine; after the second in a row there is no third."""
        if self._has_just_died:
            self._last_word = error
        self._has_just_died = True
        with suppress(*_GONE):
            self.close()
