"""What engines under test are asked, and what they must answer by plain means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from quarry.inference.engine import Completion, GenerationParameters, Prompt

GREEDY = GenerationParameters(max_new_tokens=16)
SAMPLED = GenerationParameters(max_new_tokens=12, temperature=1.0, top_p=0.9, top_k=50, n=3, seed=7)
BATCH_SIZES = (1, 3, 16)

# Lengths from one token to several sliding windows, in no order.
PROMPTS = [
    Prompt("toy/0", "Question: How many apples does Tom have now?\nAnswer:"),
    Prompt("toy/1", "Answer"),
    Prompt("toy/2", "Tom has 12 apples and buys 7 more. " * 4),
    Prompt("toy/3", "def add(a: int, b: int) -> int:\n", is_chat=True),
    Prompt("toy/4", "naïve 東京 Größe\n\n\tKim"),
    Prompt("toy/5", "x"),
    Prompt("toy/6", "Kim is a cat.\n" * 8, is_chat=True),
]


def reference_states(model_dir: Path, token_ids: Sequence[int]) -> np.ndarray:
    """Block outputs `(n_tokens, n_layers, d_model)` float32 of one sequence alone, by plain means.

    Transformers norms the last block's output, so that one comes from the final norm's input.
    """
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()
    norm_inputs: list[torch.Tensor] = []
    names = ("norm", "ln_f", "final_layer_norm")
    norm = next(
        getattr(model.base_model, name) for name in names if hasattr(model.base_model, name)
    )
    norm.register_forward_pre_hook(lambda _, inputs: norm_inputs.append(inputs[0]))
    with torch.no_grad():
        outputs = model(torch.tensor([list(token_ids)]), output_hidden_states=True)
    states = [*outputs.hidden_states[1:-1], norm_inputs[0]]
    return torch.stack(states, dim=2)[0].numpy()


def same_completions(left: Sequence[Completion], right: Sequence[Completion]) -> bool:
    """Whether tokens, texts and reasons agree."""
    return [(c.output_token_ids.tolist(), c.text, c.finish_reason) for c in left] == [
        (c.output_token_ids.tolist(), c.text, c.finish_reason) for c in right
    ]
