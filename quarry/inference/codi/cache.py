"""A key-value cache with room for tokens to come, from which rows leave at the cost of a row.

The cache of transformers copies everything at each token and at each row that leaves.
"""

# transformers types its classes in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import pad
from transformers.cache_utils import DynamicCache, DynamicLayer

_ROOM_TOKENS = 32
"""Enough for the thoughts and most answers."""


class RoomyLayer(DynamicLayer):
    """Keys and values of one block, `(n_rows, n_heads, n_tokens, d_head)`, as views of buffers."""

    def __init__(self) -> None:
        """Nothing is stored yet."""
        super().__init__()
        self._rooms: dict[str, torch.Tensor] = {}

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append the states of new tokens; all keys and all values."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        n_before = self.get_seq_length()
        self.keys = self._appended("keys", self.keys, key_states, n_before)
        self.values = self._appended("values", self.values, value_states, n_before)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Go on with these rows; one may be named twice."""
        super().batch_select_indices(indices)
        self._rooms.clear()

    def keep(self, order: Sequence[int]) -> None:
        """Go on with fewer rows, where each that moves comes from behind them."""
        moves = [(place, row) for place, row in enumerate(order) if place != row]
        self.keys = self._kept("keys", self.keys, moves, len(order))
        self.values = self._kept("values", self.values, moves, len(order))

    @classmethod
    def joined(cls, layers: Sequence[Any]) -> RoomyLayer:
        """The rows of several layers in one, shorter ones with zeros on the left."""
        whole = cls()
        keys = _joined([layer.keys for layer in layers])
        values = _joined([layer.values for layer in layers])
        whole.update(keys, values)
        return whole

    def _appended(self, name: str, stored: Any, new: torch.Tensor, n_before: int) -> torch.Tensor:
        """What is stored and the new tokens after it, in a buffer that holds both."""
        n_after = n_before + new.shape[-2]
        room = self._rooms.get(name)
        if room is None or room.shape[-2] < n_after:
            n_rows, n_heads, _, d_head = new.shape
            room = new.new_empty(n_rows, n_heads, n_after + _ROOM_TOKENS, d_head)
            if n_before:
                room[:, :, :n_before] = stored
            self._rooms[name] = room
        room[:, :, n_before:n_after] = new
        return room[:, :, :n_after]

    def _kept(
        self, name: str, stored: Any, moves: Sequence[tuple[int, int]], n_rows: int
    ) -> torch.Tensor:
        """The first rows, after rows from behind have taken the places of those that leave."""
        for place, row in moves:
            stored[place] = stored[row]
        self._rooms[name] = self._rooms[name][:n_rows]
        return stored[:n_rows]


def _joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Tensors `(n_rows, n_heads, n_tokens, d_head)` below each other, aligned on the right.

    What is not data has to be zero: attention gives it no weight, but no weight times NaN is NaN.
    """
    longest = max(part.shape[-2] for part in parts)
    return torch.cat([pad(part, (0, 0, longest - part.shape[-2], 0)) for part in parts])


def roomy_cache(config: Any) -> DynamicCache:
    """An empty cache; layers of other kinds, as with sliding attention, are those of transformers.

    Args:
        config: of the model.
    """
    cache = DynamicCache(config=config)
    cache.layers = [
        RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers
    ]
    return cache


def can_join(config: Any) -> bool:
    """Whether caches of a model can be joined: sliding attention keeps no whole questions.

    Args:
        config: of the model.
    """
    return all(isinstance(layer, RoomyLayer) for layer in roomy_cache(config).layers)


def join(caches: Sequence[Any], config: Any) -> Any:
    """One cache with the rows of several, shorter ones with zeros on the left.

    Args:
        caches: made by `roomy_cache`, of a model for which `can_join` is true.
        config: of the model.
    """
    if len(caches) == 1:
        return caches[0]
    whole: Any = roomy_cache(config)
    whole.layers = [
        RoomyLayer.joined(layers) for layers in zip(*(one.layers for one in caches), strict=True)
    ]
    return whole


def keep_rows(cache: Any, order: Sequence[int], device: torch.device) -> None:
    """Let all rows leave a cache but these.

    Args:
        cache: made by `roomy_cache`.
        order: the rows that stay, as `order_without` gives them.
        device: where the cache is.
    """
    index = torch.tensor(order, device=device)
    for layer in cache.layers:
        if isinstance(layer, RoomyLayer):
            layer.keep(order)
        else:
            layer.batch_select_indices(index)


def order_without(gone: set[int], n_rows: int) -> list[int]:
    """Rows that stay, few of them moved: the last take the places of those that leave."""
    n_kept = n_rows - len(gone)
    from_behind = iter([row for row in range(n_kept, n_rows) if row not in gone])
    return [next(from_behind) if row in gone else row for row in range(n_kept)]
