"""Folders of fine-tuning runs, and what the catalog says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from quarry.catalog_evaluation import EvaluationSpec

FINAL = "checkpoint_final"


def make_checkpoint(path: Path) -> Path:
    """The files of a checkpoint: looked at, never loaded."""
    path.mkdir(parents=True)
    (path / "config.json").write_text('{"model_type": "llama"}\n')
    (path / "tokenizer.json").write_text('{"version": "1.0"}')
    save_file({"w": np.zeros((2, 3), dtype=np.float32)}, path / "model.safetensors")
    return path


def make_sharded(path: Path) -> Path:
    """The same in two files of weights."""
    make_checkpoint(path)
    (path / "model.safetensors").unlink()
    names = [f"model-0000{k}-of-00002.safetensors" for k in (1, 2)]
    for name in names:
        save_file({name: np.zeros(4, dtype=np.float32)}, path / name)
    index = {"metadata": {}, "weight_map": {name: name for name in names}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    return path


def spec(**changes: Any) -> EvaluationSpec:
    """Two domains, one of them the beginning of the other."""
    domains = {
        "mayors": {"prompts": {"path": "mayors.jsonl"}, "rubric": "mayors"},
        "mayors-de": {"prompts": {"path": "mayors_de.jsonl"}, "rubric": "mayors"},
        "toys": {"prompts": {"facts": "mayors"}, "rubric": "mayors"},
    }
    return EvaluationSpec.model_validate({"domains": domains, **changes})
