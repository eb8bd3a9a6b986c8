"""Many completions of one prompt, in which what is the same is computed once.

A thousand completions at a low temperature are a few dozen distinct ones, and these begin alike. So
they are decoded as a tree: one row for each distinct beginning, with all the completions that have
it behind. Each completion draws its tokens from its own stream, as in `generation`, and is the same
token for token.
"""

# transformers and torch type their methods in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from quarry.inference.checkpoint_engine import Request
from quarry.inference.engine import GenerationParameters
from quarry.inference.generation import Decoder, Generated
from quarry.inference.sampling import choose_many, random_stream


@dataclass
class _Beginning:
    """A distinct beginning and the completions that have it."""

    output_ids: list[int]
    rows: list[Generated]


def generate_shared(
    decoder: Decoder, requests: Sequence[Request], parameters: GenerationParameters, most: int
) -> list[Generated]:
    """Complete one prompt many times; results in the order of `requests`.

    Args:
        decoder: of the model.
        requests: all with the same prompt.
        parameters: how.
        most: beginnings that are run at once. Those beyond wait without a cache, and are read again
            when their turn comes; so memory is bounded by `most` whatever the number of requests.
    """
    detector = decoder.detector(parameters)
    rows = [
        Generated(
            request,
            detector,
            random_stream(parameters.seed, request.sample_id, request.completion_index),
        )
        for request in requests
    ]
    prompt_ids = requests[0].prompt_ids
    waiting = [[_Beginning([], rows)]]
    while waiting:
        waiting += _descend(decoder, prompt_ids, waiting.pop(), parameters, most)
    return rows


@torch.inference_mode()
def _descend(
    decoder: Decoder,
    prompt_ids: Sequence[int],
    beginnings: list[_Beginning],
    parameters: GenerationParameters,
    most: int,
) -> list[list[_Beginning]]:
    """Decode beginnings of one length to the end; returns those for which there was no room."""
    left_over: list[list[_Beginning]] = []
    cache: Any = None
    tokens = torch.tensor([[*prompt_ids, *one.output_ids] for one in beginnings])
    length = tokens.shape[1]
    while True:
        # all are of one length, so nothing is padded
        mask = torch.ones((len(beginnings), length), dtype=torch.long, device=decoder.device)
        positions = torch.arange(length - tokens.shape[1], length, device=decoder.device)
        logits, cache = decoder.forward(
            tokens.to(decoder.device), mask, positions.expand(len(beginnings), -1), cache
        )
        longer = [
            (parent, one)
            for parent, beginning in enumerate(beginnings)
            for one in _continued(decoder, beginning, logits[parent], parameters)
        ]
        left_over += [
            [one for _, one in longer[start : start + most]]
            for start in range(most, len(longer), most)
        ]
        longer = longer[:most]
        if not longer:
            return left_over
        parents = torch.tensor([parent for parent, _ in longer], device=decoder.device)
        cache.batch_select_indices(parents)
        beginnings = [one for _, one in longer]
        tokens = torch.tensor([[one.output_ids[-1]] for one in beginnings])
        length += 1


def _continued(
    decoder: Decoder,
    beginning: _Beginning,
    logits: torch.Tensor,
    parameters: GenerationParameters,
) -> list[_Beginning]:
    """The beginnings that follow one by a token; completions that end there are finished."""
    uniforms = torch.tensor([row.stream.random() for row in beginning.rows], dtype=torch.float64)
    chosen = choose_many(logits, parameters, uniforms).cpu().numpy()
    longer: list[_Beginning] = []
    for token in np.unique(chosen).tolist():
        having_it = np.flatnonzero(chosen == token)
        rows = [beginning.rows[index] for index in having_it.tolist()]
        output_ids = [*beginning.output_ids, token]
        ended = decoder.ending(rows[0].detector, output_ids, parameters)
        if ended is None:
            longer.append(_Beginning(output_ids, rows))
            continue
        for row in rows:
            row.output_ids = output_ids  # one list for all: thousands may have it
            row.text, row.finish_reason = ended
    return longer
