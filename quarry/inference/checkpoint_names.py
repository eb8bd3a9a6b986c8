"""Which weights a checkpoint directory lacks, told from names alone; no weight is read.

vLLM runs a linear layer whose weights are absent on whatever its memory holds, without a word.
"""

# transformers and safetensors type their functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM


def missing_weights(directory: Path, config: Any) -> list[str]:
    """Names that the architecture needs and no file of a directory has, in order.

    Where files name weights as the architecture does not (other prefixes, experts of their own),
    nothing can be told: then none are missing.

    Args:
        directory: a checkpoint.
        config: its configuration, as transformers reads it.
    """
    present: set[str] = set()
    for file in directory.glob("*.safetensors"):
        with safe_open(file, framework="pt") as weights:
            present.update(weights.keys())
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config)
    expected = set(model.state_dict())
    if not present <= expected:
        return []
    return sorted(expected - present - tied_names(model))


def tied_names(model: Any) -> set[str]:
    """Names of weights that are another one, and so need not be stored twice."""
    first_names: dict[int, str] = {}
    tied: set[str] = set(getattr(model, "all_tied_weights_keys", None) or ())
    for name, weight in model.named_parameters(remove_duplicate=False):
        if first_names.setdefault(id(weight), name) != name:
            tied |= {name, first_names[id(weight)]}
    return tied
