"""Batches that shrink when memory runs out, and left or right padding of token ids.

What is done with a batch lives in `generation` and `capture`; nothing here knows a model.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeVar

import torch

from quarry.errors import EngineMemoryError

logger = logging.getLogger(__name__)

Given = TypeVar("Given")
Item = TypeVar("Item")
Result = TypeVar("Result")

# The CPU allocator and cuBLAS report exhaustion as plain RuntimeErrors that differ by text only.
_EXHAUSTED = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "cublas_status_alloc_failed",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on any device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(phrase in text for phrase in _EXHAUSTED)


def release_memory() -> None:
    """Give freed blocks back to the device, so that a smaller batch finds room."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class AdaptiveBatches:
    """Runs work batch by batch; a batch that does not fit is halved, and stays halved.

    Args:
        size: items per batch at the start.
        purpose: what the batches are for, as log and error name it, such as `generation`.
        remark: takes a sentence about each batch that was halved.
    """

    def __init__(
        self, size: int, purpose: str, remark: Callable[[str], None] = lambda text: None
    ) -> None:
        """Start with the full size."""
        self.size = size
        self.purpose = purpose
        self._remark = remark

    def map(
        self, items: Sequence[Item], work: Callable[[Sequence[Item]], list[Result]]
    ) -> Iterator[Result]:
        """Yield one result per item, in order.

        Raises:
            EngineMemoryError: out of memory with a batch of one.
        """
        done = 0
        while done < len(items):
            batch = items[done : done + self.size]
            outcome = self._attempt(batch, work)
            if isinstance(outcome, str):
                self._halve(len(batch), outcome)
                continue
            done += len(batch)
            yield from outcome

    def within(self, work: Callable[[int], list[Result]]) -> list[Result]:
        """What `work` gives, which runs at most as many sequences at once as it is told.

        Raises:
            EngineMemoryError: out of memory with one.
        """
        while True:
            size = self.size
            outcome = self._attempt(size, work)
            if not isinstance(outcome, str):
                return outcome
            self._halve(size, outcome)

    def _attempt(self, batch: Given, work: Callable[[Given], list[Result]]) -> list[Result] | str:
        """The results, or the reason why memory ran out.

        Only the text is kept: the exception's traceback holds the frames, and these the tensors.
        """
        try:
            return work(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return str(error).splitlines()[0] if str(error) else type(error).__name__

    def _halve(self, failed_size: int, reason: str) -> None:
        """Go on with half of the batch that failed, or give up at one."""
        release_memory()
        if failed_size == 1:
            raise EngineMemoryError(
                f"Out of memory in {self.purpose} with a batch of one",
                where="transformers engine",
                expected="room for one sequence",
                got=reason,
                fix="use a device with more memory, a smaller dtype, or fewer new tokens",
            )
        self.size = failed_size // 2
        remark = (
            f"out of memory in {self.purpose} with a batch of {failed_size} ({reason}); "
            f"going on with {self.size}"
        )
        logger.warning(remark)
        self._remark(remark)


def pad(
    sequences: Sequence[Sequence[int]], side: Literal["left", "right"], pad_id: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, both `(n_sequences, longest)` int64."""
    longest = max(len(ids) for ids in sequences)
    tokens = torch.full((len(sequences), longest), pad_id, dtype=torch.long)
    mask = torch.zeros((len(sequences), longest), dtype=torch.long)
    for row, ids in enumerate(sequences):
        where = slice(longest - len(ids), longest) if side == "left" else slice(0, len(ids))
        tokens[row, where] = torch.as_tensor(ids, dtype=torch.long)
        mask[row, where] = 1
    return tokens, mask
