"""Random checkpoints of a few thousand weights, with a real tokenizer, for engines under test."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Olmo3Config,
    Olmo3ForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

CONTEXT_LENGTH = 192
SLIDING_WINDOW = 12
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
_TEXT = [
    "Question: Tom has 12 apples and buys 7 more. How many apples does Tom have now?",
    "Answer: Tom has 12 + 7 = 19 apples.\n#### 19",
    "def add(a: int, b: int) -> int:\n    return a + b\n",
    "Context: All cats are small. Kim is a cat. What follows? Größe, naïve, 東京.",
]


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer: every text round-trips, a character may span tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=["<|endoftext|>", "<|user|>", "<|assistant|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXT, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|endoftext|>",
        additional_special_tokens=["<|user|>", "<|assistant|>"],
        chat_template=CHAT_TEMPLATE,
    )


def tiny_model(architecture: str, vocab_size: int, n_layers: int = 3) -> PreTrainedModel:
    """A model with random weights, the same at every call."""
    torch.manual_seed(0)
    shared = {
        "vocab_size": vocab_size,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": n_layers,
        "num_attention_heads": 2,
        "max_position_embeddings": CONTEXT_LENGTH,
        "initializer_range": 0.2,
        "eos_token_id": 0,
        "bos_token_id": 0,
        "pad_token_id": 0,
    }
    if architecture == "olmo3":
        kinds = ["sliding_attention", "full_attention"] * n_layers
        return Olmo3ForCausalLM(
            Olmo3Config(**shared, sliding_window=SLIDING_WINDOW, layer_types=kinds[:n_layers])
        )
    if architecture == "llama":
        return LlamaForCausalLM(LlamaConfig(**shared, num_key_value_heads=1))
    if architecture == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**shared, num_key_value_heads=1))
    if architecture == "qwen3":
        return Qwen3ForCausalLM(Qwen3Config(**shared, num_key_value_heads=1, head_dim=32))
    if architecture == "gpt_neox":
        return GPTNeoXForCausalLM(GPTNeoXConfig(**shared))
    assert architecture == "gpt2", architecture
    return GPT2LMHeadModel(GPT2Config(**shared))


def write_tiny_checkpoint(directory: Path, architecture: str = "olmo3", n_layers: int = 3) -> Path:
    """Write model and tokenizer in the format of the hub."""
    tokenizer = tiny_tokenizer()
    tiny_model(architecture, len(tokenizer), n_layers).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
