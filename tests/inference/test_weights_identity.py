"""A checkpoint is another one when what is loaded from it changed, and only then."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from quarry.inference.weights_identity import weights_identity

LOADED = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "adapter_config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-00001-of-00002.safetensors",
    "pytorch_model.bin",
    "pytorch_model-00001-of-00002.bin",
)
BESIDE = (
    "README.md",
    "optimizer.pt",
    "training_args.bin",
    "trainer_state.json",
    "rng_state.pth",
    "eval/config.json",
)
LARGE_BYTES = 40 << 20


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint_final"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def identity(folder: Path) -> str:
    return weights_identity(str(folder), None, None)


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize("name", BESIDE)
def test_a_file_that_nothing_is_loaded_from_changes_nothing(checkpoint: Path, name: str) -> None:
    before = identity(checkpoint)
    write(checkpoint / name, b"beside")
    assert identity(checkpoint) == before


@pytest.mark.parametrize("name", LOADED)
def test_a_file_that_is_loaded_counts_with_its_content(checkpoint: Path, name: str) -> None:
    seen = {identity(checkpoint)}
    for content in (b"one", b"two"):
        write(checkpoint / name, content)
        seen.add(identity(checkpoint))
    assert len(seen) == 3


def test_a_touch_or_a_copy_is_the_same_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    before = identity(checkpoint)
    for path in checkpoint.iterdir():
        os.utime(path, (1, 1))
    assert identity(checkpoint) == before
    assert identity(shutil.copytree(checkpoint, tmp_path / "copy")) == before


@pytest.mark.parametrize("frozen_share", [0.0, 0.3, 0.6])
def test_large_weights_that_differ_between_frozen_ends_are_others(
    checkpoint: Path, frozen_share: float
) -> None:
    weights = checkpoint / "model.safetensors"
    with weights.open("wb") as file:
        file.truncate(LARGE_BYTES)
    before = identity(checkpoint)
    with weights.open("r+b") as file:
        file.seek(max(1 << 20, int(LARGE_BYTES * frozen_share)))
        file.write(b"trained " * (1 << 18))
    assert weights.stat().st_size == LARGE_BYTES
    assert identity(checkpoint) != before


def test_the_ends_of_large_weights_count(checkpoint: Path) -> None:
    weights = checkpoint / "model.safetensors"
    with weights.open("wb") as file:
        file.truncate(LARGE_BYTES)
    seen = {identity(checkpoint)}
    for position in (0, LARGE_BYTES - 1):
        with weights.open("r+b") as file:
            file.seek(position)
            file.write(b"x")
        seen.add(identity(checkpoint))
    with weights.open("ab") as file:
        file.truncate(LARGE_BYTES + 1)
    seen.add(identity(checkpoint))
    assert len(seen) == 4


def test_a_hub_checkpoint_is_its_commit() -> None:
    class Config:
        _commit_hash = "abc"

    assert weights_identity("owner/name", "main", Config()) == "owner/name@abc"
    assert weights_identity("owner/name", "main", None) == "owner/name@main"
