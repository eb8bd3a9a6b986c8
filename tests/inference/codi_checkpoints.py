"""Small CODI checkpoints in the published format, with random weights, and questions for them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel

from tests.contracts.tiny_models import tiny_model, tiny_tokenizer

WIDTH = 96
SPECIAL = 3
EVERY_SO_MANY_ENDS = 9
"""One token in so many ends an answer, so that the rows of a batch end at different times."""

QUESTIONS = (
    "Tom has 12 apples",
    "Kim",
    "Question: Tom has 12 apples and buys 7 more.  How many apples does Tom have now? " * 2,
    "All cats are small. Kim is a cat. What follows?",
    "def add(a: int, b: int) -> int: return a + b # 東京, Größe",
)
PROBLEMS = [(f"test_{number}", question) for number, question in enumerate(QUESTIONS)]


def random_projection(d_model: int, *, has_norm: bool = True) -> dict[str, torch.Tensor]:
    """Weights of a projection by their published names."""
    stream = torch.Generator().manual_seed(7)
    shapes = {
        "1.weight": (WIDTH, d_model),
        "1.bias": (WIDTH,),
        "3.weight": (d_model, WIDTH),
        "3.bias": (d_model,),
    }
    if has_norm:
        shapes |= {"ln.weight": (d_model,), "ln.bias": (d_model,)}
    return {
        f"prj.{name}": torch.randn(shape, generator=stream) * 0.3 for name, shape in shapes.items()
    }


def projection_module(tensors: dict[str, torch.Tensor], d_model: int) -> nn.Sequential:
    """The projection as it was trained: with the dropout at index 0."""
    module = nn.Sequential(
        nn.Dropout(0.0), nn.Linear(d_model, WIDTH), nn.GELU(), nn.Linear(WIDTH, d_model)
    )
    if "prj.ln.weight" in tensors:
        module.add_module("ln", nn.LayerNorm(d_model))
    module.load_state_dict({name.removeprefix("prj."): one for name, one in tensors.items()})
    return module.eval()


def base_model(architecture: str, n_added: int = 0) -> PreTrainedModel:
    """The same random model at every call, with so many more tokens."""
    model = tiny_model(architecture, len(tiny_tokenizer()) + n_added)
    ends = list(range(0, 300, EVERY_SO_MANY_ENDS))
    model.config.eos_token_id = ends
    assert model.generation_config is not None
    model.generation_config.eos_token_id = ends
    return model.eval()


def write_base(folder: Path, architecture: str) -> Path:
    """Config, tokenizer and weights of the base model, as on the hub."""
    base_model(architecture).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def plain_state(architecture: str) -> dict[str, torch.Tensor]:
    """State dict of a CODI model that was trained without LoRA."""
    model = base_model(architecture, SPECIAL)
    return {
        **{f"codi.{name}": one.clone() for name, one in model.state_dict().items()},
        **random_projection(model.config.hidden_size),
    }


def write_state(folder: Path, state: dict[str, torch.Tensor]) -> Path:
    """A state dict as safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: one.contiguous() for name, one in state.items()}, folder / "model.safetensors")
    return folder
