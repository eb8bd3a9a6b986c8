"""The projection from a hidden state to the next latent, built from the shapes of its weights."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import nn

from quarry.inference.codi.names import wrong_names

_LINEARS = ("1.weight", "1.bias", "3.weight", "3.bias")
_NORM = ("ln.weight", "ln.bias")


def build_projection(tensors: Mapping[str, torch.Tensor], d_model: int, where: str) -> nn.Module:
    """Linear, GELU, Linear and, where it was trained with one, LayerNorm.

    Args:
        tensors: weights by the names of the published format, in which index 0 is a dropout; none
            for a model that feeds its hidden states back as they are.
        d_model: width of the residual stream.
        where: the checkpoint, for messages.

    Returns:
        A module from `(…, d_model)` to `(…, d_model)`, in the dtype of the weights.

    Raises:
        ModelLoadError: some of the weights are missing, unknown or of another shape.
    """
    if not tensors:
        return nn.Identity()
    has_norm = any(name in tensors for name in _NORM)
    expected = [*_LINEARS, *(_NORM if has_norm else ())]
    wrong = sorted(f"prj.{name}" for name in set(expected) ^ set(tensors))
    if wrong:
        raise wrong_names("lacks or has too many weights of its projection", wrong, where)
    width = tensors["1.weight"].shape[0]
    with torch.device("meta"):
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["1"] = nn.Linear(d_model, width)
        layers["2"] = nn.GELU()
        layers["3"] = nn.Linear(width, d_model)
        if has_norm:
            layers["ln"] = nn.LayerNorm(d_model)
        projection = nn.Sequential(layers)
    misshapen = [
        f"prj.{name} {tuple(tensors[name].shape)} instead of {tuple(weight.shape)}"
        for name, weight in projection.state_dict().items()
        if weight.shape != tensors[name].shape
    ]
    if misshapen:
        raise wrong_names("has a projection of another shape", misshapen, where)
    projection.load_state_dict(dict(tensors), assign=True)
    return projection
