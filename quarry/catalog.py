"""The catalog: which models, benchmarks and shot settings exist, and how they are run.

A catalog is one YAML file. It is validated whole on load; every error names file, key, what was
found and what was expected. Nothing here reads benchmarks or models.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError, model_validator

from quarry.catalog_entries import (
    BenchmarkSourceSpec,
    BenchmarkSpec,
    CaptureSettings,
    Effort,
    Entry,
    ExemplarSpec,
    GenerationSpec,
    HealSettings,
    HubDataset,
    InferenceSettings,
    ModelSpec,
    Owner,
    ScrubSettings,
    Slug,
    Thresholds,
)
from quarry.catalog_evaluation import EvaluationSpec, LocalGraderSpec
from quarry.catalog_reasoning import ExplicitSpec, ReasoningSpec
from quarry.errors import CatalogError, UnknownNameError
from quarry.inference.engine import GenerationParameters
from quarry.inference.engine_settings import EngineName
from quarry.keys import TrajectoryKey

__all__ = [
    "BenchmarkSourceSpec",
    "BenchmarkSpec",
    "CaptureSettings",
    "Catalog",
    "Effort",
    "EvaluationSpec",
    "ExemplarSpec",
    "GenerationSpec",
    "HealSettings",
    "HubDataset",
    "InferenceSettings",
    "ModelSpec",
    "ReasoningSpec",
    "ScrubSettings",
    "Thresholds",
    "load_catalog",
]


class Catalog(Entry):
    """All that exists in one deployment."""

    name: Slug
    owners: tuple[Owner, ...] = ("team:research-data",)
    seed: int = 0
    n_samples: Annotated[int, Field(ge=1)] = 500
    shots: tuple[Annotated[int, Field(ge=0)], ...] = (0, 8)
    benchmark_source: BenchmarkSourceSpec
    models: dict[Slug, ModelSpec] = Field(min_length=1)
    benchmarks: dict[Slug, BenchmarkSpec] = Field(min_length=1)
    inference: InferenceSettings = InferenceSettings()
    generation: GenerationSpec = GenerationSpec()
    capture: CaptureSettings = CaptureSettings()
    thresholds: Thresholds = Thresholds()
    effort: Effort = Effort()
    scrub: ScrubSettings = ScrubSettings()
    heal: HealSettings = HealSettings()
    reasoning: ReasoningSpec | None = None
    evaluation: EvaluationSpec | None = None

    @model_validator(mode="after")
    def _names_agree(self) -> Catalog:
        formats = {"gsm8k", "humaneval", "logiqa", "mbpp"}
        for task, spec in self.benchmarks.items():
            source = spec.exemplars.task or task
            if source not in self.benchmarks and source not in formats:
                raise ValueError(f"benchmarks.{task}.exemplars.task names no benchmark: {source!r}")
            if source == task and spec.exemplars.split == spec.split and any(self.shots):
                raise ValueError(
                    f"benchmarks.{task}.exemplars.split is the graded split {spec.split!r}; "
                    "exemplars come from another split"
                )
        return self

    @model_validator(mode="after")
    def _reasoning_models_exist(self) -> Catalog:
        for name, spec in self.reasoning.models.items() if self.reasoning else ():
            if isinstance(spec, ExplicitSpec) and spec.model not in self.models:
                raise ValueError(
                    f"reasoning.models.{name}.model names no model: {spec.model!r}; "
                    f"expected one of {', '.join(self.models)}"
                )
        return self

    @model_validator(mode="after")
    def _judges_exist(self) -> Catalog:
        for name, spec in self.evaluation.graders.items() if self.evaluation else ():
            if isinstance(spec, LocalGraderSpec) and spec.model not in self.models:
                raise ValueError(
                    f"evaluation.graders.{name}.model names no model: {spec.model!r}; "
                    f"expected one of {', '.join(self.models)}"
                )
        return self

    def reasoning_spec(self) -> ReasoningSpec:
        """The tests of necessity of this catalog.

        Raises:
            CatalogError: it has none.
        """
        if self.reasoning is None:
            raise _lacking("tests of necessity", "reasoning", self.name)
        return self.reasoning

    def evaluation_spec(self) -> EvaluationSpec:
        """The sampled evaluation sets of this catalog.

        Raises:
            CatalogError: it has none.
        """
        if self.evaluation is None:
            raise _lacking("sampled evaluation sets", "evaluation", self.name)
        return self.evaluation

    def model(self, name: str) -> ModelSpec:
        """The model of that name.

        Raises:
            UnknownNameError: there is none.
        """
        if name not in self.models:
            raise _unknown("model", name, self.models, self.name)
        return self.models[name]

    def engine_of(self, model: str) -> EngineName:
        """The engine that runs a model.

        Raises:
            UnknownNameError: there is no such model.
        """
        return self.model(model).engine or self.inference.engine

    def benchmark(self, task: str) -> BenchmarkSpec:
        """The benchmark of that task.

        Raises:
            UnknownNameError: there is none.
        """
        if task not in self.benchmarks:
            raise _unknown("benchmark", task, self.benchmarks, self.name)
        return self.benchmarks[task]

    def cells(self) -> list[TrajectoryKey]:
        """Every cell of the grid, ordered by shots, model, task as the audit shows them."""
        return list(_cells(tuple(self.shots), tuple(self.models), tuple(self.benchmarks)))

    def samples_of(self, task: str) -> int:
        """How many samples of a task are drawn at most."""
        return self.benchmark(task).n_samples or self.n_samples

    def generation_of(self, model: str, task: str) -> GenerationParameters:
        """The generation parameters of a task for a model; stop strings go with its prompt style.

        Raises:
            UnknownNameError: there is no such model or task.
        """
        spec, style = self.benchmark(task), self.model(model).prompt_style
        return GenerationParameters(
            max_new_tokens=spec.max_new_tokens or self.generation.max_new_tokens,
            temperature=self.generation.temperature,
            top_p=self.generation.top_p,
            top_k=self.generation.top_k,
            seed=self.seed,
            stop=spec.chat_stop if style == "chat" else spec.stop,
        )


@lru_cache(maxsize=8)
def _cells(
    shots: tuple[int, ...], models: tuple[str, ...], tasks: tuple[str, ...]
) -> tuple[TrajectoryKey, ...]:
    """The cells of a grid: the same objects each time, which know their paths."""
    return tuple(
        TrajectoryKey(model, task, n_shot) for n_shot in shots for model in models for task in tasks
    )


def load_catalog(path: Path) -> Catalog:
    """Read and validate a catalog file.

    Raises:
        CatalogError: the file is missing, no YAML, or has wrong values; all of them are named.
    """
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(
            "A catalog can't be read",
            where=str(path),
            expected="a YAML file in UTF-8",
            got=str(error),
            fix="name an existing catalog, such as catalog/demo.yaml",
        ) from error
    except yaml.YAMLError as error:
        raise CatalogError(
            "A catalog is no valid YAML",
            where=str(path),
            expected="YAML",
            got=str(error).replace("\n", " "),
            fix="correct the line named above",
        ) from error
    if not isinstance(raw, dict):
        raise CatalogError(
            "A catalog is empty or no mapping",
            where=str(path),
            expected="keys such as name, models, benchmarks",
            got=type(raw).__name__,
            fix="start from a copy of catalog/demo.yaml",
        )
    try:
        return Catalog.model_validate(raw)
    except ValidationError as error:
        raise _malformed(path, error) from error


def _malformed(path: Path, error: ValidationError) -> CatalogError:
    """One message for all wrong keys of a catalog."""
    problems = [
        f"{'.'.join(str(part) for part in problem['loc']) or '(top level)'}: {problem['msg']}; "
        f"got {problem['input']!r:.80}"
        for problem in error.errors(include_url=False)
    ]
    return CatalogError(
        f"A catalog is malformed in {len(problems)} place{'s' if len(problems) > 1 else ''}",
        where=str(path),
        expected="the keys described in README.md, 'Catalogs'",
        got="\n    ".join(["", *problems]),
        fix="correct these keys",
    )


def _lacking(what: str, section: str, catalog: str) -> CatalogError:
    """The error for a section that the catalog does not have."""
    return CatalogError(
        f"A catalog has no {what}",
        where=f"catalog {catalog!r}",
        expected=f"a section `{section}`",
        got="none",
        fix="add the section, as in catalog/demo.yaml",
    )


def _unknown(kind: str, name: str, known: dict[str, Any], catalog: str) -> UnknownNameError:
    """The error for a name that the catalog does not have."""
    return UnknownNameError(
        f"A {kind} is not in the catalog",
        where=f"catalog {catalog!r}",
        expected=f"one of {', '.join(known)}",
        got=name,
        fix=f"correct the name, or add it under `{kind}s:` in the catalog",
    )
