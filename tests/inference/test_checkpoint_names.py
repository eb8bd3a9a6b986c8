"""A weight that is absent is named, without reading any; what can't be told is no fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from quarry.errors import ModelLoadError
from quarry.inference.checkpoint import read_outline
from quarry.inference.checkpoint_names import missing_weights
from tests.contracts.tiny_models import tiny_model, tiny_tokenizer, write_tiny_checkpoint


def lacking(folder: Path) -> list[str]:
    return missing_weights(folder, AutoConfig.from_pretrained(folder))


def rewrite(folder: Path, lost: str, renamed: str | None = None) -> None:
    weights = load_file(folder / "model.safetensors")
    weight = weights.pop(lost)
    if renamed:
        weights[renamed] = weight
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("architecture", ["olmo3", "llama", "qwen2", "qwen3", "gpt2"])
def test_one_missing_weight_is_named_and_a_whole_checkpoint_lacks_none(
    tmp_path: Path, architecture: str
) -> None:
    folder = write_tiny_checkpoint(tmp_path / "model", architecture)
    assert lacking(folder) == []
    names = load_file(folder / "model.safetensors")
    lost = next(name for name in names if ".1." in name and name.endswith("weight"))
    rewrite(folder, lost)
    assert lacking(folder) == [lost]
    with pytest.raises(ModelLoadError, match="lacks 1 weights"):
        read_outline(folder, revision=None)


def test_tied_embeddings_need_not_be_stored_twice(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    model = tiny_model("llama", len(tokenizer))
    model.config.tie_word_embeddings = True
    model.tie_weights()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    assert lacking(tmp_path) == []


def test_names_of_another_kind_tell_nothing(tmp_path: Path) -> None:
    folder = write_tiny_checkpoint(tmp_path / "model", "llama")
    rewrite(folder, "model.norm.weight", renamed="other.norm.weight")
    assert lacking(folder) == []
