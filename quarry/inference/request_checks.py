"""What every engine refuses before it runs anything, and which tokens end a completion."""

# transformers types its classes in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quarry.errors import UsageError


def check_layers(layers: Sequence[int], n_layers: int) -> None:
    """Refuse layers that a model with `n_layers` decoder blocks does not have.

    Raises:
        UsageError: a layer does not exist.
    """
    beyond = [layer for layer in layers if not 0 <= layer < n_layers]
    if beyond:
        raise UsageError(
            "A layer to capture does not exist",
            where="capture.layers",
            expected=f"layers 0 .. {n_layers - 1}",
            got=str(beyond),
            fix="correct capture.layers in the catalog",
        )


def checked_ids(token_ids: Sequence[int], context_length: int) -> list[int]:
    """The token ids as plain integers, if a model can process them.

    Raises:
        UsageError: there are none, or more than `context_length`.
    """
    if not 1 <= len(token_ids) <= context_length:
        raise UsageError(
            "A sequence can't be processed",
            where="token ids",
            expected=f"1 .. {context_length} tokens",
            got=f"{len(token_ids)} tokens",
            fix="leave this sequence out, or use the model that made it",
        )
    return [int(token) for token in token_ids]


def end_token_ids(tokenizer: Any, config: Any, generation_config: Any) -> frozenset[int]:
    """Every token that ends a completion: chat models often have two."""
    configured: Any = [
        tokenizer.eos_token_id,
        config.get_text_config().eos_token_id,
        getattr(generation_config, "eos_token_id", None),
    ]
    ids: set[int] = set()
    for entry in configured:
        ids.update([entry] if isinstance(entry, int) else entry or [])
    return frozenset(ids)
