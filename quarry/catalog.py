"""The catalog: which models, benchmarks and shot settings exist, and how they are run.

A catalog is one YAML file. It is validated whole on load; every error names file, key, what was
found and what was expected. Nothing here reads benchmarks or models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from quarry.errors import CatalogError, UnknownNameError
from quarry.inference.engine import CaptureSpec, GenerationParameters, Scope
from quarry.keys import SLUG, TrajectoryKey

Slug = Annotated[str, StringConstraints(pattern=f"^{SLUG.pattern}$")]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class _Entry(BaseModel):
    """Base of all catalog entries: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSpec(_Entry):
    """One model: where its weights come from and how it is prompted.

    Exactly one of `hub_id`, `path` and `recipe` is given. `recipe` names a toy model that the
    platform trains itself.
    """

    hub_id: str | None = None
    revision: str | None = None
    path: Path | None = None
    recipe: Slug | None = None
    prompt_style: Literal["raw", "chat"]
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    batch_size: Annotated[int, Field(ge=1)] = 16
    description: str = ""

    @model_validator(mode="after")
    def _has_one_source(self) -> ModelSpec:
        given = [name for name in ("hub_id", "path", "recipe") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of hub_id, path and recipe, not {given or 'none'}")
        if self.hub_id is not None and self.revision is None:
            raise ValueError("a model from the hub needs a revision, so that it can't change")
        return self


class ExemplarSpec(_Entry):
    """Where the worked examples of an n-shot prompt come from; never the graded split."""

    task: Slug | None = None
    split: str = "train"


class BenchmarkSpec(_Entry):
    """One task: its source format, split, prompt and generation settings.

    `format` names a loader in `quarry.benchmarks`. `overflow` says what happens to a prompt that
    does not fit the context: an error (default), or cut on the left, by explicit choice.
    """

    format: Literal["gsm8k", "humaneval", "logiqa", "mbpp"]
    split: str = "test"
    n_samples: Annotated[int, Field(ge=1)] | None = None
    exemplars: ExemplarSpec = ExemplarSpec()
    max_new_tokens: Annotated[int, Field(ge=1)] | None = None
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    overflow: Literal["error", "truncate_left"] = "error"


class HubDataset(_Entry):
    """A dataset on the hub, pinned."""

    hub_id: str
    revision: str
    config: str | None = None


class BenchmarkSourceSpec(_Entry):
    """Where benchmark records are read: the hub, a mirror directory, or a toy mirror made here."""

    kind: Literal["hub", "mirror", "toy"]
    path: Path | None = None
    seed: int = 0
    hub: dict[Literal["gsm8k", "humaneval", "logiqa", "mbpp"], HubDataset] = Field(
        default_factory=dict[Literal["gsm8k", "humaneval", "logiqa", "mbpp"], HubDataset]
    )

    @model_validator(mode="after")
    def _has_path(self) -> BenchmarkSourceSpec:
        if self.kind == "mirror" and self.path is None:
            raise ValueError("a mirror needs a path")
        return self


class GenerationSpec(_Entry):
    """Sampling settings shared by all benchmarks."""

    max_new_tokens: Annotated[int, Field(ge=1)] = 512
    temperature: Annotated[float, Field(ge=0.0)] = 0.0
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0


class CaptureSettings(_Entry):
    """Which hidden states are kept: every `layer_step`-th layer from 0 or a list, and the scope."""

    layers: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    layer_step: Annotated[int, Field(ge=1)] = 2
    scope: Scope = "prompt+output"

    def resolve(self, n_layers: int) -> CaptureSpec:
        """The layers of a model with `n_layers` decoder blocks.

        Raises:
            CatalogError: a listed layer does not exist.
        """
        if self.layers is None:
            return CaptureSpec(tuple(range(0, n_layers, self.layer_step)), self.scope)
        beyond = [layer for layer in self.layers if layer >= n_layers]
        if beyond:
            raise CatalogError(
                "A layer to capture does not exist in the model",
                where="capture.layers",
                expected=f"layers 0 .. {n_layers - 1}",
                got=str(beyond),
                fix="correct capture.layers in the catalog",
            )
        return CaptureSpec(self.layers, self.scope)


class Thresholds(_Entry):
    """Bounds of the checks."""

    min_correct_rate: Share = 0.05
    max_correct_rate: Share = 0.95
    min_graded_share: Share = 0.98


class Effort(_Entry):
    """What an action on one cell costs, for the recollection plan."""

    collect_gpu_hours: Annotated[float, Field(ge=0.0)] = 1.5
    relabel_cpu_hours: Annotated[float, Field(ge=0.0)] = 0.25


class Catalog(_Entry):
    """All that exists in one deployment."""

    name: Slug
    seed: int = 0
    n_samples: Annotated[int, Field(ge=1)] = 500
    shots: tuple[Annotated[int, Field(ge=0)], ...] = (0, 8)
    benchmark_source: BenchmarkSourceSpec
    models: dict[Slug, ModelSpec] = Field(min_length=1)
    benchmarks: dict[Slug, BenchmarkSpec] = Field(min_length=1)
    generation: GenerationSpec = GenerationSpec()
    capture: CaptureSettings = CaptureSettings()
    thresholds: Thresholds = Thresholds()
    effort: Effort = Effort()

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

    def model(self, name: str) -> ModelSpec:
        """The model of that name.

        Raises:
            UnknownNameError: there is none.
        """
        if name not in self.models:
            raise _unknown("model", name, self.models, self.name)
        return self.models[name]

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
        return [
            TrajectoryKey(model, task, n_shot)
            for n_shot in self.shots
            for model in self.models
            for task in self.benchmarks
        ]

    def samples_of(self, task: str) -> int:
        """How many samples of a task are drawn at most."""
        return self.benchmark(task).n_samples or self.n_samples

    def generation_of(self, task: str) -> GenerationParameters:
        """The generation parameters of a task."""
        spec = self.benchmark(task)
        return GenerationParameters(
            max_new_tokens=spec.max_new_tokens or self.generation.max_new_tokens,
            temperature=self.generation.temperature,
            top_p=self.generation.top_p,
            top_k=self.generation.top_k,
            seed=self.seed,
            stop=spec.stop,
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


def _unknown(kind: str, name: str, known: dict[str, Any], catalog: str) -> UnknownNameError:
    """The error for a name that the catalog does not have."""
    return UnknownNameError(
        f"A {kind} is not in the catalog",
        where=f"catalog {catalog!r}",
        expected=f"one of {', '.join(known)}",
        got=name,
        fix=f"correct the name, or add it under `{kind}s:` in the catalog",
    )
