"""The section `evaluation` of a catalog: what it means, and how it says what is wrong."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from quarry.catalog import load_catalog
from quarry.catalog_evaluation import (
    AnthropicGraderSpec,
    BoundsSpec,
    EvaluationSpec,
    LocalGraderSpec,
    OpenAIGraderSpec,
    RulesGraderSpec,
)
from quarry.errors import CatalogError

ROOT = Path(__file__).resolve().parents[1]
MAYORS: dict[str, Any] = {"prompts": {"path": "mayors.jsonl"}, "rubric": "mayors"}
TOYS: dict[str, Any] = {"prompts": {"facts": "mayors"}, "rubric": "mayors"}
PRICED = {"model": "judge-1", "usd_per_million_input": 1, "usd_per_million_output": 5.0}


def write(folder: Path, evaluation: dict[str, Any] | None) -> Path:
    catalog = {
        "name": "one",
        "benchmark_source": {"kind": "toy"},
        "models": {"base": {"path": "base", "prompt_style": "raw"}},
        "benchmarks": {"gsm8k": {"format": "gsm8k"}},
        **({} if evaluation is None else {"evaluation": evaluation}),
    }
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump(catalog))
    return path


def spec_of(folder: Path, **changes: Any) -> EvaluationSpec:
    evaluation = {"domains": {"mayors": MAYORS, "toys": TOYS}, **changes}
    return load_catalog(write(folder, evaluation)).evaluation_spec()


def test_defaults_are_those_of_the_paper(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    assert spec.sampling.model_dump() == {
        "n": 1000,
        "temperature": 0.1,
        "top_p": 1.0,
        "top_k": 0,
        "seed": 0,
        "chunk_size": 500,
    }
    assert spec.checkpoints == ("checkpoint_final",)
    assert spec.rubrics == Path("rubrics")
    assert spec.outputs is None
    assert spec.graders == {"rules": RulesGraderSpec()}
    domain = spec.domains["mayors"]
    assert (domain.grader, domain.max_new_tokens) == ("rules", 10)
    assert domain.bounds == BoundsSpec(
        equivalence_rate=(0.2, 1.0), prompts_covered=0.5, ungraded=0.02
    )


def test_a_catalog_without_the_section_says_so(tmp_path: Path) -> None:
    known = load_catalog(write(tmp_path, None))
    with pytest.raises(CatalogError, match="section `evaluation`"):
        known.evaluation_spec()


def test_the_demo_has_two_domains_that_are_learned_once_and_five_times() -> None:
    spec = load_catalog(ROOT / "catalog" / "demo.yaml").evaluation_spec()
    assert {name: domain.max_new_tokens for name, domain in spec.domains.items()} == {
        "death-dates": 10,
        "mayors": 5,
    }
    assert {name: run.epochs for name, run in spec.runs.items()} == {
        "death-dates-1epoch": 1,
        "death-dates-5epochs": 5,
        "mayors-1epoch": 1,
        "mayors-5epochs": 5,
    }
    assert spec.toy_runs == list(spec.runs)
    for domain in spec.domains.values():
        assert (ROOT / "catalog" / spec.rubrics / f"{domain.rubric}.yaml").is_file()


@pytest.mark.parametrize("name", ["demo", "olmo3"])
def test_every_catalog_that_ships_loads(name: str) -> None:
    assert load_catalog(ROOT / "catalog" / f"{name}.yaml").name == name


def test_graders_are_told_apart_by_their_kind(tmp_path: Path) -> None:
    graders = {
        "rules": {"kind": "rules"},
        "claude": {"kind": "anthropic", **PRICED, "temperature": None},
        "server": {"kind": "openai-compatible", "model": "judge-2"},
        "here": {"kind": "local", "model": "base"},
    }
    spec = spec_of(tmp_path, graders=graders, domains={"mayors": {**MAYORS, "grader": "claude"}})
    claude, server = spec.graders["claude"], spec.graders["server"]
    assert isinstance(claude, AnthropicGraderSpec)
    assert (claude.max_usd, claude.temperature, claude.base_url) == (1.0, None, None)
    assert isinstance(server, OpenAIGraderSpec)
    assert (server.usd_per_million_input, server.base_url) == (0.0, "http://127.0.0.1:8000/v1")
    assert spec.graders["here"] == LocalGraderSpec(kind="local", model="base")


@pytest.mark.parametrize(
    "base_url", ["https://api.openai.com/v1", "http://10.0.0.5:8000/v1", None, "localhost"]
)
def test_a_server_elsewhere_needs_prices(tmp_path: Path, base_url: str | None) -> None:
    server = {"kind": "openai-compatible", "model": "judge-2", "base_url": base_url}
    for prices in ({}, {"usd_per_million_output": 2.0}):
        with pytest.raises(CatalogError, match="give usd_per_million_input"):
            spec_of(tmp_path, graders={"rules": {"kind": "rules"}, "s": {**server, **prices}})
    free = {**server, "usd_per_million_input": 0, "usd_per_million_output": 0}
    spec_of(tmp_path, graders={"rules": {"kind": "rules"}, "s": free})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_a_server_of_this_machine_needs_none(tmp_path: Path, host: str) -> None:
    server = {"kind": "openai-compatible", "model": "judge-2", "base_url": f"http://{host}:8000/v1"}
    spec_of(tmp_path, graders={"rules": {"kind": "rules"}, "s": server})


def test_a_run_has_the_domain_of_its_entry_or_of_its_name(tmp_path: Path) -> None:
    spec = spec_of(
        tmp_path,
        runs={
            "mayors-x": {"domain": "toys", "epochs": 1},
            "other": {"domain": "mayors", "path": "o"},
        },
    )
    assert spec.domain_name("mayors-x") == "toys"
    assert spec.domain_name("mayors-1epoch") == "mayors"
    assert spec.domain_name("capitals-1epoch") is None
    assert spec.toy_runs == ["mayors-x"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"domains": {}}, "evaluation.domains"),
        ({"domains": {"mayors": {**MAYORS, "prompts": {}}}}, "exactly one of path and facts"),
        (
            {"domains": {"mayors": {**MAYORS, "prompts": {"path": "a", "facts": "mayors"}}}},
            "exactly one of path and facts",
        ),
        ({"domains": {"mayors": {**MAYORS, "prompts": {"facts": "capitals"}}}}, "capitals"),
        ({"domains": {"mayors": {"prompts": {"path": "a"}}}}, "evaluation.domains.mayors.rubric"),
        ({"domains": {"Mayors": MAYORS}}, "Mayors"),
        ({"domains": {"mayors": {**MAYORS, "rubric": "../mayors"}}}, "mayors.rubric"),
        ({"domains": {"mayors": {**MAYORS, "max_new_tokens": 0}}}, "max_new_tokens"),
        ({"domains": {"mayors": {**MAYORS, "colour": 1}}}, "colour"),
        (
            {"domains": {"mayors": {**MAYORS, "grader": "claude"}}},
            "domains.mayors.grader names none of evaluation.graders: 'claude'; "
            "expected one of rules",
        ),
        (
            {"domains": {"mayors": {**MAYORS, "bounds": {"equivalence_rate": [0.9, 0.2]}}}},
            "least and most, in this order",
        ),
        (
            {"domains": {"mayors": {**MAYORS, "bounds": {"ungraded": 2}}}},
            "evaluation.domains.mayors.bounds.ungraded",
        ),
        ({"runs": {"a": {"domain": "mayors"}}}, "give path, a run's directory, or epochs"),
        (
            {"runs": {"a": {"domain": "toys", "path": "x", "epochs": 1}}},
            "give path, a run's directory, or epochs",
        ),
        (
            {"runs": {"a": {"domain": "cities", "path": "x"}}},
            "runs.a.domain names none of evaluation.domains: 'cities'; "
            "expected one of mayors, toys",
        ),
        (
            {"runs": {"a": {"domain": "mayors", "epochs": 1}}},
            "runs.a.epochs: only runs of a domain of facts are trained here",
        ),
        ({"runs": {"a": {"domain": "toys", "epochs": 0}}}, "evaluation.runs.a.epochs"),
        ({"runs": {"a b": {"domain": "toys", "epochs": 1}}}, "a b"),
        ({"checkpoints": []}, "evaluation.checkpoints"),
        ({"checkpoints": ["a/b"]}, "evaluation.checkpoints.0"),
        ({"sampling": {"n": 0}}, "evaluation.sampling.n"),
        ({"sampling": {"chunk_size": 0}}, "evaluation.sampling.chunk_size"),
        ({"sampling": {"temperature": -0.1}}, "evaluation.sampling.temperature"),
        ({"sampling": {"top_p": 0.0}}, "evaluation.sampling.top_p"),
        ({"sampling": {"top_k": -1}}, "evaluation.sampling.top_k"),
        ({"sampling": {"batch_size": 4}}, "evaluation.sampling.batch_size"),
        ({"loading": {"dtype": "int8"}}, "evaluation.loading.dtype"),
        ({"loading": {"engine": "other"}}, "evaluation.loading.engine"),
        ({"graders": {}}, "evaluation.graders"),
        ({"graders": {"rules": {"kind": "guess"}}}, "guess"),
        ({"graders": {"rules": {}}}, "evaluation.graders.rules"),
        (
            {"graders": {"rules": {"kind": "anthropic", "model": "m"}}},
            "evaluation.graders.rules.anthropic.usd_per_million_input",
        ),
        (
            {"graders": {"rules": {"kind": "anthropic", **PRICED, "max_usd": -1}}},
            "evaluation.graders.rules.anthropic.max_usd",
        ),
        (
            {"graders": {"rules": {"kind": "local", "model": "large"}}},
            "evaluation.graders.rules.model names no model: 'large'; expected one of base",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CatalogError) as wrong:
        spec_of(tmp_path, **changes)
    assert message in str(wrong.value)
    assert str(tmp_path / "catalog.yaml") in str(wrong.value)
