"""From the tensors of a CODI checkpoint to one plain language model, LoRA merged into it."""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from quarry.errors import ModelLoadError
from quarry.inference.checkpoint_checks import check_complete
from quarry.inference.checkpoint_names import tied_names
from quarry.inference.codi.names import CodiTensors, wrong_names

N_ADDED_TOKENS = 3
"""Rows that CODI adds to the embeddings: padding, begin and end of thought, in this order."""

Tensors = dict[str, torch.Tensor]


def assemble(
    parts: CodiTensors,
    config: Any,
    *,
    lora_alpha: float,
    dtype: torch.dtype,
    read_base: Callable[[], Tensors],
    where: str,
) -> tuple[PreTrainedModel, list[str]]:
    """Build the language model.

    Args:
        parts: the checkpoint's tensors; emptied on the way, so that no weight is held twice.
        config: of the base model, with its own vocabulary.
        lora_alpha: the adapters' scale times their rank.
        dtype: of the model; LoRA is merged in float32.
        read_base: reads the base model's weights; called only where the checkpoint has adapters
            and embeddings, but no weights that they adapt.
        where: the checkpoint, for messages.

    Returns:
        The model, on the CPU, and sentences about what was not in the checkpoint.

    Raises:
        ModelLoadError: a weight is missing, unknown or of another shape.
    """
    config = copy.deepcopy(config)
    config.vocab_size += N_ADDED_TOKENS
    with torch.device("meta"):
        outline: Any = AutoModelForCausalLM.from_config(config)
    expected: Tensors = outline.state_dict()
    repeated = _repeated(outline, expected)
    weights = {name: tensor for name, tensor in parts.base.items() if name not in repeated}
    parts.base = {}
    remarks = _fill(weights, expected, repeated, outline, read_base)
    _check_names(weights, {name: expected[name] for name in expected.keys() - repeated}, where)
    _merge(weights, parts, outline, lora_alpha, where)
    model, report = type(outline).from_pretrained(
        None, config=config, state_dict=weights, dtype=dtype, output_loading_info=True
    )
    check_complete(report, where)
    return model.eval(), remarks


def _repeated(outline: Any, expected: Tensors) -> set[str]:
    """Names of weights that are the input embeddings under another name, which win over them."""
    embedding = next(
        name for name, module in outline.named_modules() if module is outline.get_input_embeddings()
    )
    return (tied_names(outline) & set(expected)) - {f"{embedding}.weight"}


def _fill(
    weights: Tensors,
    expected: Tensors,
    repeated: set[str],
    outline: Any,
    read_base: Callable[[], Tensors],
) -> list[str]:
    """Take the base model's weights where a checkpoint has none but the embeddings.

    A checkpoint with some of them is not filled up: it is damaged, and its own may have been
    trained.
    """
    grown = _grown_names(outline, expected)
    own = set(expected) - grown - repeated
    if own & set(weights):
        return []
    base = read_base()
    weights.update({name: base[name] for name in own & set(base)})
    return [f"{len(own & set(base))} weights are the base model's: the checkpoint has none"]


def _grown_names(outline: Any, expected: Tensors) -> set[str]:
    """Names of the weights that have a row a token."""
    modules = (outline.get_input_embeddings(), outline.get_output_embeddings())
    return {
        name
        for name in expected
        if any(outline.get_submodule(name.rpartition(".")[0]) is one for one in modules)
    }


def _check_names(weights: Tensors, expected: Tensors, where: str) -> None:
    """Exactly the expected names, in their shapes."""
    missing = sorted(expected.keys() - weights.keys())
    if missing:
        raise wrong_names(f"lacks {len(missing)} weights of its base model", missing, where)
    unknown = sorted(weights.keys() - expected.keys())
    if unknown:
        raise wrong_names("has weights that its base model does not have", unknown, where)
    misshapen = [
        f"{name} {tuple(weights[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if weights[name].shape != tensor.shape
    ]
    if misshapen:
        raise wrong_names("has weights of another shape than its base model", misshapen, where)


def _merge(
    weights: Tensors, parts: CodiTensors, outline: nn.Module, lora_alpha: float, where: str
) -> None:
    """Add `alpha / rank * B A` to the weights that have adapters, in float32."""
    modules: Mapping[str, nn.Module] = dict(outline.named_modules())
    while parts.lora:
        name, (first, second) = parts.lora.popitem()
        module, target = modules.get(name), weights.get(f"{name}.weight")
        if not isinstance(module, nn.Linear | Conv1D) or target is None:
            raise wrong_names("has LoRA for what is no linear layer", [name], where)
        if first.ndim != 2 or second.ndim != 2 or second.shape[1] != first.shape[0]:
            raise _misfit(name, first, second, target, where)
        change = second.float() @ first.float() * (lora_alpha / first.shape[0])
        # GPT-2's own kind of layer keeps its weights as (d_in, d_out).
        change = change.T if isinstance(module, Conv1D) else change
        if change.shape != target.shape:
            raise _misfit(name, first, second, target, where)
        weights[f"{name}.weight"] = target.float() + change


def _misfit(
    name: str, first: torch.Tensor, second: torch.Tensor, target: torch.Tensor, where: str
) -> ModelLoadError:
    """The error for adapters that can't be added to their weight."""
    shapes = f"A {tuple(first.shape)}, B {tuple(second.shape)}, weight {tuple(target.shape)}"
    return wrong_names("has LoRA of another shape than its weight", [f"{name}: {shapes}"], where)
