"""Batches halve themselves on lack of memory, and padding keeps every token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.errors import EngineMemoryError
from quarry.inference.batching import AdaptiveBatches, is_out_of_memory, pad


class Device:
    """Doubles numbers, but has room for a limited number of them at once."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.sizes: list[int] = []

    def double(self, batch: Sequence[int]) -> list[int]:
        self.sizes.append(len(batch))
        if len(batch) > self.room:
            raise torch.OutOfMemoryError(f"CUDA out of memory: {len(batch)} rows")
        return [2 * item for item in batch]


# Each halving collects garbage, about 20 ms in a process full of test objects.
@settings(max_examples=25, derandomize=True, deadline=None)
@given(n_items=st.integers(0, 40), size=st.integers(1, 16), room=st.integers(1, 16))
def test_every_item_is_done_once_in_order_whatever_fits(n_items: int, size: int, room: int) -> None:
    device = Device(room)
    batches = AdaptiveBatches(size, "doubling")
    assert list(batches.map(range(n_items), device.double)) == [2 * n for n in range(n_items)]
    failures = [count for count in device.sizes if count > room]
    assert failures == sorted(set(failures), reverse=True)


def test_a_smaller_size_is_remembered_for_the_next_call() -> None:
    device = Device(3)
    batches = AdaptiveBatches(8, "doubling")
    list(batches.map(range(8), device.double))
    device.sizes.clear()
    list(batches.map(range(8), device.double))
    assert device.sizes == [2, 2, 2, 2]


def test_one_item_that_does_not_fit_is_an_error_naming_purpose_and_reason() -> None:
    with pytest.raises(EngineMemoryError, match="doubling with a batch of one") as caught:
        list(AdaptiveBatches(4, "doubling").map(range(4), Device(0).double))
    assert "1 rows" in str(caught.value)
    assert isinstance(caught.value, MemoryError)


@pytest.mark.parametrize(
    ("error", "is_exhaustion"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory of the question"), False),
    ],
)
def test_lack_of_memory_is_told_from_other_errors(error: Exception, is_exhaustion: bool) -> None:
    assert is_out_of_memory(error) == is_exhaustion


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    sequences=st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=9), min_size=1),
    side=st.sampled_from(["left", "right"]),
)
def test_padding_keeps_every_token_on_the_other_side(
    sequences: list[list[int]], side: Literal["left", "right"]
) -> None:
    tokens, mask = pad(sequences, side, pad_id=0)
    assert tokens.shape == mask.shape == (len(sequences), max(map(len, sequences)))
    for row, ids in enumerate(sequences):
        assert tokens[row][mask[row] == 1].tolist() == ids
        edge = tokens[row][: len(ids)] if side == "right" else tokens[row][-len(ids) :]
        assert edge.tolist() == ids
