"""The way that thoughts were ablated before: a problem at a time, each condition from the start."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch

from quarry.inference.capture import decoder_blocks
from quarry.inference.codi.ablation import ablated_layers, replacements


class OneByOne:
    """Runs problems through the language model of a `CodiModel`, without its batches.

    Args:
        model: the loaded model.
        settings: of protocol `paper`.
        reference: for ablations other than `zeros`.
    """

    def __init__(self, model: Any, settings: Any, reference: Any) -> None:
        self._model = model
        self._settings = settings
        self._reference = reference
        self._layers = ablated_layers(settings.ablation.layer, model.n_layers)
        self._blocks = [decoder_blocks(model.model)[layer] for layer in self._layers]

    def run(self, problems: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
        """Token ids of both answers to each problem."""
        return [
            (self._answer(text, None), self._answer(text, self._states(name)))
            for name, text in problems
        ]

    def _states(self, problem_id: str) -> torch.Tensor:
        """What stands in for a problem's own states, `(n_slots, n_layers, d_model)`."""
        language = self._model.model
        states = replacements(
            [problem_id], self._settings, self._layers, self._model.d_model, self._reference
        )
        return states[0].to(language.device, language.dtype)

    @torch.inference_mode()
    def _answer(self, text: str, states: torch.Tensor | None) -> list[int]:
        """One answer, from the question on."""
        language, tokens = self._model.model, self._model.tokens
        ids = [*self._model.tokenizer(text)["input_ids"], tokens.bot]
        output = language(
            input_ids=torch.tensor([ids], device=language.device),
            use_cache=True,
            output_hidden_states=True,
            logits_to_keep=1,
        )
        for slot in range(self._settings.n_latents):
            latent = self._model.projection(output.hidden_states[-1][:, -1:])
            with ExitStack() as hooks:
                for column, block in enumerate(self._blocks):
                    if states is not None:
                        hook = _replacing(states[slot, column])
                        hooks.callback(block.register_forward_hook(hook).remove)
                output = language(
                    inputs_embeds=latent,
                    past_key_values=output.past_key_values,
                    use_cache=True,
                    output_hidden_states=True,
                )
        return self._decode(output.past_key_values)

    def _decode(self, cache: Any) -> list[int]:
        """Greedy tokens after the end of thought."""
        language, tokens = self._model.model, self._model.tokens
        chosen: list[int] = []
        last = tokens.eot
        while len(chosen) < self._settings.max_new_tokens and last not in tokens.ends:
            output = language(
                input_ids=torch.tensor([[last]], device=language.device),
                past_key_values=cache,
                use_cache=True,
            )
            cache = output.past_key_values
            logits = output.logits[0, -1]
            logits[tokens.eot] = float("-inf")
            last = int(logits.argmax())
            chosen.append(last)
        return chosen


def _replacing(state: torch.Tensor) -> Any:
    """A forward hook that gives one state in place of a block's output."""

    def hook(module: Any, given: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (state.expand_as(output[0]), *output[1:])
        return state.expand_as(output)

    return hook
