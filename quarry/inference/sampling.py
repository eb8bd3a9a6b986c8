"""Choice of the next token: greedy, or temperature with top-k and top-p.

Randomness is one uniform number a token from a stream per (seed, sample id, k); so a completion
does not depend on which other rows share its batch. The decoding loop lives in `generation`.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
import torch

from quarry.inference.engine import GenerationParameters


def random_stream(seed: int, sample_id: str, completion_index: int) -> np.random.Generator:
    """The random stream of one completion, the same on every machine."""
    name = json.dumps([seed, sample_id, completion_index]).encode()
    digest = hashlib.blake2b(name, digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def choose_tokens(
    logits: torch.Tensor, parameters: GenerationParameters, uniforms: torch.Tensor | None
) -> torch.Tensor:
    """The next token of every row.

    Args:
        logits: `(n_rows, vocab_size)`.
        parameters: temperature 0 takes the most likely token.
        uniforms: `(n_rows,)` float64 in [0, 1), one draw a row; None when greedy.

    Returns:
        `(n_rows,)` int64.
    """
    if parameters.temperature == 0.0 or uniforms is None:
        return logits.argmax(dim=-1)
    return _drawn(logits, parameters, uniforms.unsqueeze(-1)).squeeze(-1)


def choose_many(
    logits: torch.Tensor, parameters: GenerationParameters, uniforms: torch.Tensor
) -> torch.Tensor:
    """Next tokens of sequences that are the same up to here: many draws from one distribution.

    Args:
        logits: `(vocab_size,)`.
        parameters: temperature 0 takes the most likely token, whatever the draws.
        uniforms: `(n_draws,)` float64 in [0, 1).

    Returns:
        `(n_draws,)` int64; the same tokens as `choose_tokens` gives for a row each.
    """
    if parameters.temperature == 0.0:
        return logits.argmax(dim=-1).expand(len(uniforms))
    return _drawn(logits.unsqueeze(0), parameters, uniforms.unsqueeze(0)).squeeze(0)


def _drawn(
    logits: torch.Tensor, parameters: GenerationParameters, uniforms: torch.Tensor
) -> torch.Tensor:
    """Tokens `(n_rows, n_draws)` int64 for uniform numbers of the same shape."""
    probabilities = candidate_probabilities(logits, parameters)
    # The draw walks the vocabulary in id order. In order of probability two near-equal tokens could
    # swap places by the rounding of another batch size, and with them the meaning of the draw.
    cumulative = probabilities.cumsum(dim=-1)
    thresholds = uniforms.to(cumulative.device, cumulative.dtype) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, thresholds, right=True)


def candidate_probabilities(logits: torch.Tensor, parameters: GenerationParameters) -> torch.Tensor:
    """Probabilities after temperature, top-k and top-p; candidates cut off have 0.

    Args:
        logits: `(n_rows, vocab_size)`.
        parameters: the settings.

    Returns:
        `(n_rows, vocab_size)` float64, not renormalised.
    """
    scaled = logits.double() / parameters.temperature
    if 0 < parameters.top_k < scaled.shape[-1]:
        weakest = scaled.topk(parameters.top_k, dim=-1).values[:, -1:]
        scaled = scaled.masked_fill(scaled < weakest, float("-inf"))
    probabilities = scaled.softmax(dim=-1)
    if parameters.top_p < 1.0:
        ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
        before = ordered.cumsum(dim=-1) - ordered
        cut = torch.zeros_like(before, dtype=torch.bool).scatter(
            -1, order, before >= parameters.top_p
        )
        probabilities = probabilities.masked_fill(cut, 0.0)
    return probabilities
