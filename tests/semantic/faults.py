"""Faults of capture, each with the kind of finding that names it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from quarry.semantic.explanation import Kind
from quarry.trajectory.layout import States
from tests.semantic.collected import Collected, Fault, window


def each(change: Callable[[States], object]) -> Fault:
    """A fault that changes a copy of each row's states, in place or by what it returns."""

    def fault(what: Collected) -> list[States]:
        made: list[States] = []
        for row in what.rows:
            states = row.hidden_states.copy()
            changed = change(states)
            made.append(changed if isinstance(changed, np.ndarray) else states)
        return made

    return fault


def setting(place: object, value: object = 0) -> Fault:
    """A fault that overwrites a part of each row's states."""

    def change(states: States) -> None:
        states[place] = value  # type: ignore[index]

    return each(change)


def from_layers(shift: int, columns: tuple[int, ...] | None = None) -> Fault:
    """States of the layer so many further; where there is none, of the last or first one."""

    def fault(what: Collected) -> list[States]:
        made: list[States] = []
        for row, whole in zip(what.rows, what.whole, strict=True):
            states = row.hidden_states.copy()
            for column in columns or range(len(what.header.layers)):
                layer = int(np.clip(what.header.layers[column] + shift, 0, whole.shape[1] - 1))
                states[:, column] = window(row, what.header.scope, whole)[:, layer]
            made.append(states)
        return made

    return fault


def rolled(steps: int) -> Fault:
    """States of the token so many earlier; the last ones come first."""
    return each(lambda states: np.roll(states, steps, axis=0))


def next_samples(what: Collected) -> list[States]:
    """The states of the next row, as far as they reach."""
    states = [row.hidden_states for row in what.rows]
    made: list[States] = []
    for index, own in enumerate(states):
        other = states[(index + 1) % len(states)]
        n = min(len(own), len(other))
        made.append(np.concatenate([other[:n], own[n:]]))
    return made


def prompts_for_outputs(what: Collected) -> list[States]:
    """The first states of the prompt instead of the output's."""
    columns = list(what.header.layers)
    return [
        whole[: len(row.hidden_states), columns]
        for row, whole in zip(what.rows, what.whole, strict=True)
    ]


def normed_last(states: States) -> States:
    """The last layer after a root-mean-square norm with weights."""
    wide = states.astype(np.float32)
    last = wide[:, -1]
    last /= np.sqrt(np.square(last).mean(axis=-1, keepdims=True) + 1e-6)
    last *= np.random.default_rng(3).uniform(0.5, 2.0, last.shape[-1]).astype(np.float32)
    return wide.astype(np.float16)


def of_the_token(states: States) -> States:
    """Noise that looks like states of another model, the same spread."""
    rng = np.random.default_rng(5)
    wide = states.astype(np.float32)
    return (rng.standard_normal(wide.shape) * wide.std()).astype(np.float16)


@dataclass(frozen=True)
class Planted:
    """A fault and what has to be said about it.

    Args:
        fault: changes the rows.
        kind: of every finding.
        says: what the first finding's sentence or place has to say.
    """

    fault: Fault
    kind: Kind
    says: str


ALL = slice(None)
INTACT = {
    "layers one too early": Planted(from_layers(-1), "layer", "1 layer earlier"),
    "layers one too far": Planted(from_layers(1), "layer", "1 layer further"),
    "one layer wrong": Planted(from_layers(1, (1,)), "layer", "layer 1 holds layer 2"),
    "positions one too early": Planted(rolled(1), "position", "1 token earlier"),
    "positions one too late": Planted(rolled(-1), "position", "1 token later"),
    "positions two too early": Planted(rolled(2), "position", "2 tokens earlier"),
    "last token is the one before": Planted(
        each(lambda states: np.concatenate([states[:-1], states[-2:-1]])),
        "position",
        "1 token earlier",
    ),
    "a part of each state zero": Planted(
        setting((ALL, ALL, slice(0, 16))), "zeroed_part", "dimensions 0-15"
    ),
    "a part of one layer zero": Planted(
        setting((ALL, 1, slice(24, 32))), "zeroed_part", "dimensions 24-31"
    ),
    "all but zero": Planted(each(lambda states: states * np.float16(1e-4)), "zeroed", "are zero"),
    "halved": Planted(each(lambda states: states * np.float16(0.5)), "scaled", "factor 0.5"),
    "a stale buffer": Planted(
        each(lambda states: np.concatenate([states[:5], states[4:5].repeat(4, 0), states[9:]])),
        "repeated",
        "token rows 5-8",
    ),
    "final norm applied": Planted(each(normed_last), "normed", "layers 3"),
    "rows of the next sample": Planted(next_samples, "other_sample", "toy/test/"),
    "another model": Planted(each(of_the_token), "unlike", "not the model's"),
}
"""Files that every other check passes."""

ZEROED = {
    "a whole row": (setting((ALL, ALL)), "all"),
    "one layer": (setting((ALL, 1)), "layers 1,"),
    "a run of positions": (setting((slice(6, 12),)), "token rows 6-11"),
    "one position": (setting((slice(4, 5),)), "token rows 4 "),
    "the last token": (setting((slice(-1, None),)), "layers 0-1, 3, token rows"),
}
"""Buffers that were never filled."""
