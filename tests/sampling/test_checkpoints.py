"""Toy runs are trained when they are needed, once; checkpoints from elsewhere are looked at."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from quarry.catalog import Catalog
from quarry.data_directory import DataDirectory
from quarry.errors import CatalogError, FileMissingError, UnknownNameError
from quarry.inference.weights_identity import weights_identity
from quarry.sampling.checkpoints import ensure_finetuned
from quarry.sampling.keys import SampledKey
from quarry.sampling.runs import checkpoint_directory
from quarry.toy.checkpoints import Checkpoint
from quarry.toy.facts_reports import FactsBudget
from tests.sampling.run_folders import FINAL, make_checkpoint

TOY = SampledKey("toys-1epoch", FINAL)
OTHER = SampledKey("mayors-1epoch", FINAL)


def catalog() -> Catalog:
    return Catalog.model_validate(
        {
            "name": "one",
            "benchmark_source": {"kind": "toy"},
            "models": {"base": {"path": "base", "prompt_style": "raw"}},
            "benchmarks": {"gsm8k": {"format": "gsm8k"}},
            "evaluation": {
                "domains": {
                    "mayors": {"prompts": {"path": "p.jsonl"}, "rubric": "mayors"},
                    "toys": {"prompts": {"facts": "mayors"}, "rubric": "mayors"},
                },
                "runs": {TOY.run: {"domain": "toys", "epochs": 1}},
            },
        }
    )


def ensure(folder: Path, key: SampledKey, said: list[str]) -> Checkpoint:
    files = DataDirectory(folder / "data")
    return ensure_finetuned(
        catalog(), key, files, folder, log=said.append, budget=FactsBudget.tiny()
    )


def test_a_toy_run_is_trained_once_by_whoever_comes_first(tmp_path: Path) -> None:
    said: list[str] = []
    made: list[Checkpoint] = []
    threads = [
        threading.Thread(target=lambda: made.append(ensure(tmp_path, TOY, said))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 2
    assert made[0].digest == made[1].digest
    assert any("facts-base: step" in line for line in said)
    assert any(f"{TOY.run}: step" in line for line in said)
    n_said = len(said)
    assert ensure(tmp_path, TOY, said).digest == made[0].digest
    assert len(said) == n_said, "nothing was trained again"
    spec = catalog().evaluation_spec()
    assert checkpoint_directory(spec, TOY, tmp_path / "data", tmp_path) == made[0].path


def test_a_checkpoint_from_elsewhere_is_looked_at(tmp_path: Path) -> None:
    path = make_checkpoint(tmp_path / "data" / "outputs" / OTHER.run / FINAL)
    said: list[str] = []
    found = ensure(tmp_path, OTHER, said)
    assert found.path == path
    assert found.digest == weights_identity(str(path), None, None)
    assert found.facts["domain"] == "mayors"
    assert found.facts["size_bytes"] == sum(one.stat().st_size for one in path.iterdir())
    (path / "config.json").write_text('{"model_type": "gpt2"}')
    assert ensure(tmp_path, OTHER, said).digest != found.digest
    assert said == []


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match="mayors-1epoch"):
        ensure(tmp_path, OTHER, [])
    with pytest.raises(UnknownNameError, match="capitals"):
        ensure(tmp_path, SampledKey("capitals-1", FINAL), [])
    bare = catalog().model_copy(update={"evaluation": None})
    with pytest.raises(CatalogError, match="section `evaluation`"):
        ensure_finetuned(bare, OTHER, DataDirectory(tmp_path), tmp_path, log=print)
