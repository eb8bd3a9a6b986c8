"""What an ablation puts in place of decoder blocks' outputs, and the hooks that do it.

Which blocks and slots is in `settings`; the states of other problems are in `reference`.
"""

# A hook's arguments have no types.
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from quarry.errors import UsageError
from quarry.inference.codi.reference import CodiReference
from quarry.inference.codi.settings import CodiSettings
from quarry.inference.sampling import random_stream

Edit = Callable[[int, torch.Tensor], torch.Tensor]
"""From the place of a block among the chosen and its output `(n_rows, 1, d_model)` to a new one."""


def ablated_layers(layer: str | int, n_layers: int) -> tuple[int, ...]:
    """The blocks that a setting names, counted from 0.

    Raises:
        UsageError: the model does not have it.
    """
    if layer == "all":
        return tuple(range(n_layers))
    if layer == "middle":
        return (n_layers // 2,)
    chosen = int(layer)
    if chosen >= n_layers:
        raise UsageError(
            "A layer to ablate does not exist",
            where="ablation.layer",
            expected=f"middle, all, or 0 .. {n_layers - 1}",
            got=str(layer),
            fix="correct `ablation.layer`",
        )
    return (chosen,)


def check_reference(
    settings: CodiSettings, layers: tuple[int, ...], reference: CodiReference | None
) -> None:
    """Refuse an ablation without the reference states that it needs.

    Raises:
        UsageError: they are missing, too few, or belong to other settings.
    """
    if not settings.ablation.needs_reference:
        return
    if reference is None:
        raise UsageError(
            "An ablation needs states of reference problems",
            where=f"ablation {settings.ablation.kind!r}",
            expected="a CodiReference",
            got="none",
            fix="make one with CodiModel.reference and hand it on",
        )
    reference.check_fits(settings, layers)


def replacements(
    ids: Sequence[str],
    settings: CodiSettings,
    layers: tuple[int, ...],
    d_model: int,
    reference: CodiReference | None,
) -> torch.Tensor:
    """What stands in for the states of each problem.

    Each problem's part depends on its id, the seed and the reference alone.

    Args:
        ids: the problems.
        settings: kind, seed, and how many slots are ablated.
        layers: the blocks.
        d_model: width of the residual stream.
        reference: states of reference problems; None is enough for `zeros`.

    Returns:
        `(n_problems, n_ablated_slots, n_layers, d_model)` float32.

    Raises:
        UsageError: no other problem can lend its states.
    """
    kind, seed, n_slots = settings.ablation.kind, settings.ablation.seed, settings.n_ablated
    shape = (len(ids), n_slots, len(layers), d_model)
    if kind == "zeros" or reference is None:
        return torch.zeros(shape)
    if kind == "mean":
        return reference.mean[:n_slots].expand(shape)
    if kind == "shuffle":
        donors = [reference.donor(problem_id, seed) for problem_id in ids]
        return reference.states[donors, :n_slots]
    noise = torch.stack([_noise(problem_id, seed, shape[1:], layers) for problem_id in ids])
    return reference.mean[:n_slots] + reference.std[:n_slots] * noise


def _noise(
    problem_id: str, seed: int, shape: tuple[int, ...], layers: Sequence[int]
) -> torch.Tensor:
    """Standard normal numbers `(n_slots, n_layers, d_model)`, a stream a slot and block."""
    drawn = torch.empty(shape)
    for slot in range(shape[0]):
        for column, layer in enumerate(layers):
            stream = random_stream(seed, f"{problem_id}/slot {slot}/layer {layer}", 0)
            drawn[slot, column] = torch.as_tensor(stream.standard_normal(shape[2], np.float32))
    return drawn


@contextmanager
def edited(blocks: Sequence[nn.Module], edit: Edit) -> Generator[None]:
    """Inside the block, the outputs of decoder blocks are what `edit` makes of them."""

    def hook_of(place: int) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
            if isinstance(output, tuple):
                return (edit(place, output[0]), *output[1:])
            return edit(place, output)

        return hook

    with ExitStack() as hooks:
        for place, block in enumerate(blocks):
            hooks.callback(block.register_forward_hook(hook_of(place)).remove)
        yield
