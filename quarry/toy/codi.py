"""A toy CODI model: trained once, published whole, found again as long as nothing changed.

How it is trained lives in `codi_training`, which is imported only when there is something to
train; which problems it never sees, in `codi_problems`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from quarry.benchmarks.source import BenchmarkSource
from quarry.inference.cpu_threads import let_threads_sleep
from quarry.toy.codi_problems import learned_samples
from quarry.toy.models import parent_digest
from quarry.toy.training_record import (
    WEIGHTS,
    TrainingRecord,
    curve,
    data_digest,
    file_digest,
    finished_as,
    write_record,
)
from quarry.whole_directory import publish_directory

CODI_VERSION = 1
"""Raised whenever the same parent, seed and data would give other weights."""

PARENT_RECIPE = "base"
"""Recipe of the toy model that is continued."""


_BASE_FILES = ("base/config.json", "base/tokenizer.json", "base/tokenizer_config.json")
"""Of the base model, without which the weights can't be run."""


@dataclass(frozen=True)
class CodiBudget:
    """How much is spent.

    Args:
        n_explicit_steps: optimiser steps that teach explicit thoughts alone.
        explicit_problems: problems in a batch of these.
        n_steps: optimiser steps with latent thoughts after that.
        problems: problems in a batch of these.
        n_latents: latents between question and answer.
        n_threads: of the CPU; another number sums in another order and gives other weights.
    """

    n_explicit_steps: int = 1000
    explicit_problems: int = 32
    n_steps: int = 300
    problems: int = 64
    n_latents: int = 6
    n_threads: int = 1

    @classmethod
    def tiny(cls) -> CodiBudget:
        """Seconds instead of minutes, for tests; the model learns next to nothing."""
        return cls(n_explicit_steps=6, explicit_problems=16, n_steps=6, problems=16)


@dataclass(frozen=True, kw_only=True)
class ToyCodiReport(TrainingRecord):
    """How a toy CODI checkpoint came about.

    Args:
        n_problems: problems that were learned from.
        explicit_curve: loss of explicit thoughts before there were latent ones; `loss_curve` and
            the others begin after that.
        teacher_curve: loss of explicit thoughts.
        student_curve: loss of the answer after latent thoughts.
        distillation_curve: distance between student and teacher.
    """

    n_problems: int
    explicit_curve: list[float]
    teacher_curve: list[float]
    student_curve: list[float]
    distillation_curve: list[float]

    def facts(self) -> dict[str, str | int | float]:
        """Plain values for the asset page."""
        return {
            "recipe": "codi",
            "seed": self.seed,
            "n_steps": self.budget["n_explicit_steps"] + self.budget["n_steps"],
            "n_latents": self.budget["n_latents"],
            "n_problems": self.n_problems,
            "final_loss": self.loss_curve[-1],
            "final_teacher_loss": self.teacher_curve[-1],
            "final_student_loss": self.student_curve[-1],
            "final_distillation_loss": self.distillation_curve[-1],
            "wall_s": self.wall_s,
        }


def train_toy_codi(
    directory: Path,
    *,
    source: BenchmarkSource,
    seed: int,
    parent: Path | None,
    progress: Callable[[int, int, float], None] | None = None,
    budget: CodiBudget | None = None,
) -> ToyCodiReport:
    """Train a toy CODI model, or find the finished one of the same parent, seed, data and budget.

    The directory appears whole or not at all; an outdated checkpoint in it is replaced. It holds
    `model.safetensors` in the published format of CODI (without LoRA), the base model in `base/`,
    and the report in `training.json`.

    Args:
        directory: where the checkpoint is.
        source: the benchmarks; only the train split of `gsm8k` is read.
        seed: of the projection and of the order of the problems.
        parent: checkpoint of the toy model with the recipe `base`.
        progress: called with step, number of steps and loss.
        budget: what may be spent; the default takes about four minutes of one core.

    Raises:
        ModelLoadError: the parent is missing.
        SourceMissingError: the train split is absent.
        StorageFullError: there is not enough space; nothing is left behind.
    """
    budget = budget or CodiBudget()
    samples = learned_samples(source.load("gsm8k", "train"))
    wanted: dict[str, Any] = {
        "seed": seed,
        "version": CODI_VERSION,
        "budget": asdict(budget),
        "data_digest": data_digest({"gsm8k": samples}),
        "parent_digest": parent_digest("codi", PARENT_RECIPE, parent),
    }
    finished = finished_as(directory, ToyCodiReport, wanted)
    if finished is not None and all((directory / name).is_file() for name in _BASE_FILES):
        return finished
    started = time.monotonic()
    let_threads_sleep()
    # Imported only here: a finished checkpoint is found without torch.
    from quarry.toy.codi_training import run_codi

    assert parent is not None  # its digest was read
    with publish_directory(directory) as building:
        losses = run_codi(
            building,
            parent=parent,
            samples=samples,
            seed=seed,
            budget=budget,
            progress=progress,
        )
        report = ToyCodiReport(
            **wanted,
            digest=file_digest(building / WEIGHTS),
            wall_s=round(time.monotonic() - started, 1),
            loss_curve=curve(losses.total),
            n_problems=len(samples),
            explicit_curve=curve(losses.explicit),
            teacher_curve=curve(losses.teacher),
            student_curve=curve(losses.student),
            distillation_curve=curve(losses.distillation),
        )
        write_record(building, report)
    return report
