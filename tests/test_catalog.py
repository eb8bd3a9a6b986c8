"""Catalogs: the two that ship, and what a malformed one says."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from quarry.catalog import CaptureSettings, Catalog, load_catalog
from quarry.errors import CatalogError, UnknownNameError

CATALOGS = Path(__file__).resolve().parents[1] / "catalog"


def raw() -> dict[str, Any]:
    return {
        "name": "mine",
        "benchmark_source": {"kind": "toy"},
        "models": {"m": {"recipe": "base", "prompt_style": "raw"}},
        "benchmarks": {"gsm8k": {"format": "gsm8k", "stop": ["\n\nQuestion:"]}},
    }


def with_value(path: str, value: object) -> dict[str, Any]:
    catalog = raw()
    *parents, last = path.split(".")
    place = catalog
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return catalog


def load(tmp_path: Path, content: object) -> Catalog:
    path = tmp_path / "mine.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return load_catalog(path)


@pytest.mark.parametrize("name", ["demo", "olmo3"])
def test_a_shipped_catalog_has_24_cells(name: str) -> None:
    catalog = load_catalog(CATALOGS / f"{name}.yaml")
    assert catalog.name == name
    assert len(set(catalog.cells())) == 24
    assert all(catalog.benchmark(task).stop for task in catalog.benchmarks)


def test_the_olmo3_catalog_is_the_grid_of_the_study() -> None:
    catalog = load_catalog(CATALOGS / "olmo3.yaml")
    assert {name: (spec.hub_id, spec.prompt_style) for name, spec in catalog.models.items()} == {
        "olmo3_base": ("allenai/Olmo-3-1025-7B", "raw"),
        "olmo3_sft": ("allenai/Olmo-3-7B-Think-SFT", "chat"),
        "olmo3_rl_zero": ("allenai/Olmo-3-7B-RL-Zero-General", "raw"),
        "olmo3_think": ("allenai/Olmo-3-7B-Think", "chat"),
    }
    assert (catalog.shots, catalog.n_samples) == ((0, 8), 500)
    capture = catalog.capture.resolve(32)
    assert capture.layers == tuple(range(0, 32, 2))
    assert capture.scope == "prompt+output"
    for task in catalog.benchmarks:
        parameters = catalog.generation_of("olmo3_base", task)
        assert (parameters.max_new_tokens, parameters.temperature) == (512, 0.0)
        assert parameters.stop
        assert catalog.generation_of("olmo3_think", task).stop == ()


def test_revisions_of_the_olmo3_catalog_are_commits_or_say_why_not() -> None:
    path = CATALOGS / "olmo3.yaml"
    catalog, lines = load_catalog(path), path.read_text().splitlines()
    pins = [spec.revision for spec in catalog.models.values()]
    pins += [dataset.revision for dataset in catalog.benchmark_source.hub.values()]
    for pin in pins:
        if re.fullmatch(r"[0-9a-f]{40}", pin or "") is None:
            places = [n for n, line in enumerate(lines) if line.strip() == f"revision: {pin}"]
            assert places
            for n in places:
                assert any(line.strip().startswith("#") for line in lines[n - 3 : n])


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("models.m.prompt_style", "poem", "'raw' or 'chat'"),
        ("models.m.dtype", "int4", "'bfloat16'"),
        ("models.m.batch_size", 0, "greater than or equal to 1"),
        ("owners", ["me"], "match pattern"),
        ("models.m.colour", "red", "Extra inputs"),
        ("benchmarks.gsm8k.format", "mmlu", "'gsm8k', 'humaneval', 'logiqa' or 'mbpp'"),
        ("benchmarks.gsm8k.overflow", "cut", "'error' or 'truncate_left'"),
        ("benchmarks.gsm8k.n_samples", 0, "greater than or equal to 1"),
        ("benchmarks.gsm8k.max_new_tokens", -1, "greater than or equal to 1"),
        ("shots", [-1], "greater than or equal to 0"),
        ("n_samples", "many", "valid integer"),
        ("generation.top_p", 0, "greater than 0"),
        ("generation.temperature", -1, "greater than or equal to 0"),
        ("capture.scope", "all", "'prompt', 'output' or 'prompt+output'"),
        ("thresholds.min_correct_rate", 1.5, "less than or equal to 1"),
        ("thresholds.alpha", 0.0, "greater than or equal to 0.000001"),
        ("thresholds.power", 1.0, "less than 1"),
        ("thresholds.effect_of_interest", 0.0, "greater than or equal to 0.01"),
        ("thresholds.small_sample", -1, "greater than or equal to 0"),
        ("effort.collect_gpu_hours", -2, "greater than or equal to 0"),
        ("benchmark_source.kind", "web", "'hub', 'mirror' or 'toy'"),
        ("temperature", 1, "Extra inputs"),
        ("name", "Big Name", "should match pattern"),
    ],
)
def test_a_wrong_value_names_file_key_expected_and_got(
    tmp_path: Path, path: str, value: object, expected: str
) -> None:
    with pytest.raises(CatalogError) as caught:
        load(tmp_path, with_value(path, value))
    message = str(caught.value)
    assert caught.value.where == str(tmp_path / "mine.yaml")
    assert path in message
    assert expected in message
    assert repr(value)[1:-1] in message
    assert caught.value.fix


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("models.m", {"prompt_style": "raw"}, "exactly one of hub_id, path and recipe"),
        ("models.m", {"prompt_style": "raw", "hub_id": "a/b"}, "needs a revision"),
        (
            "models.m",
            {"prompt_style": "raw", "path": "x", "recipe": "base"},
            "exactly one of hub_id, path and recipe",
        ),
        ("models", {}, "at least 1 item"),
        ("thresholds", {"min_correct_rate": 0.6, "max_correct_rate": 0.4}, "above max_correct"),
        ("thresholds", {"alpha": 0.1, "power": 0.05}, "power must be above alpha"),
        ("models", {"Bad Name": {"recipe": "base", "prompt_style": "raw"}}, "Bad Name"),
        ("models", {"../up": {"recipe": "base", "prompt_style": "raw"}}, "../up"),
        ("benchmarks", {}, "at least 1 item"),
        ("benchmark_source", {"kind": "mirror"}, "a mirror needs a path"),
        ("benchmarks.gsm8k.exemplars", {"split": "test"}, "exemplars come from another split"),
        ("benchmarks.gsm8k.exemplars", {"task": "nothing"}, "names no benchmark: 'nothing'"),
        ("benchmarks.gsm8k.stop", [""], "at least 1 character"),
    ],
)
def test_values_that_do_not_fit_together_are_refused(
    tmp_path: Path, path: str, value: object, expected: str
) -> None:
    with pytest.raises(CatalogError) as caught:
        load(tmp_path, with_value(path, value))
    assert expected in str(caught.value)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    catalog = with_value("shots", ["x"])
    catalog["models"]["m"]["prompt_style"] = "poem"
    del catalog["name"]
    with pytest.raises(CatalogError, match="in 3 places") as caught:
        load(tmp_path, catalog)
    assert all(key in str(caught.value) for key in ("name", "shots.0", "models.m.prompt_style"))


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "just text"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(CatalogError, match="no mapping"):
        load(tmp_path, content)


def test_a_file_that_is_no_yaml_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="line 3") as caught:
        load(tmp_path, "name: x\nmodels: [\n")
    assert caught.value.where == str(tmp_path / "mine.yaml")


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes("name: café".encode("latin-1"))
    with pytest.raises(CatalogError, match="UTF-8") as caught:
        load_catalog(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_a_file_that_can_not_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(CatalogError) as caught:
        load_catalog(tmp_path / name)
    assert caught.value.where == str(tmp_path / name)


def test_an_unknown_model_or_benchmark_lists_the_known_ones(tmp_path: Path) -> None:
    catalog = load(tmp_path, raw())
    with pytest.raises(UnknownNameError) as caught:
        catalog.model("gpt")
    assert (caught.value.got, caught.value.expected) == ("gpt", "one of m")
    with pytest.raises(UnknownNameError, match="one of gsm8k"):
        catalog.benchmark("mmlu")
    with pytest.raises(UnknownNameError, match="mmlu"):
        catalog.generation_of("m", "mmlu")


def test_a_benchmark_may_override_samples_and_new_tokens(tmp_path: Path) -> None:
    catalog = load(tmp_path, with_value("benchmarks.gsm8k.n_samples", 7))
    assert catalog.samples_of("gsm8k") == 7
    catalog = load(tmp_path, with_value("benchmarks.gsm8k.max_new_tokens", 9))
    assert (catalog.samples_of("gsm8k"), catalog.generation_of("m", "gsm8k").max_new_tokens) == (
        500,
        9,
    )
    assert catalog.generation_of("m", "gsm8k").stop == ("\n\nQuestion:",)


def test_exemplars_may_share_the_split_when_no_shots_are_asked_for(tmp_path: Path) -> None:
    catalog = with_value("benchmarks.gsm8k.exemplars", {"split": "test"})
    assert load(tmp_path, {**catalog, "shots": [0]}).shots == (0,)


def test_a_listed_layer_beyond_the_model_is_refused() -> None:
    assert CaptureSettings(layers=(0, 3)).resolve(4).layers == (0, 3)
    with pytest.raises(CatalogError, match=r"layers 0 \.\. 3"):
        CaptureSettings(layers=(0, 4)).resolve(4)


def test_a_catalog_never_changes_once_loaded(tmp_path: Path) -> None:
    catalog = load(tmp_path, raw())
    with pytest.raises(ValueError, match="frozen"):
        catalog.n_samples = 3  # pyright: ignore[reportAttributeAccessIssue]
