"""`CodiModule`: a toy model with latent thoughts, as it is trained and as it is published.

Published checkpoints are run by `quarry.inference.codi`. The loss lives in `codi_loss`.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

import shutil
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import DynamicCache, Olmo3ForCausalLM
from transformers.modeling_outputs import BaseModelOutputWithPast

from quarry.toy.training_record import WEIGHTS

BASE = "base"
"""Directory of the base model inside a published checkpoint."""

N_ADDED = 3
"""Padding, begin of thought and end of thought follow the base model's vocabulary in this order."""

_PRJ_FACTOR = 2


class CodiModule(torch.nn.Module):
    """A causal language model, three added tokens, and the projection that makes latents.

    Names of the parameters are those of published CODI checkpoints without LoRA.

    Args:
        base: the model to start from; it is changed in place.
    """

    def __init__(self, base: Olmo3ForCausalLM) -> None:
        """Add the tokens and a fresh projection."""
        super().__init__()
        n_tokens = base.config.vocab_size
        self.pad_id, self.bot_id, self.eot_id = range(n_tokens, n_tokens + N_ADDED)
        scale = _add_tokens(base)
        self.codi = base
        self.prj = _projection(base.config.hidden_size, scale)

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


def _add_tokens(base: Olmo3ForCausalLM) -> float:
    """Widen the vocabulary; the standard deviation of the embeddings that were there."""
    n_tokens = base.config.vocab_size
    base.resize_token_embeddings(n_tokens + N_ADDED, mean_resizing=False)
    embeddings = base.model.embed_tokens.weight
    with torch.no_grad():
        scale = embeddings[:n_tokens].std().item()
        embeddings[n_tokens:] = scale * torch.randn(N_ADDED, embeddings.shape[1])
    return scale


def _projection(d_model: int, scale: float) -> torch.nn.Sequential:
    """Linear, GELU, linear, norm; its latents begin as large as an embedding of the model."""
    width = _PRJ_FACTOR * d_model
    norm = torch.nn.LayerNorm(d_model)
    with torch.no_grad():
        norm.weight.fill_(scale)
    return torch.nn.Sequential(
        OrderedDict[str, torch.nn.Module](
            {
                "0": torch.nn.Dropout(0.0),
                "1": torch.nn.Linear(d_model, width),
                "2": torch.nn.GELU(),
                "3": torch.nn.Linear(width, d_model),
                "ln": norm,
            }
        )
    )
