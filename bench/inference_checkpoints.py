"""Checkpoints with random weights in OLMo-3's shape, and prompts for them.

Weights do not change how long a step takes; text does, once it is tokenised again: words of one
token each survive that unchanged, so that no way is charged for tokens that it need not process.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# One token in so many ends a completion, where any does: half of them by the 16th.
_END_SHARE = 24


@dataclass(frozen=True)
class Shape:
    """The size of a model.

    Args:
        d_model: width of the residual stream.
        n_layers: decoder blocks; the states of every second one are captured, as in the grid.
        n_heads: attention heads.
        d_ff: width between the two matrices of a feed-forward block.
        vocabulary: number of tokens.
        window: sliding attention of three blocks in four.
    """

    d_model: int
    n_layers: int
    n_heads: int
    d_ff: int
    vocabulary: int = 4096
    window: int = 128

    @property
    def layers(self) -> list[int]:
        """The blocks whose states are captured."""
        return list(range(0, self.n_layers, 2))


SHAPES = {
    "tiny": Shape(128, 4, 4, 384),
    "40m": Shape(512, 8, 8, 2048),
    "100m": Shape(768, 12, 12, 2560),
    "7b": Shape(4096, 32, 32, 11008, vocabulary=100_278, window=4096),
}


def write_checkpoint(
    folder: Path, shape: Shape, dtype: str, device: str, *, ends_early: bool
) -> Path:
    """Write config, random weights and tokenizer in the hub's format.

    Args:
        folder: where to; made if it is missing.
        shape: the size of the model.
        dtype: of the weights.
        device: where the random numbers are drawn; a large model takes minutes on a CPU.
        ends_early: whether one token in 24 ends a completion; else all have the greatest length.
    """
    import torch
    from transformers import Olmo3Config, Olmo3ForCausalLM

    torch.manual_seed(0)
    kinds = ["full_attention" if (n + 1) % 4 == 0 else "sliding_attention" for n in range(64)]
    config = Olmo3Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.d_model,
        intermediate_size=shape.d_ff,
        num_hidden_layers=shape.n_layers,
        num_attention_heads=shape.n_heads,
        num_key_value_heads=shape.n_heads,
        max_position_embeddings=2048,
        sliding_window=shape.window,
        layer_types=kinds[: shape.n_layers],
        bos_token_id=None,
        eos_token_id=end_ids(shape) if ends_early else None,
        pad_token_id=0,
        dtype=dtype,
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with torch.device(device):
            model = Olmo3ForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    model.generation_config.pad_token_id = 0
    model.save_pretrained(folder)
    tokenizer_of(shape).save_pretrained(folder)
    return folder


def end_ids(shape: Shape) -> list[int]:
    """The tokens that end a completion, where any do."""
    return list(range(1, shape.vocabulary, _END_SHARE))


def prompts(shape: Shape, count: int, seed: int, lengths: tuple[int, int]) -> list[str]:
    """Texts of random words; as many tokens as words, between `lengths` of them."""
    rng = random.Random(seed)
    return [
        " ".join(f"w{rng.randrange(shape.vocabulary)}" for _ in range(rng.randint(*lengths)))
        for _ in range(count)
    ]


def tokenizer_of(shape: Shape) -> Any:
    """One token a word."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {f"w{number}": number for number in range(shape.vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)
