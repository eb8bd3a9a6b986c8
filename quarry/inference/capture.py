"""Hidden states of decoder blocks: where the blocks are, and a teacher-forced pass over exact ids.

The ids that were generated are the ids that are captured; nothing is decoded or tokenised again.
Sequences are padded on the right: with causal attention no real token can see what follows it.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import PreTrainedModel

from quarry.errors import IntegrityError, ModelLoadError
from quarry.inference.batching import pad
from quarry.inference.storable_states import not_storable


@dataclass(frozen=True)
class TokenSpan:
    """A sequence to run and the half-open range of its tokens whose states are kept."""

    sample_id: str
    token_ids: Sequence[int]
    start: int
    stop: int


def decoder_blocks(model: PreTrainedModel) -> list[nn.Module]:
    """The decoder blocks in order, whatever the architecture calls their list.

    It is the outermost module list with as many members as the config has layers: `model.layers`
    in Llama, OLMo and Qwen, `transformer.h` in GPT-2, `gpt_neox.layers` in Pythia.

    Raises:
        ModelLoadError: there is no such list.
    """
    expected = int(model.config.get_text_config().num_hidden_layers)
    found = [
        (name.count("."), list(module))
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == expected
    ]
    if not found:
        raise ModelLoadError(
            "A model's decoder blocks can't be found",
            where=type(model).__name__,
            expected=f"a module list of num_hidden_layers = {expected} blocks",
            got=str([name for name, _ in model.named_children()]),
            fix="use a decoder-only architecture whose blocks are kept in one list",
        )
    return min(found, key=lambda depth_and_blocks: depth_and_blocks[0])[1]


class HiddenStateCapture:
    """Runs sequences through a model and keeps the chosen blocks' outputs.

    Args:
        model: a causal language model.
        blocks: its decoder blocks.
        pad_id: the token that fills short rows.
    """

    def __init__(self, model: PreTrainedModel, blocks: Sequence[nn.Module], pad_id: int) -> None:
        """Hooks are set for the length of one pass only."""
        self._model = model
        self._blocks = blocks
        self._pad_id = pad_id

    @torch.inference_mode()
    def states(
        self, spans: Sequence[TokenSpan], layers: Sequence[int]
    ) -> list[npt.NDArray[np.float16]]:
        """One array `(n_tokens, n_layers, d_model)` float16 per span, in one forward pass.

        Raises:
            IntegrityError: a state is not finite, or float16 can't hold it.
        """
        d_model = int(self._model.config.get_text_config().hidden_size)
        kept = [
            np.empty((span.stop - span.start, len(layers), d_model), np.float16) for span in spans
        ]
        tokens, _ = pad([span.token_ids for span in spans], "right", self._pad_id)
        with ExitStack() as hooks:
            for column, layer in enumerate(layers):
                hook = _Recorder(spans, kept, column, layer)
                hooks.callback(self._blocks[layer].register_forward_hook(hook).remove)
            # The base model leaves out the logits, which nobody needs here. No mask is needed
            # either: rows are padded on the right, and attention is causal.
            self._model.base_model(input_ids=tokens.to(self._model.device), use_cache=False)
        return kept


class _Recorder:
    """A forward hook that copies one block's output to the spans' arrays."""

    def __init__(
        self,
        spans: Sequence[TokenSpan],
        kept: Sequence[npt.NDArray[np.float16]],
        column: int,
        layer: int,
    ) -> None:
        """Keep where the states go."""
        self._spans = spans
        self._kept = kept
        self._column = column
        self._layer = layer

    def __call__(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """Copy; the block's output itself is left as it is."""
        states: torch.Tensor = output[0] if isinstance(output, tuple) else output
        narrow = states.to(torch.float16).cpu()
        for row, span in enumerate(self._spans):
            chosen = narrow[row, span.start : span.stop]
            if not bool(torch.isfinite(chosen).all()):
                raise _not_storable(span, self._layer, states[row, span.start : span.stop])
            self._kept[row][:, self._column] = chosen.numpy()


def _not_storable(span: TokenSpan, layer: int, states: torch.Tensor) -> IntegrityError:
    """The error for a state that float16 can't hold, naming its first place."""
    is_bad = ~torch.isfinite(states.to(torch.float16)).all(dim=-1)
    position = int(is_bad.nonzero()[0])
    largest = float(states[position].float().abs().max())
    return not_storable(
        span.sample_id,
        layer=layer,
        token=span.start + position,
        is_overflow=bool(np.isfinite(largest)),
        got=f"{largest:g}, and {int(is_bad.sum())} of {len(states)} tokens like it",
    )
