"""Opens a published CODI checkpoint: state dict, base model's config and tokenizer.

How the state dict is read is in `weights` and `names`, how it becomes a model in `assembly`.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel

from quarry.inference.checkpoint import (
    read_checkpoint,
    resolve_device,
    resolve_dtype,
    without_progress_bars,
)
from quarry.inference.checkpoint_checks import as_load_error, check_architecture
from quarry.inference.codi.assembly import assemble
from quarry.inference.codi.model import CodiModel
from quarry.inference.codi.names import sort_by_meaning
from quarry.inference.codi.projection import build_projection
from quarry.inference.codi.settings import CodiCheckpoint
from quarry.inference.codi.weights import read_weights, weights_folder
from quarry.inference.usage_meter import UsageMeter
from quarry.inference.weights_identity import weights_identity

logger = logging.getLogger(__name__)


def load_codi(
    checkpoint: CodiCheckpoint, *, dtype: str = "auto", device: str = "auto"
) -> CodiModel:
    """Read a CODI model, its LoRA merged into the base weights.

    Args:
        checkpoint: where it is.
        dtype: `auto` (float32 on a CPU, else that of most weights), `float32`, `bfloat16`,
            `float16`.
        device: `auto`, `cpu`, `cuda` or `cuda:<n>`.

    Raises:
        ModelLoadError: weights or base model are missing, damaged or do not belong together; or
            the weights are a pickle of more than tensors, which is never opened.
        EngineMemoryError: the model does not fit the device.
    """
    chosen = resolve_device(device)
    meter = UsageMeter(n_devices=int(chosen.type == "cuda"))
    with meter.starting():
        config, tokenizer = _outline(*_base(checkpoint))
        source, revision = str(checkpoint.weights), checkpoint.weights_revision
        with without_progress_bars(), as_load_error(source, revision):
            model, projection, facts = _assembled(checkpoint, config, dtype, chosen)
    return CodiModel(model, projection, tokenizer, source=source, facts=facts, meter=meter)


def _base(checkpoint: CodiCheckpoint) -> tuple[str, str | None]:
    """Directory or hub id of the base model, and its revision."""
    if checkpoint.base is None:
        return str(checkpoint.weights), checkpoint.weights_revision
    return str(checkpoint.base), checkpoint.base_revision


def _outline(base: str, revision: str | None) -> tuple[Any, Any]:
    """The base model's config and tokenizer."""
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    with as_load_error(base, revision):
        config: Any = AutoConfig.from_pretrained(base, **options)
        check_architecture(config, base)
        return config, AutoTokenizer.from_pretrained(base, **options)


def _assembled(
    checkpoint: CodiCheckpoint, config: Any, dtype: str, device: torch.device
) -> tuple[PreTrainedModel, nn.Module, dict[str, Any]]:
    """Language model and projection on their device, and facts about where they come from."""
    where, (base, revision) = str(checkpoint.weights), _base(checkpoint)
    folder = weights_folder(checkpoint.weights, checkpoint.weights_revision)
    state = read_weights(folder)
    wanted = resolve_dtype(dtype, device)
    exact = wanted if isinstance(wanted, torch.dtype) else _most_common_dtype(state)
    parts = sort_by_meaning(state, where)
    del state
    n_adapted = len(parts.lora)
    model, remarks = assemble(
        parts,
        config,
        lora_alpha=checkpoint.lora_alpha,
        dtype=exact,
        read_base=lambda: _base_weights(base, revision),
        where=where,
    )
    for remark in remarks:
        logger.info("%s: %s", where, remark)
    d_model = int(config.get_text_config().hidden_size)
    projection = build_projection(parts.projection, d_model, where).to(device, exact).eval()
    facts = {
        "weights": _identity(checkpoint, folder),
        "base": weights_identity(base, revision, config),
        "lora_alpha": checkpoint.lora_alpha,
        "n_adapted_layers": n_adapted,
        "has_projection": bool(parts.projection),
        "remarks": remarks,
    }
    placed: Any = model
    return placed.to(device), projection, facts


def _base_weights(base: str, revision: str | None) -> dict[str, torch.Tensor]:
    """All weights of the base model, as they are stored."""
    opened = read_checkpoint(base, revision=revision, dtype="float32", device="cpu")
    return dict(opened.model.state_dict())


def _most_common_dtype(state: dict[str, torch.Tensor]) -> torch.dtype:
    """The dtype that most numbers of a state dict are stored in."""
    counts: Counter[torch.dtype] = Counter()
    for tensor in state.values():
        counts[tensor.dtype] += tensor.numel()
    return counts.most_common(1)[0][0] if counts else torch.float32


def _identity(checkpoint: CodiCheckpoint, folder: Path) -> str:
    """Which weights these are: the hub's commit, or a digest over the directory's files."""
    if folder == Path(checkpoint.weights):
        return weights_identity(str(folder), None, None)
    return f"{checkpoint.weights}@{folder.name}"
