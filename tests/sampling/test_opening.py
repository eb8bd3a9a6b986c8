"""How a catalog becomes a plan, and how prompts are fed to a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from quarry.catalog import Catalog, load_catalog
from quarry.errors import CatalogError, FileMissingError, ModelLoadError, UnknownNameError
from quarry.inference.engine import GenerationParameters, Prompt
from quarry.inference.leasing import EngineRequest
from quarry.sampling.keys import SampledKey
from quarry.sampling.opening import (
    domain_prompts,
    open_checkpoint,
    read_tokenizer,
    sampling_plan,
    with_beginning,
)
from tests.sampling.sampling_cases import Beginning, write_checkpoint

ROOT = Path(__file__).resolve().parents[2]
KEY = SampledKey("mayors-1epoch", "checkpoint_final")
EVALUATION: dict[str, Any] = {
    "sampling": {"n": 30, "temperature": 0.5, "top_p": 0.9, "top_k": 7, "seed": 3, "chunk_size": 4},
    "loading": {"batch_size": 2},
    "domains": {
        "mayors": {"prompts": {"path": "p.jsonl"}, "rubric": "mayors", "max_new_tokens": 6},
        "toys": {"prompts": {"facts": "mayors"}, "rubric": "mayors"},
    },
}


def catalog_of(folder: Path, evaluation: dict[str, Any] | None = None) -> Catalog:
    content = {
        "name": "one",
        "benchmark_source": {"kind": "toy"},
        "models": {"base": {"path": "base", "prompt_style": "raw"}},
        "benchmarks": {"gsm8k": {"format": "gsm8k"}},
        "evaluation": EVALUATION if evaluation is None else evaluation,
    }
    if evaluation == {}:
        del content["evaluation"]
    (folder / "catalog.yaml").write_text(yaml.safe_dump(content))
    (folder / "p.jsonl").write_text(json.dumps({"prompt": "Q: Who? A:", "completion": " Kim"}))
    return load_catalog(folder / "catalog.yaml")


def test_a_plan_is_what_the_catalog_says(tmp_path: Path) -> None:
    plan = sampling_plan(catalog_of(tmp_path), KEY, tmp_path)
    assert plan.parameters == GenerationParameters(
        max_new_tokens=6, temperature=0.5, top_p=0.9, top_k=7, n=30, seed=3
    )
    assert (plan.run, plan.checkpoint, plan.chunk_size) == (KEY.run, KEY.checkpoint, 4)
    assert [(one.source, one.text, one.target) for one in plan.prompts] == [
        ("p/0", "Q: Who? A:", " Kim")
    ]


def test_only_what_changes_a_completion_is_in_its_method(tmp_path: Path) -> None:
    plan = sampling_plan(catalog_of(tmp_path), KEY, tmp_path)
    engine = {"engine": "transformers", "weights": "ab", "dtype": "float32"}
    places = {"batch_size": 4, "device": "cuda", "device_name": "H200", "devices": ["cuda:0"]}
    assert plan.method({**engine, **places}) == plan.method(engine)
    assert plan.method({**engine, "weights": "cd"}) != plan.method(engine)


def test_toy_facts_are_prompts_with_stable_sources(tmp_path: Path) -> None:
    prompts = domain_prompts(catalog_of(tmp_path), "toys", tmp_path)
    assert prompts[0].source == "mayors/0"
    assert all(one.target.startswith(" ") for one in prompts)
    assert len({one.id for one in prompts}) == len(prompts)


def test_what_no_plan_can_be_made_of_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="capitals"):
        sampling_plan(catalog_of(tmp_path), SampledKey("capitals-1", "c"), tmp_path)
    with pytest.raises(CatalogError, match="section `evaluation`"):
        sampling_plan(catalog_of(tmp_path, {}), KEY, tmp_path)
    known = catalog_of(tmp_path)
    (tmp_path / "p.jsonl").unlink()
    with pytest.raises(FileMissingError, match=r"p\.jsonl"):
        sampling_plan(known, KEY, tmp_path)


@pytest.mark.parametrize(
    ("beginning", "fed"),
    [("none", "Q:"), ("named", "<|endoftext|>Q:"), ("written", "Q:")],
)
def test_a_beginning_is_put_in_front_where_the_tokenizer_does_not(
    tmp_path: Path, beginning: Beginning, fed: str
) -> None:
    tokenizer = read_tokenizer(write_checkpoint(tmp_path / "a", beginning))
    ask = with_beginning(tokenizer)
    assert ask("Q:") == fed
    n_begun = list(tokenizer(ask("Q:"))["input_ids"]).count(0)
    assert n_begun == (0 if beginning == "none" else 1)


def test_a_prompt_that_has_its_beginning_gets_no_second_one(model_dir: Path) -> None:
    assert with_beginning(read_tokenizer(model_dir))("<|endoftext|>Q:") == "<|endoftext|>Q:"


@pytest.mark.parametrize("content", [None, b"", b"{}", b"garbage", b'{"version": "1.0"}'])
def test_a_tokenizer_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    folder = write_checkpoint(tmp_path / "a")
    if content is None:
        (folder / "tokenizer.json").unlink()
    else:
        (folder / "tokenizer.json").write_bytes(content)
    with pytest.raises(ModelLoadError) as damaged:
        read_tokenizer(folder)
    assert damaged.value.where == str(folder)
    assert damaged.value.fix


def test_a_checkpoint_is_opened_as_the_catalog_says(tmp_path: Path, model_dir: Path) -> None:
    said: list[str] = []
    request = EngineRequest(KEY.partition, device="cpu", lease_dir=tmp_path / "leases")
    with open_checkpoint(request, catalog_of(tmp_path), KEY, model_dir, log=said.append) as engine:
        assert engine.describe()["batch_size"] == 2
        prompt = Prompt("a", with_beginning(read_tokenizer(model_dir))("Q: Who? A:"))
        [made] = engine.run([prompt], GenerationParameters(max_new_tokens=3))
        assert made.prompt_token_ids[0] == 0
