"""CODI by the book, to measure the real thing against: one problem, no padding, no cache.

Every step runs all that came before anew, from embeddings, in a plain forward pass; an ablation
writes over the outputs of blocks at the slots' positions. Slow on purpose.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from quarry.inference.codi.settings import CodiSettings

States = torch.Tensor
"""Outputs of blocks at the slots, `(n_slots, n_layers, d_model)`."""


@dataclass(frozen=True)
class PlainAnswer:
    """Token ids of an answer, and the logits that each was chosen from `(n_tokens, vocabulary)`."""

    ids: list[int]
    logits: torch.Tensor


@dataclass(frozen=True)
class PlainCodi:
    """A CODI model, taken apart.

    Args:
        model: the language model.
        projection: from a hidden state to the next latent.
        blocks: its decoder blocks.
        bot: begins a thought.
        eot: ends it.
        ends: tokens that end an answer.
    """

    model: Any
    projection: Any
    blocks: Sequence[torch.nn.Module]
    bot: int
    eot: int
    ends: frozenset[int]

    def layers(self, layer: str | int) -> list[int]:
        """Blocks of a setting."""
        if layer == "all":
            return list(range(len(self.blocks)))
        return [len(self.blocks) // 2 if layer == "middle" else int(layer)]

    @torch.no_grad()
    def run(
        self,
        question: Sequence[int],
        settings: CodiSettings,
        states: States | None = None,
    ) -> tuple[PlainAnswer, States]:
        """The answer to one question, and the chosen blocks' outputs at the slots.

        Args:
            question: its token ids.
            settings: protocol, slots, blocks.
            states: what the chosen blocks give at the first slots; None leaves them as they are.
        """
        read = list(question) + ([self.bot] if settings.protocol == "paper" else [])
        inputs = [self._embedding(token) for token in read]
        if settings.protocol == "paper":
            inputs.append(self._latent(self._forward(inputs, len(read), settings, states)[0]))
        else:
            inputs.append(self._embedding(self.bot))
        output, kept = None, torch.empty(0)
        for slot in range(settings.n_latents):
            output, kept = self._forward(inputs, len(read), settings, states)
            if slot < settings.n_latents - 1:
                inputs.append(self._latent(output))
        ids: list[int] = []
        logits: list[torch.Tensor] = []
        inputs.append(self._embedding(self.eot))
        while len(ids) < settings.max_new_tokens and not self.ends & set(ids[-1:]):
            output, _ = self._forward(inputs, len(read), settings, states)
            logits.append(output.logits[0, -1])
            allowed = logits[-1].clone()
            allowed[self.eot] = float("-inf")
            ids.append(int(allowed.argmax()))
            inputs.append(self._embedding(ids[-1]))
        return PlainAnswer(ids, torch.stack(logits)), kept

    def _forward(
        self,
        inputs: list[torch.Tensor],
        first_slot: int,
        settings: CodiSettings,
        states: States | None,
    ) -> tuple[Any, States]:
        """One pass over everything, and what the chosen blocks gave at the slots so far."""
        n_slots = min(len(inputs) - first_slot, settings.n_latents)
        outputs: list[torch.Tensor] = []

        def hook(column: int) -> Any:
            def change(module: Any, given: Any, output: Any) -> Any:
                tensor = (output[0] if isinstance(output, tuple) else output).clone()
                for slot in range(n_slots):
                    if states is not None and slot < len(states):
                        tensor[0, first_slot + slot] = states[slot, column]
                outputs.append(tensor[0, first_slot : first_slot + n_slots])
                return (tensor, *output[1:]) if isinstance(output, tuple) else tensor

            return change

        with ExitStack() as hooks:
            for column, layer in enumerate(self.layers(settings.ablation.layer)):
                hooks.callback(self.blocks[layer].register_forward_hook(hook(column)).remove)
            result = self.model(
                inputs_embeds=torch.stack(inputs).unsqueeze(0),
                use_cache=False,
                output_hidden_states=True,
            )
        return result, torch.stack(outputs, dim=1)

    def _embedding(self, token: int) -> torch.Tensor:
        """`(d_model,)`."""
        return self.model.get_input_embeddings().weight[token].detach()

    def _latent(self, output: Any) -> torch.Tensor:
        """What the last position thinks, `(d_model,)`."""
        return self.projection(output.hidden_states[-1][0, -1])


def plain_replacement(
    problem_id: str,
    settings: CodiSettings,
    layers: Sequence[int],
    thoughts: Mapping[str, States],
) -> States:
    """What stands in for a problem's states, straight from its definition."""
    ablation, n_slots = settings.ablation, settings.ablation.n_latents or settings.n_latents
    known = torch.stack(list(thoughts.values()))[:, :n_slots].double()
    mean, std = known.mean(dim=0), known.std(dim=0, correction=0)
    if ablation.kind == "zeros":
        return torch.zeros_like(mean).float()
    if ablation.kind == "mean":
        return mean.float()
    if ablation.kind == "shuffle":
        others = sorted(set(thoughts) - {problem_id})
        name = f"{ablation.seed}:{problem_id}".encode()
        digest = hashlib.blake2b(name, digest_size=16).digest()
        return thoughts[others[int.from_bytes(digest, "big") % len(others)]][:n_slots]
    drawn = torch.empty_like(mean)
    for slot in range(n_slots):
        for column, layer in enumerate(layers):
            name = json.dumps([ablation.seed, f"{problem_id}/slot {slot}/layer {layer}", 0])
            key = hashlib.blake2b(name.encode(), digest_size=16).digest()
            stream = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
            normal = stream.standard_normal(mean.shape[-1], dtype=np.float32)
            drawn[slot, column] = torch.from_numpy(normal)
    return (mean + std * drawn).float()
