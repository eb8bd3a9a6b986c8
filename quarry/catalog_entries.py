"""The entries of a catalog: one class each for models, benchmarks, sources and settings.

How a whole catalog fits together and is loaded lives in `quarry.catalog`, which re-exports these.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from quarry.errors import CatalogError, UsageError
from quarry.inference.engine import CaptureSpec, Scope
from quarry.inference.engine_settings import EngineName
from quarry.keys import SLUG
from quarry.scrub_budget import Budget

Slug = Annotated[str, StringConstraints(pattern=f"^{SLUG.pattern}$")]
Owner = Annotated[str, StringConstraints(pattern=r"^(team:[\w-]+|[^@\s]+@[^@\s]+\.[^@\s]+)$")]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Cron = Annotated[str, StringConstraints(pattern=r"^\S+( \S+){4}$")]
Device = Annotated[str, StringConstraints(pattern=r"^(cpu|cuda:\d+)$")]
StopStrings = tuple[Annotated[str, Field(min_length=1)], ...]


class Entry(BaseModel):
    """Base of all catalog entries: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSpec(Entry):
    """One model: where its weights come from and how it is prompted.

    Exactly one of `hub_id`, `path` and `recipe` is given. `recipe` names a toy model that the
    platform trains itself. `engine` overrides that of `inference`; `tensor_parallel` splits the
    weights over so many GPUs (vLLM only).
    """

    hub_id: str | None = None
    revision: str | None = None
    path: Path | None = None
    recipe: Slug | None = None
    prompt_style: Literal["raw", "chat"]
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    batch_size: Annotated[int, Field(ge=1)] = 16
    engine: EngineName | None = None
    tensor_parallel: Annotated[int, Field(ge=1)] = 1
    description: str = ""

    @model_validator(mode="after")
    def _has_one_source(self) -> ModelSpec:
        given = [name for name in ("hub_id", "path", "recipe") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of hub_id, path and recipe, not {given or 'none'}")
        if self.hub_id is not None and self.revision is None:
            raise ValueError("a model from the hub needs a revision, so that it can't change")
        return self


class ExemplarSpec(Entry):
    """Where the worked examples of an n-shot prompt come from; never the graded split."""

    task: Slug | None = None
    split: str = "train"


class BenchmarkSpec(Entry):
    """One task: its source format, split, prompt and generation settings.

    `format` names a loader in `quarry.benchmarks`. `overflow` says what happens to a prompt that
    does not fit the context: an error (default), or cut on the left, by explicit choice. `stop`
    is for raw prompts, `chat_stop` for chat: a chat model ends its turn itself, and a stop string
    such as a new line with `def` would cut its answer right behind the fence.
    """

    format: Literal["gsm8k", "humaneval", "logiqa", "mbpp"]
    split: str = "test"
    n_samples: Annotated[int, Field(ge=1)] | None = None
    exemplars: ExemplarSpec = ExemplarSpec()
    max_new_tokens: Annotated[int, Field(ge=1)] | None = None
    stop: StopStrings = ()
    chat_stop: StopStrings = ()
    overflow: Literal["error", "truncate_left"] = "error"


class HubDataset(Entry):
    """A dataset on the hub, pinned."""

    hub_id: str
    revision: str
    config: str | None = None


class BenchmarkSourceSpec(Entry):
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


class GenerationSpec(Entry):
    """Sampling settings shared by all benchmarks."""

    max_new_tokens: Annotated[int, Field(ge=1)] = 512
    temperature: Annotated[float, Field(ge=0.0)] = 0.0
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0


class InferenceSettings(Entry):
    """Where and how models are run, unless a model says otherwise.

    `devices` is `auto` (the GPUs that this machine has, else the CPU) or a list such as
    `[cuda:0, cuda:1]` or `[cpu]`; a run takes as many of them as its model needs, for itself alone.
    `memory_share` is the share of a GPU's memory that vLLM may take; `spool`, an amount such as
    `4GB`, bounds the hidden states on their way from vLLM to the file. A run that finds its devices
    taken waits for `wait_minutes`.
    """

    engine: EngineName = "transformers"
    devices: Literal["auto"] | tuple[Device, ...] = "auto"
    memory_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9
    spool: str = "4GB"
    wait_minutes: Annotated[float, Field(ge=0.0)] = 60.0

    @field_validator("spool")
    @classmethod
    def _is_an_amount(cls, text: str) -> str:
        if Budget.parse(_budget_text(text)).unit == "%":
            raise ValueError("expected an amount of bytes such as 4GB")
        return text

    @property
    def spool_bytes(self) -> int:
        """The bound on hidden states under way."""
        return Budget.parse(self.spool).bytes_of(0)


class CaptureSettings(Entry):
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


class Thresholds(Entry):
    """Bounds of the checks, and what a comparison has to be able to show.

    Rates are shares of the graded rows. With fewer of them than `small_sample`, a rate beyond a
    bound counts only where its whole 95 % interval lies beyond; at 300 rows that interval reaches
    2.5 points to either side of 5 %. A cell is good for comparing correct with incorrect rows where
    a two-sided t test at level `alpha` finds a difference of `effect_of_interest` (Cohen's d) with
    probability `power`. `alpha` is for one comparison: for k of them, set it to alpha / k.
    """

    min_correct_rate: Share = 0.05
    max_correct_rate: Share = 0.95
    min_graded_share: Share = 0.98
    small_sample: Annotated[int, Field(ge=0)] = 300
    alpha: Annotated[float, Field(ge=1e-6, le=0.5)] = 0.05
    power: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.8
    effect_of_interest: Annotated[float, Field(ge=0.01)] = 0.5

    @model_validator(mode="after")
    def _are_in_order(self) -> Thresholds:
        if self.min_correct_rate > self.max_correct_rate:
            raise ValueError("min_correct_rate is above max_correct_rate")
        if self.alpha >= self.power:
            raise ValueError("power must be above alpha, which a test has without any effect")
        return self


class Effort(Entry):
    """What an action on one cell costs, for the recollection plan and for healing.

    `collect_gpu_hours` is for cells of which earlier runs tell nothing. With `gpu_hour_price`, in
    dollars, plans show what GPU hours cost.
    """

    collect_gpu_hours: Annotated[float, Field(ge=0.0)] = 1.5
    relabel_cpu_hours: Annotated[float, Field(ge=0.0)] = 0.25
    gpu_hour_price: Annotated[float, Field(ge=0.0)] | None = None


class ScrubSettings(Entry):
    """The daily scrub: how much is verified in full when, and how soon every file comes round.

    `budget` is a share of all bytes such as `5%`, or such as `50GB`. Where it is too small for the
    period, `must_cover` says that the period is kept (default) and not the budget.
    """

    budget: str = "5%"
    period_days: Annotated[int, Field(ge=1)] = 30
    must_cover: bool = True
    cron: Cron = "0 3 * * *"

    @field_validator("budget")
    @classmethod
    def _can_be_read(cls, text: str) -> str:
        return _budget_text(text)


class HealSettings(Entry):
    """Healing: what it may spend a day, and when it gives up on a cell.

    `bytes_per_day` bounds what is sent and fetched, an amount such as `200GB` or a share of all
    bytes such as `5%`; `gpu_hours_per_day` bounds collection. After a failure a cell waits for
    `backoff_minutes`, twice as long after each further one, and after `most_failures` in a row it
    waits for a person. Damaged originals are kept for `keep_aside_days`.
    """

    bytes_per_day: str = "200GB"
    gpu_hours_per_day: Annotated[float, Field(ge=0.0)] = 8.0
    most_failures: Annotated[int, Field(ge=1)] = 3
    backoff_minutes: Annotated[float, Field(gt=0.0)] = 10.0
    keep_aside_days: Annotated[float, Field(ge=0.0)] = 7.0

    @field_validator("bytes_per_day")
    @classmethod
    def _can_be_read(cls, text: str) -> str:
        return _budget_text(text)


def _budget_text(text: str) -> str:
    """A daily budget as it is written, if it can be read.

    Raises:
        ValueError: it can't.
    """
    try:
        return str(Budget.parse(text))
    except UsageError as error:
        raise ValueError(f"{error.what}; expected {error.expected}") from error
