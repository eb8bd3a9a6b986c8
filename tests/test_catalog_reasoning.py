"""The section `reasoning` of a catalog: what it means, and how it says what is wrong."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from quarry.catalog import load_catalog
from quarry.catalog_reasoning import CodiSpec, ExplicitSpec
from quarry.errors import CatalogError, UnknownNameError
from quarry.necessity.opening import checkpoint_of, method_spec
from quarry.selection.targets import target_spec

ROOT = Path(__file__).resolve().parents[1]
CODI = {"method": "codi", "path": "codi", "base": "base"}
REASONING: dict[str, Any] = {
    "models": {"latent": CODI, "written": {"method": "explicit", "model": "base"}},
    "targets": {"small": {"of": "latent", "quotas": {"2-step": 5, "5+step": 3}}},
}


def write(folder: Path, reasoning: dict[str, Any] | None) -> Path:
    catalog = {
        "name": "one",
        "benchmark_source": {"kind": "toy"},
        "models": {"base": {"path": "base", "prompt_style": "raw"}},
        "benchmarks": {"gsm8k": {"format": "gsm8k"}},
        **({} if reasoning is None else {"reasoning": reasoning}),
    }
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump(catalog))
    return path


def changed(**changes: Any) -> dict[str, Any]:
    return REASONING | changes


def test_defaults_are_those_of_the_paper(tmp_path: Path):
    spec = method_spec(load_catalog(write(tmp_path, REASONING)), "latent")
    assert isinstance(spec, CodiSpec)
    assert spec.settings().as_dict() == {
        "protocol": "paper",
        "n_latents": 6,
        "max_new_tokens": 64,
        "ablation": {"kind": "zeros", "layer": "middle", "n_latents": None, "seed": 0},
    }


@pytest.mark.parametrize(
    ("reasoning", "message"),
    [
        (changed(models={"latent": {"method": "codi"}}), "exactly one of path, hub_id and recipe"),
        (changed(models={"latent": {"method": "codi", "path": "x"}}), "base is missing"),
        (
            changed(models={"latent": {"method": "codi", "hub_id": "a/b", "base": "c"}}),
            "needs a revision",
        ),
        (changed(models={"latent": {"method": "guess"}}), "guess"),
        (
            changed(models={"latent": CODI | {"ablation": {"n_latents": 7}}}),
            "ablation.n_latents",
        ),
        (
            changed(models={"latent": CODI, "w": {"method": "explicit", "model": "nobody"}}),
            "names no model: 'nobody'",
        ),
        (
            changed(targets={"small": {"of": "nobody", "quotas": {"2-step": 5}}}),
            "names none of reasoning.models: 'nobody'",
        ),
        (
            changed(targets={"small": {"of": "latent", "quotas": {"2-step": "many"}}}),
            "many",
        ),
        (
            changed(targets={"small": {"of": "latent", "quotas": {"2-step": ">=5"}}}),
            "total",
        ),
        (changed(candidates={"shards": 101}), "shards"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, reasoning: dict[str, Any], message: str):
    with pytest.raises(CatalogError) as caught:
        load_catalog(write(tmp_path, reasoning))
    assert message in str(caught.value)


def test_names_that_are_not_there_are_told_with_those_that_are(tmp_path: Path):
    catalog = load_catalog(write(tmp_path, REASONING))
    with pytest.raises(UnknownNameError, match="not tested"):
        method_spec(catalog, "nobody")
    with pytest.raises(UnknownNameError) as caught:
        target_spec(catalog, "nobody")
    assert "small" in str(caught.value)
    with pytest.raises(CatalogError, match="no tests of necessity"):
        load_catalog(write(tmp_path, None)).reasoning_spec()


def test_relative_paths_start_where_the_catalog_lies(tmp_path: Path):
    from quarry.data_directory import DataDirectory

    catalog = load_catalog(write(tmp_path, REASONING))
    (tmp_path / "base").mkdir()
    spec = method_spec(catalog, "latent")
    assert isinstance(spec, CodiSpec)
    found = checkpoint_of(spec, "latent", DataDirectory(tmp_path / "data"), tmp_path)
    assert (found.weights, found.base) == (tmp_path / "codi", tmp_path / "base")


def test_the_demo_tests_latent_and_written_thoughts():
    spec = load_catalog(ROOT / "catalog" / "demo.yaml").reasoning_spec()
    assert spec.toy_models == ["demo_codi"]
    assert {type(one) for one in spec.models.values()} == {CodiSpec, ExplicitSpec}
    assert {target.of for target in spec.targets.values()} == set(spec.models)
