"""`CodiReference`: how reference problems leave decoder blocks while the model thinks.

What `mean`, `noise` and `shuffle` put in place of a problem's own states comes from here, and so
never from the problems that share its batch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from blake3 import blake3

from quarry.benchmarks.draw import draw_rank
from quarry.errors import UsageError
from quarry.inference.codi.settings import CodiSettings


@dataclass(frozen=True, eq=False)
class CodiReference:
    """States of reference problems in undisturbed thought.

    Args:
        ids: the problems, in order, each once.
        layers: the blocks, counted from 0.
        protocol: of the run that gave the states.
        states: outputs of the blocks `(n_problems, n_slots, n_layers, d_model)` float32, on the
            CPU.
    """

    ids: tuple[str, ...]
    layers: tuple[int, ...]
    protocol: str
    states: torch.Tensor

    @property
    def n_slots(self) -> int:
        """Slots of the run that gave the states."""
        return int(self.states.shape[1])

    @cached_property
    def mean(self) -> torch.Tensor:
        """Over problems, `(n_slots, n_layers, d_model)` float32."""
        return self.states.double().mean(dim=0).float()

    @cached_property
    def std(self) -> torch.Tensor:
        """Standard deviation over problems, `(n_slots, n_layers, d_model)` float32."""
        return self.states.double().std(dim=0, correction=0).float()

    def donor(self, problem_id: str, seed: int) -> int:
        """Which row a problem gets in `shuffle`: never its own, and always the same.

        Raises:
            UsageError: there is no other problem.
        """
        own = self._rows.get(problem_id)
        others = len(self._order) - (own is not None)
        if others < 1:
            raise UsageError(
                "No other problem can lend its states",
                where=f"reference for problem {problem_id}",
                expected="two reference problems or more",
                got=f"{len(self.ids)}",
                fix="give more reference problems, or another kind of ablation",
            )
        place = int.from_bytes(draw_rank(seed, problem_id), "big") % others
        if own is not None and place >= self._places[own]:
            place += 1
        return self._order[place]

    def check_fits(self, settings: CodiSettings, layers: tuple[int, ...]) -> None:
        """Refuse states of another protocol, of other blocks or of another number of slots.

        Raises:
            UsageError: they are.
        """
        expected = (settings.protocol, settings.n_latents, layers)
        got = (self.protocol, self.n_slots, self.layers)
        if expected != got:
            raise UsageError(
                "Reference states belong to another setting",
                where="reference",
                expected="protocol, slots and layers {}, {}, {}".format(*expected),
                got="{}, {}, {}".format(*got),
                fix="make them with the settings that they are used with",
            )

    def as_dict(self) -> dict[str, Any]:
        """How many problems and a digest of their ids, as recorded with every result."""
        listed = json.dumps(list(self.ids)).encode()
        return {"n_problems": len(self.ids), "problems": blake3(listed).hexdigest()}

    @cached_property
    def _rows(self) -> dict[str, int]:
        """Row by id."""
        return {name: row for row, name in enumerate(self.ids)}

    @cached_property
    def _order(self) -> list[int]:
        """Rows in order of their ids, so that the order of the problems does not matter."""
        return sorted(range(len(self.ids)), key=lambda row: self.ids[row])

    @cached_property
    def _places(self) -> dict[int, int]:
        """Place in `_order` by row."""
        return {row: place for place, row in enumerate(self._order)}
