"""One batch of problems, run undisturbed to learn its states, or run both ways to its answers.

Both ways are rows of one batch that share what was processed before the first slot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from quarry.inference.capture import decoder_blocks
from quarry.inference.codi.ablation import edited, replacements
from quarry.inference.codi.passes import Answer, CodiTokens, Passes, Rows
from quarry.inference.codi.questions import Question
from quarry.inference.codi.reference import CodiReference
from quarry.inference.codi.settings import CodiSettings

Observer = Callable[[list[int], torch.Tensor], None]
"""Is shown which rows are left, and their logits `(n_rows, vocab_size)`, at each token."""


class Runs:
    """Runs batches through one model.

    Args:
        model: the language model.
        projection: from a hidden state to the next latent.
        tokens: the special tokens.
    """

    def __init__(self, model: PreTrainedModel, projection: nn.Module, tokens: CodiTokens) -> None:
        """Find the blocks once."""
        self._passes = Passes(model, projection, tokens)
        self._blocks = decoder_blocks(model)
        config: Any = model.config
        self._d_model = int(config.get_text_config().hidden_size)

    @torch.inference_mode()
    def thoughts(
        self, batch: Sequence[Question], settings: CodiSettings, layers: tuple[int, ...]
    ) -> list[torch.Tensor]:
        """Outputs of blocks in undisturbed thought, `(n_slots, n_layers, d_model)` float32 each."""
        kept = torch.empty(len(batch), settings.n_latents, len(layers), self._d_model)

        def at_slot(slot: int) -> AbstractContextManager[None]:
            def record(place: int, output: torch.Tensor) -> torch.Tensor:
                kept[:, slot, place] = output[:, -1].float().cpu()
                return output

            return edited([self._blocks[layer] for layer in layers], record)

        self._passes.think(self._read(batch, settings), settings.n_latents, at_slot)
        return list(kept)

    @torch.inference_mode()
    def both(
        self,
        batch: Sequence[Question],
        settings: CodiSettings,
        layers: tuple[int, ...],
        reference: CodiReference | None,
        observe: Observer | None = None,
    ) -> list[tuple[Answer, Answer]]:
        """The answers to each problem, with its thoughts and with these ablated.

        Args:
            batch: the problems.
            settings: how they are run.
            layers: the ablated blocks.
            reference: for ablations other than `zeros`.
            observe: sees the logits; row k is problem k undisturbed, row `len(batch) + k` the same
                problem ablated.
        """
        rows = self._read(batch, settings)
        rows.double()
        ids = [question.id for question in batch]
        states = replacements(ids, settings, layers, self._d_model, reference)
        states = states.to(rows.inputs.device, rows.inputs.dtype)

        def at_slot(slot: int) -> AbstractContextManager[None]:
            if slot >= settings.n_ablated:
                return nullcontext()

            def replace(place: int, output: torch.Tensor) -> torch.Tensor:
                return torch.cat([output[: len(batch)], states[:, slot, place].unsqueeze(1)])

            return edited([self._blocks[layer] for layer in layers], replace)

        self._passes.think(rows, settings.n_latents, at_slot)
        answers = self._passes.answer(rows, settings.max_new_tokens, observe)
        return list(zip(answers[: len(batch)], answers[len(batch) :], strict=True))

    def _read(self, batch: Sequence[Question], settings: CodiSettings) -> Rows:
        """Process the questions of a batch."""
        questions = [question.token_ids for question in batch]
        return self._passes.read(questions, is_bot_a_slot=settings.protocol == "bot_in_slots")
