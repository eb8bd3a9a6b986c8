"""The `reasoning` section of a catalog: candidates, models tested for necessity, datasets.

What the names mean when they are run lives in `quarry.necessity` and `quarry.selection`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from quarry.catalog_entries import Entry, Slug
from quarry.errors import UsageError
from quarry.inference.codi.settings import Ablation, AblationKind, CodiSettings, Protocol
from quarry.selection.quotas import StrataSpec, quotas_of_mapping

Count = Annotated[int, Field(ge=1)]
Split = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]


class CandidateSpec(Entry):
    """Which problems are tested, and in how many shards.

    `n` are drawn by hash from all `splits` together; all of them if it is absent. Questions in the
    files of `tested` are left out: JSON, JSON lines or Parquet with a column `question`. `existing`
    holds the problems that every dataset keeps, such as `llama_cot_all.json`; their questions are
    left out, too. Above 100 shards Dagster no longer says what is stale.
    """

    benchmark: Literal["gsm8k"] = "gsm8k"
    splits: tuple[Split, ...] = Field(default=("test", "train"), min_length=1)
    n: Count | None = None
    shards: Annotated[int, Field(ge=1, le=100)] = 16
    tested: tuple[Path, ...] = ()
    existing: Path | None = None


class AblationSpec(Entry):
    """What is done to latent thoughts, see `quarry.inference.codi.settings.Ablation`."""

    kind: AblationKind = "zeros"
    layer: Literal["middle", "all"] | Annotated[int, Field(ge=0)] = "middle"
    n_latents: Count | None = None
    seed: int = 0


class CodiSpec(Entry):
    """A CODI model: right with its latent thoughts and wrong when they are ablated means needed.

    The checkpoint is `path`, a directory in the published format; or `hub_id` with a revision; or
    `recipe`, a toy model that is trained here. `base` is the model that it was trained from: a
    directory, or an id of the hub with `base_revision`; a toy model brings its own. Reference
    problems, which ablations other than zeros need, are the first `n_reference` of the pool.
    """

    method: Literal["codi"]
    path: Path | None = None
    hub_id: str | None = None
    revision: str | None = None
    recipe: Literal["codi"] | None = None
    base: str | None = None
    base_revision: str | None = None
    lora_alpha: Annotated[float, Field(gt=0)] = 32.0
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    batch_size: Count = 64
    protocol: Protocol = "paper"
    n_latents: Count = 6
    max_new_tokens: Count = 64
    ablation: AblationSpec = AblationSpec()
    n_reference: Count = 64
    description: str = ""

    @model_validator(mode="after")
    def _has_one_source(self) -> CodiSpec:
        given = [name for name in ("path", "hub_id", "recipe") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of path, hub_id and recipe, not {given or 'none'}")
        if self.hub_id is not None and self.revision is None:
            raise ValueError("a checkpoint from the hub needs a revision, so that it can't change")
        if self.recipe is None and self.base is None:
            raise ValueError("base is missing: the model that the checkpoint was trained from")
        return self

    @model_validator(mode="after")
    def _can_be_run(self) -> CodiSpec:
        try:
            self.settings()
        except UsageError as error:
            raise ValueError(
                f"{error.where}: expected {error.expected}, got {error.got}"
            ) from error
        return self

    def settings(self) -> CodiSettings:
        """How the model thinks, and what is done to its thoughts.

        Raises:
            UsageError: more latents are ablated than there are.
        """
        return CodiSettings(
            protocol=self.protocol,
            n_latents=self.n_latents,
            max_new_tokens=self.max_new_tokens,
            ablation=Ablation(**self.ablation.model_dump()),
        )


class ExplicitSpec(Entry):
    """A model of `models`: right with a worked solution, wrong when asked for the number at once.

    `n_shot` worked examples come from the benchmark's train split and are no candidates.
    """

    method: Literal["explicit"]
    model: Slug
    n_shot: Annotated[int, Field(ge=0)] = 0
    max_new_tokens: Count = 256
    max_answer_tokens: Count = 16
    description: str = ""


MethodSpec = Annotated[CodiSpec | ExplicitSpec, Field(discriminator="method")]


class EvaluationSetSpec(Entry):
    """A split that a dataset must share nothing with."""

    benchmark: Literal["gsm8k", "humaneval", "logiqa", "mbpp"]
    split: Split


class TargetSpec(Entry):
    """One stratified dataset: from whose results, and how many of each stratum.

    `quotas` says for each value of the column `by`: a number (`150`), a share of `total` (`25%`) or
    at least so many (`>=50`), the rest of `total` coming from all such strata.
    """

    of: Slug
    by: str = "difficulty"
    quotas: dict[str, int | str] = Field(min_length=1)
    total: Count | None = None
    seed: int = 42
    evaluation_sets: dict[Slug, EvaluationSetSpec] = Field(
        default_factory=dict[Slug, EvaluationSetSpec]
    )
    description: str = ""

    @model_validator(mode="after")
    def _can_be_met(self) -> TargetSpec:
        try:
            self.strata()
        except UsageError as error:
            raise ValueError(f"{error.what}; expected {error.expected}, got {error.got}") from error
        return self

    def strata(self) -> StrataSpec:
        """The dataset as it is asked for.

        Raises:
            UsageError: a quota can't be read, or they don't fit together.
        """
        return StrataSpec(quotas_of_mapping(self.quotas), self.total, self.by, self.seed)


class ReasoningSpec(Entry):
    """Tests of necessity and the datasets chosen from their results."""

    candidates: CandidateSpec = CandidateSpec()
    models: dict[Slug, MethodSpec] = Field(min_length=1)
    targets: dict[Slug, TargetSpec] = Field(default_factory=dict[Slug, TargetSpec])

    @model_validator(mode="after")
    def _names_agree(self) -> ReasoningSpec:
        for name, target in self.targets.items():
            if target.of not in self.models:
                raise ValueError(
                    f"targets.{name}.of names none of reasoning.models: {target.of!r}; "
                    f"expected one of {', '.join(self.models)}"
                )
        return self

    @property
    def toy_models(self) -> list[str]:
        """The CODI models that are trained here."""
        return [
            name
            for name, spec in self.models.items()
            if isinstance(spec, CodiSpec) and spec.recipe is not None
        ]

    def describe(self) -> dict[str, Any]:
        """Plain JSON values, for pages."""
        return self.model_dump(mode="json")
