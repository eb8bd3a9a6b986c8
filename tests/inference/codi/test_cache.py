"""The cache with room to grow holds what that of transformers holds, whatever is done to rows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DynamicCache, LlamaConfig, Olmo3Config

from quarry.inference.codi.cache import can_join, join, keep_rows, order_without, roomy_cache

CONFIG = LlamaConfig(num_hidden_layers=2, hidden_size=8, num_attention_heads=2)
N_LAYERS, N_HEADS, D_HEAD = 2, 2, 4


def append(caches: list[DynamicCache], n_rows: int, n_tokens: int, seed: int) -> None:
    """The same random keys and values to all of them."""
    stream = torch.Generator().manual_seed(seed)
    for layer in range(N_LAYERS):
        keys, values = torch.randn(2, n_rows, N_HEADS, n_tokens, D_HEAD, generator=stream)
        for cache in caches:
            cache.update(keys, values, layer)


def contents(cache: Any) -> torch.Tensor:
    return torch.stack([torch.stack([one.keys, one.values]) for one in cache.layers])


@given(
    n_rows=st.integers(1, 6),
    first=st.integers(1, 40),
    steps=st.lists(st.sets(st.integers(0, 11)), max_size=40),
)
def test_it_holds_what_the_usual_cache_holds(
    n_rows: int, first: int, steps: list[set[int]]
) -> None:
    roomy, usual = roomy_cache(CONFIG), DynamicCache(config=CONFIG)
    append([roomy, usual], n_rows, first, seed=0)
    index = torch.arange(n_rows).repeat(2)
    roomy.batch_select_indices(index)
    usual.batch_select_indices(index)
    n_left = 2 * n_rows
    for turn, leaving in enumerate(steps):
        append([roomy, usual], n_left, 1, seed=turn + 1)
        gone = {row for row in leaving if row < n_left}
        if 0 < len(gone) < n_left:
            order = order_without(gone, n_left)
            keep_rows(roomy, order, torch.device("cpu"))
            usual.batch_select_indices(torch.tensor(order))
            n_left = len(order)
        assert roomy.get_seq_length() == usual.get_seq_length() == first + turn + 1
        assert torch.equal(contents(roomy), contents(usual))


@given(st.data(), st.integers(2, 20))
def test_few_rows_move_when_some_leave(data: st.DataObject, n_rows: int) -> None:
    gone = data.draw(st.sets(st.integers(0, n_rows - 1), max_size=n_rows - 1))
    order = order_without(gone, n_rows)
    assert sorted(order) == [row for row in range(n_rows) if row not in gone]
    moved = [(place, row) for place, row in enumerate(order) if place != row]
    assert len(moved) <= len(gone)
    assert all(row >= len(order) > place for place, row in moved)


def test_joined_caches_are_aligned_on_the_right_with_zeros_on_the_left() -> None:
    short, long = roomy_cache(CONFIG), roomy_cache(CONFIG)
    append([short], 2, 3, seed=1)
    append([long], 1, 5, seed=2)
    expected_short, expected_long = contents(short), contents(long)
    whole = contents(join([short, long], CONFIG))
    assert torch.equal(whole[:, :, :2, :, 2:], expected_short)
    assert torch.equal(whole[:, :, 2:], expected_long)
    assert not whole[:, :, :2, :, :2].any()


@pytest.mark.parametrize(
    ("kind", "is_joined"), [("full_attention", True), ("sliding_attention", False)]
)
def test_caches_with_sliding_attention_are_not_joined(kind: str, is_joined: bool) -> None:
    config = Olmo3Config(num_hidden_layers=2, layer_types=["full_attention", kind])
    assert can_join(config) == is_joined
