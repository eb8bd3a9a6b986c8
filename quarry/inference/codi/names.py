"""What the names in a CODI state dict mean: base weights, LoRA pairs, projection.

Nothing is computed here; LoRA pairs are merged in `assembly`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from quarry.errors import ModelLoadError

_LORA = re.compile(r"(?P<module>.+)\.lora_(?P<side>[AB])(?:\.(?P<adapter>[^.]+))?\.weight")
_PEFT = "base_model.model."
# Constants that older versions of transformers stored beside the weights.
_CONSTANT = re.compile(r".+\.(attn\.(masked_)?bias|rotary_emb\.inv_freq)")


@dataclass
class CodiTensors:
    """A state dict in its three parts.

    Args:
        base: weights by the names of the plain language model.
        lora: by module of the plain language model, A `(rank, d_in)` and B `(d_out, rank)`.
        projection: weights by the names of the projection, such as `1.weight`.
    """

    base: dict[str, torch.Tensor] = field(default_factory=dict[str, torch.Tensor])
    lora: dict[str, tuple[torch.Tensor, torch.Tensor]] = field(
        default_factory=dict[str, tuple[torch.Tensor, torch.Tensor]]
    )
    projection: dict[str, torch.Tensor] = field(default_factory=dict[str, torch.Tensor])


def sort_by_meaning(state: Mapping[str, torch.Tensor], where: str) -> CodiTensors:
    """Take a state dict apart.

    Args:
        state: tensors as the file names them: `codi.…` (with or without PEFT's wrapping), `prj.…`.
        where: the checkpoint, for messages.

    Raises:
        ModelLoadError: a name belongs to no part, half of a LoRA pair is missing, or there are
            several adapters.
    """
    parts = CodiTensors()
    halves: dict[str, dict[str, torch.Tensor]] = {}
    adapters: set[str] = set()
    unknown: list[str] = []
    for name, tensor in state.items():
        rest = name.removeprefix("codi.").removeprefix(_PEFT).replace(".base_layer.", ".")
        if name.startswith("prj."):
            parts.projection[name.removeprefix("prj.")] = tensor
        elif not name.startswith("codi."):
            unknown.append(name)
        elif match := _LORA.fullmatch(rest):
            halves.setdefault(match["module"], {})[match["side"]] = tensor
            adapters.add(match["adapter"] or "")
        elif not _CONSTANT.fullmatch(rest):
            parts.base[rest] = tensor
    _check(unknown, adapters, halves, where)
    parts.lora = {module: (pair["A"], pair["B"]) for module, pair in halves.items()}
    return parts


def _check(
    unknown: list[str],
    adapters: set[str],
    halves: Mapping[str, Mapping[str, torch.Tensor]],
    where: str,
) -> None:
    """Refuse what can't be sorted."""
    if unknown:
        raise wrong_names("has names that are not a CODI model's", unknown, where)
    if len(adapters) > 1:
        raise wrong_names("has several adapters", sorted(adapters), where)
    torn = [module for module, pair in halves.items() if len(pair) != 2]
    if torn:
        raise wrong_names("lacks half of a LoRA pair", torn, where)


def wrong_names(problem: str, names: list[str], where: str) -> ModelLoadError:
    """The error for names that are missing or too many, which says the first of them."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ModelLoadError(
        f"A CODI checkpoint {problem}",
        where=where,
        expected="codi.<base model, LoRA pairs of one adapter> and prj.{1,3,ln}",
        got=", ".join(names[:5]) + more,
        fix="check that weights and base model belong together; fetch the checkpoint again",
    )
