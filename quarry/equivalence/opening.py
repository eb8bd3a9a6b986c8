"""Rubrics and graders of a catalog: which a run is judged by, and how one is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quarry.catalog_evaluation import (
    AnthropicGraderSpec,
    EvaluationSpec,
    LocalGraderSpec,
    OpenAIGraderSpec,
    PricedSpec,
    RulesGraderSpec,
)
from quarry.equivalence.grader import EquivalenceGrader
from quarry.equivalence.rubric import Rubric, load_rubric
from quarry.sampling.runs import require_domain

if TYPE_CHECKING:
    from quarry.catalog import Catalog
    from quarry.equivalence.judge import Judge
    from quarry.inference.engine import InferenceEngine

DATABASE = "decisions.sqlite"


@dataclass(frozen=True)
class GraderNeeds:
    """What graders need from outside.

    Args:
        folder: where decisions and bills are kept.
        keys: API keys by kind of grader; a missing one is an error when it is needed.
        open_engine: loads a model of the catalog, for a grader that is one.
    """

    folder: Path
    keys: Mapping[str, str | None]
    open_engine: Callable[[str], InferenceEngine]


def rubric_of(catalog: Catalog, run: str, base_dir: Path) -> Rubric:
    """The rubric by which a run's completions are judged.

    Raises:
        UnknownNameError: no domain is known for the run.
        CatalogError: its file is missing or malformed.
    """
    spec = catalog.evaluation_spec()
    name = spec.domains[require_domain(spec, run)].rubric
    return load_rubric(_rubric_path(spec, name, base_dir))


def rubric_digests(spec: EvaluationSpec, base_dir: Path) -> list[str]:
    """Digests of all rubrics of the catalog's domains, in order of their names.

    Raises:
        CatalogError: a rubric's file is missing or malformed.
    """
    names = sorted({domain.rubric for domain in spec.domains.values()})
    return [load_rubric(_rubric_path(spec, name, base_dir)).digest for name in names]


def open_grader(
    catalog: Catalog, run: str, set_name: str, base_dir: Path, needs: GraderNeeds
) -> EquivalenceGrader:
    """The grader of a run, as the catalog says.

    Args:
        catalog: its section `evaluation`.
        run: whose completions are graded.
        set_name: what money is counted under.
        base_dir: where relative paths of the catalog start.
        needs: keys, folder, engine.

    Raises:
        QuarryError: the rubric can't be read, a key is missing, the model can't be loaded.
    """
    from quarry.equivalence.rules import RulesGrader

    spec = catalog.evaluation_spec()
    rubric = rubric_of(catalog, run, base_dir)
    chosen = spec.graders[spec.domains[require_domain(spec, run)].grader]
    rules = RulesGrader(rubric)
    if isinstance(chosen, RulesGraderSpec):
        return rules
    from quarry.equivalence.judged import JudgedGrader

    priced = chosen if isinstance(chosen, PricedSpec) else None
    with ExitStack() as opened:
        judge = _judge(catalog, chosen, needs)
        opened.callback(judge.close)
        grader = JudgedGrader(
            judge,
            rubric,
            set_name=set_name,
            path=needs.folder / DATABASE,
            rules=rules,
            max_usd=priced.max_usd if priced else None,
            max_calls=priced.max_calls if priced else None,
            concurrency=priced.concurrency if priced else 1,
        )
        opened.pop_all()
    return grader


def _judge(
    catalog: Catalog,
    spec: AnthropicGraderSpec | OpenAIGraderSpec | LocalGraderSpec,
    needs: GraderNeeds,
) -> Judge:
    """The language model of a grader."""
    if isinstance(spec, LocalGraderSpec):
        from quarry.equivalence.judge_local import LocalJudge

        is_chat = catalog.model(spec.model).prompt_style == "chat"
        with ExitStack() as opened:
            engine = needs.open_engine(spec.model)
            opened.callback(engine.close)
            name = f"{spec.model}@{engine.describe().get('weights', '')}"
            opened.pop_all()
        return LocalJudge(name, engine, is_chat=is_chat, max_output_tokens=spec.max_new_tokens)
    from quarry.equivalence.judge_answer import Price

    price = Price(spec.usd_per_million_input, spec.usd_per_million_output)
    if isinstance(spec, AnthropicGraderSpec):
        from quarry.equivalence.judge_anthropic import AnthropicJudge as Remote
    else:
        from quarry.equivalence.judge_openai import OpenAICompatibleJudge as Remote
    return Remote(
        spec.model,
        api_key=needs.keys.get(spec.kind),
        price=price,
        temperature=spec.temperature,
        max_output_tokens=spec.max_output_tokens,
        request=spec.request,
        timeout_s=spec.timeout_s,
        base_url=spec.base_url,
    )


def _rubric_path(spec: EvaluationSpec, name: str, base_dir: Path) -> Path:
    """The file of a rubric."""
    return base_dir / spec.rubrics / f"{name}.yaml"
