"""The `evaluation` section of a catalog: runs, their domains, sampling, graders.

What the names mean when they are run lives in `quarry.sampling`, `quarry.equivalence` and
`quarry.evaluation_sets`.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, StringConstraints, model_validator

from quarry.catalog_entries import Entry, Share, Slug
from quarry.inference.engine_settings import EngineName
from quarry.sampling.keys import domain_of

Count = Annotated[int, Field(ge=1)]
Usd = Annotated[float, Field(ge=0.0)]
Glob = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._*?\-\[\]]+$")]


class SamplingSpec(Entry):
    """How completions are sampled from every checkpoint.

    `n` generations a prompt; `chunk_size` of them are made between two moments at which all are
    safe. Raising `n` keeps those that were made.
    """

    n: Count = 1000
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] = 0.1
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    seed: int = 0
    chunk_size: Count = 500


class CheckpointSettings(Entry):
    """How fine-tuned checkpoints are loaded; as for a model of `models`."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    batch_size: Count = 16
    engine: EngineName | None = None
    tensor_parallel: Count = 1


class PromptSpec(Entry):
    """Where the prompts of a domain come from: a file, or facts that quarry knows.

    `path` is JSON, JSON lines or Parquet with columns `prompt` and `completion`, or a directory as
    `datasets` saves it, such as the `eval_dataset` of a run.
    """

    path: Path | None = None
    facts: Literal["death-dates", "mayors"] | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> PromptSpec:
        if (self.path is None) == (self.facts is None):
            raise ValueError("give exactly one of path and facts")
        return self


class BoundsSpec(Entry):
    """What a set must keep to, or its checks say so.

    `equivalence_rate` is least and most share of distinct completions that mean the target;
    `prompts_covered` the least share of prompts with a row; `ungraded` the most that may be left.
    """

    equivalence_rate: tuple[Share, Share] = (0.2, 1.0)
    prompts_covered: Share = 0.5
    ungraded: Share = 0.02

    @model_validator(mode="after")
    def _is_ordered(self) -> BoundsSpec:
        if self.equivalence_rate[0] > self.equivalence_rate[1]:
            raise ValueError("equivalence_rate is least and most, in this order")
        return self


class DomainSpec(Entry):
    """What runs of one kind are asked, and by which rubric and grader they are judged."""

    prompts: PromptSpec
    rubric: Slug
    grader: Slug = "rules"
    max_new_tokens: Count = 10
    bounds: BoundsSpec = BoundsSpec()
    description: str = ""


class RunSpec(Entry):
    """A fine-tuning run: a directory with its checkpoints, or one that is trained here.

    Folders in `outputs` whose names begin with a domain need no entry.
    """

    domain: Slug
    path: Path | None = None
    epochs: Count | None = None
    description: str = ""

    @model_validator(mode="after")
    def _has_one_source(self) -> RunSpec:
        if (self.path is None) == (self.epochs is None):
            raise ValueError("give path, a run's directory, or epochs, of a toy run trained here")
        return self


class RulesGraderSpec(Entry):
    """Rules alone: free; what is not clear to them stays ungraded."""

    kind: Literal["rules"] = "rules"


class PricedSpec(Entry):
    """What graders behind an API have in common; prices are dollars for a million tokens.

    Rules settle what is clear to them first. `max_usd` is the most that grading one set may cost,
    over all its runs; `max_calls` the most requests. `temperature: null` is for models that refuse
    one; `request` adds parameters of the provider.
    """

    model: str
    usd_per_million_input: Usd
    usd_per_million_output: Usd
    max_usd: Usd = 1.0
    max_calls: Count | None = None
    concurrency: Count = 8
    timeout_s: Annotated[float, Field(gt=0)] = 60.0
    base_url: str | None = None
    temperature: Annotated[float, Field(ge=0.0)] | None = 0.0
    max_output_tokens: Count = 512
    request: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


def _is_this_machine(base_url: str | None) -> bool:
    """Whether an address can only be a server of this machine."""
    try:
        host = urlsplit(base_url or "").hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class AnthropicGraderSpec(PricedSpec):
    """Claude through Anthropic's API; the key is in ANTHROPIC_API_KEY."""

    kind: Literal["anthropic"]


class OpenAIGraderSpec(PricedSpec):
    """A server that speaks OpenAI's API, such as `vllm serve`; the key is in OPENAI_API_KEY.

    A server on this machine costs nothing and takes any key; for all others say both prices, 0
    for a free one.
    """

    kind: Literal["openai-compatible"]
    base_url: str | None = "http://127.0.0.1:8000/v1"
    usd_per_million_input: Usd = 0.0
    usd_per_million_output: Usd = 0.0

    @model_validator(mode="after")
    def _has_prices(self) -> OpenAIGraderSpec:
        prices = {"usd_per_million_input", "usd_per_million_output"}
        if prices <= self.model_fields_set or _is_this_machine(self.base_url):
            return self
        raise ValueError(
            "give usd_per_million_input and usd_per_million_output (0 for a server that is free): "
            f"without prices max_usd can't hold for {self.base_url or 'the provider'}"
        )


class LocalGraderSpec(Entry):
    """A model of `models` on quarry's own engine."""

    kind: Literal["local"]
    model: Slug
    max_new_tokens: Count = 300


GraderSpec = Annotated[
    RulesGraderSpec | AnthropicGraderSpec | OpenAIGraderSpec | LocalGraderSpec,
    Field(discriminator="kind"),
]


class EvaluationSpec(Entry):
    """Sampled, graded evaluation sets of fine-tuned checkpoints.

    `outputs` is watched for runs, relative to the catalog; `checkpoints` says which folders of a
    run count; `rubrics` is the folder of the rubric files, relative to the catalog.
    """

    outputs: Path | None = None
    checkpoints: tuple[Glob, ...] = Field(default=("checkpoint_final",), min_length=1)
    rubrics: Path = Path("rubrics")
    sampling: SamplingSpec = SamplingSpec()
    loading: CheckpointSettings = CheckpointSettings()
    domains: dict[Slug, DomainSpec] = Field(min_length=1)
    runs: dict[Slug, RunSpec] = Field(default_factory=dict[Slug, RunSpec])
    graders: dict[Slug, GraderSpec] = Field(default={"rules": RulesGraderSpec()}, min_length=1)

    @model_validator(mode="after")
    def _names_agree(self) -> EvaluationSpec:
        for name, domain in self.domains.items():
            if domain.grader not in self.graders:
                raise ValueError(
                    f"domains.{name}.grader names none of evaluation.graders: {domain.grader!r}; "
                    f"expected one of {', '.join(self.graders)}"
                )
        for name, run in self.runs.items():
            if run.domain not in self.domains:
                raise ValueError(
                    f"runs.{name}.domain names none of evaluation.domains: {run.domain!r}; "
                    f"expected one of {', '.join(self.domains)}"
                )
            if run.epochs is not None and self.domains[run.domain].prompts.facts is None:
                raise ValueError(
                    f"runs.{name}.epochs: only runs of a domain of facts are trained here"
                )
        return self

    @property
    def toy_runs(self) -> list[str]:
        """The runs that are trained here."""
        return [name for name, run in self.runs.items() if run.epochs is not None]

    def domain_name(self, run: str) -> str | None:
        """The domain of a run, as its entry or else its name says; None where neither does."""
        if run in self.runs:
            return self.runs[run].domain
        return domain_of(run, self.domains)
