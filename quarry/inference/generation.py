"""The decoding loop: left-padded prompts in, token ids and text out.

Rows leave the batch as soon as they are finished. Which token is chosen lives in `sampling`, where
a text ends in `stopping`, hidden states in `capture`. Models with recurrent state are not served:
left padding would run through it.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from quarry.inference.batching import pad
from quarry.inference.checkpoint_engine import Request
from quarry.inference.engine import FinishReason, GenerationParameters
from quarry.inference.sampling import choose_tokens, random_stream
from quarry.inference.stopping import StopDetector, plain_text


@dataclass
class Generated:
    """One completion as it grows; finished when `finish_reason` is set."""

    request: Request
    detector: StopDetector
    stream: np.random.Generator
    output_ids: list[int] = field(default_factory=list[int])
    text: str = ""
    finish_reason: FinishReason | None = None


class Decoder:
    """Generates completions with one model.

    Args:
        model: a causal language model.
        tokenizer: its tokenizer.
        end_ids: tokens that end a completion.
        pad_id: the token that fills short rows; attention never sees it.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        end_ids: frozenset[int],
        pad_id: int,
    ) -> None:
        """Look up once what the model's forward accepts."""
        self._model = model
        self._tokenizer = tokenizer
        self._end_ids = end_ids
        self._pad_id = pad_id
        self._special_ids = frozenset(int(token) for token in tokenizer.all_special_ids)
        accepted = inspect.signature(model.forward).parameters
        self._takes_positions = "position_ids" in accepted
        self._takes_logits_to_keep = "logits_to_keep" in accepted

    @torch.inference_mode()
    def generate(
        self, requests: Sequence[Request], parameters: GenerationParameters
    ) -> list[Generated]:
        """Complete one batch of prompts; results in the order of `requests`."""
        rows = [self._start(request, parameters) for request in requests]
        tokens, mask = pad([request.prompt_ids for request in requests], "left", self._pad_id)
        tokens, mask = tokens.to(self._model.device), mask.to(self._model.device)
        active, cache = rows, None
        positions = (mask.cumsum(dim=-1) - 1).clamp(min=0)
        while True:
            logits, cache = self.forward(tokens, mask, positions, cache)
            chosen = choose_tokens(logits, parameters, _draws(active, parameters)).tolist()
            for row, token in zip(active, chosen, strict=True):
                self._accept(row, token, parameters)
            kept = [index for index, row in enumerate(active) if row.finish_reason is None]
            if not kept:
                return rows
            if len(kept) < len(active):
                index = torch.tensor(kept, device=mask.device)
                active = [active[row] for row in kept]
                mask, positions = mask[index], positions[index]
                cache.batch_select_indices(index)
            tokens = torch.tensor([[row.output_ids[-1]] for row in active], device=mask.device)
            mask = torch.cat([mask, mask.new_ones((len(active), 1))], dim=-1)
            positions = positions[:, -1:] + 1

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of token ids, special tokens removed, nothing tidied up."""
        return plain_text(self._tokenizer, token_ids)

    def detector(self, parameters: GenerationParameters) -> StopDetector:
        """What watches a completion for its stop strings."""
        return StopDetector(parameters.stop, self.decode, self._special_ids)

    def _start(self, request: Request, parameters: GenerationParameters) -> Generated:
        """A completion with nothing generated yet."""
        return Generated(
            request,
            self.detector(parameters),
            random_stream(parameters.seed, request.sample_id, request.completion_index),
        )

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self._model.device

    def forward(
        self, tokens: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any
    ) -> tuple[torch.Tensor, Any]:
        """Logits `(n_rows, vocab_size)` of the last position, and the key-value cache."""
        options: dict[str, Any] = {}
        if self._takes_positions:
            options["position_ids"] = positions
        if self._takes_logits_to_keep:
            # The logits of a whole prompt would be vocabulary / d_model times its hidden states.
            options["logits_to_keep"] = 1
        outputs = self._model(
            input_ids=tokens,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
            **options,
        )
        return outputs.logits[:, -1], outputs.past_key_values

    def _accept(self, row: Generated, token: int, parameters: GenerationParameters) -> None:
        """Append a token and settle whether the completion ends with it."""
        row.output_ids.append(token)
        ended = self.ending(row.detector, row.output_ids, parameters)
        if ended is not None:
            row.text, row.finish_reason = ended

    def ending(
        self, detector: StopDetector, output_ids: Sequence[int], parameters: GenerationParameters
    ) -> tuple[str, FinishReason] | None:
        """Text and reason of a completion that ends with its last token; None if it goes on."""
        if output_ids[-1] in self._end_ids:
            return self.decode(output_ids[:-1]), "stop"
        before_stop = detector.text_before_stop(output_ids)
        if before_stop is not None:
            return before_stop, "stop"
        if len(output_ids) == parameters.max_new_tokens:
            return self.decode(output_ids), "length"
        return None


def _draws(rows: Sequence[Generated], parameters: GenerationParameters) -> torch.Tensor | None:
    """One uniform number a row, `(n_rows,)` float64; None when greedy."""
    if parameters.temperature == 0.0:
        return None
    return torch.tensor([row.stream.random() for row in rows], dtype=torch.float64)
