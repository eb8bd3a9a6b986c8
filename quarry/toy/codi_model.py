"""`CodiModule`: a toy model with latent thoughts, as it is trained and as it is published.

Published checkpoints are run by `quarry.inference.codi`. The loss lives in `codi_loss`.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

import shutil
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import save_file
from transformers import DynamicCache, Olmo3ForCausalLM
from transformers.modeling_outputs import BaseModelOutputWithPast

from quarry.toy.training_record import WEIGHTS

BASE = "base"
"""Directory of the base model inside a published checkpoint."""

N_ADDED = 3
"""Padding, begin of thought and end of thought follow the base model's vocabulary in this order."""


class CodiModule(torch.nn.Module):
    """A causal language model, three added tokens, and the projection that makes latents.

    Names of the parameters are those of published CODI checkpoints without LoRA.

    Args:
        base: the model to start from; it is changed in place.
    """

    def __init__(self, base: Olmo3ForCausalLM) -> None:
        """Add the tokens and the projection."""
        super().__init__()
        n_tokens = base.config.vocab_size
        self.pad_id, self.bot_id, self.eot_id = range(n_tokens, n_tokens + N_ADDED)
        base.resize_token_embeddings(n_tokens + N_ADDED, mean_resizing=False)
        self.codi = base
        self.prj = _identity(base.config.hidden_size)

    def begin_latents(self, separator_id: int, thought_ids: Sequence[int]) -> None:
        """Start the added tokens and the latents where explicit thoughts left off.

        The added tokens begin as what separates thoughts, and latents as large as the embeddings
        of what thoughts consist of. From random ones the first hundred steps destroyed what the
        model knew.

        Args:
            separator_id: token between thoughts.
            thought_ids: tokens of thoughts.
        """
        embeddings = self.codi.model.embed_tokens.weight
        norm = cast("torch.nn.LayerNorm", self.prj.get_submodule("ln"))
        with torch.no_grad():
            embeddings[-N_ADDED:] = embeddings[separator_id]
            norm.weight.fill_(embeddings[list(thought_ids)].std())

    def run(
        self,
        cache: DynamicCache,
        *,
        token_ids: torch.Tensor | None = None,
        latents: torch.Tensor | None = None,
    ) -> BaseModelOutputWithPast:
        """Go on behind what the cache holds, with token ids or with latents.

        Args:
            cache: keys and values so far; extended in place.
            token_ids: `(n_problems, n_tokens)` int64.
            latents: `(n_problems, n_tokens, d_model)` float32.
        """
        return self.codi.model(
            input_ids=token_ids,
            inputs_embeds=latents,
            past_key_values=cache,
            use_cache=True,
            output_hidden_states=True,
        )

    def think(self, cache: DynamicCache, n_problems: int, n_latents: int) -> None:
        """Feed the begin-of-thought token and then each latent that comes out, as the paper does.

        Args:
            cache: keys and values of the questions; extended in place.
            n_problems: rows of the cache.
            n_latents: how many latents are fed.
        """
        begin = torch.full((n_problems, 1), self.bot_id)
        hidden = self.run(cache, token_ids=begin).last_hidden_state
        for _ in range(n_latents):
            hidden = self.run(cache, latents=self.prj(hidden)).last_hidden_state

    def save(self, directory: Path, base: Path) -> None:
        """Write weights in the published format, and the base model's files beside them.

        Args:
            directory: gets `model.safetensors` and the folder `base`.
            base: directory of the base model, of which only the training record is left out.
        """
        # A tied output layer is the embedding, and stored once.
        tensors = {
            name: tensor.detach().contiguous()
            for name, tensor in self.state_dict().items()
            if name != "codi.lm_head.weight"
        }
        save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})
        shutil.copytree(base, directory / BASE, ignore=shutil.ignore_patterns("training.json"))


def _identity(d_model: int) -> torch.nn.Sequential:
    """Linear, GELU, linear, norm, which give back the normed input to begin with.

    A hidden state points at the embedding of the token that it predicts, so that the first latents
    are close to the explicit thoughts of the model. `gelu(x) - gelu(-x)` is `x`.
    """
    first = torch.nn.Linear(d_model, 2 * d_model)
    second = torch.nn.Linear(2 * d_model, d_model)
    one = torch.eye(d_model)
    with torch.no_grad():
        first.weight.copy_(torch.cat((one, -one)))
        second.weight.copy_(torch.cat((one, -one), dim=1))
        first.bias.zero_()
        second.bias.zero_()
    parts: dict[str, torch.nn.Module] = {
        "0": torch.nn.Dropout(0.0),
        "1": first,
        "2": torch.nn.GELU(),
        "3": second,
        "ln": torch.nn.LayerNorm(d_model),
    }
    return torch.nn.Sequential(OrderedDict(parts))
