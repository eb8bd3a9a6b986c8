"""Toy models by recipe: trained once, published whole, found again as long as nothing changed.

How a recipe is trained lives in `training_run`, which is imported only when there is something to
train; so asking for a finished checkpoint costs no torch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from quarry.benchmarks.source import BenchmarkSource
from quarry.errors import ModelLoadError
from quarry.inference.cpu_threads import let_threads_sleep
from quarry.toy.recipes import recipe_named, training_samples
from quarry.toy.training_record import (
    WEIGHTS,
    TrainingRecord,
    curve,
    data_digest,
    file_digest,
    finished_as,
    read_record,
    write_record,
)
from quarry.whole_directory import publish_directory

TRAINING_VERSION = 1
"""Raised whenever the same recipe, seed and data would give other weights."""


@dataclass(frozen=True)
class ToyBudget:
    """How much is spent on each recipe.

    Args:
        base: optimiser steps of the base model.
        sft: steps of the chat model.
        rl_zero: steps on own answers.
        think: steps of the thinking model.
        tokens_per_step: tokens in a batch, padding included.
        n_attempts: problems of a format that `rl_zero` tries to answer; fewer of code.
        n_threads: of the CPU; another number sums in another order and gives other weights. So
            small a model gains little from a second thread (0.07 s a step instead of 0.09 s), and
            on a busy machine loses much.
    """

    base: int = 850
    sft: int = 600
    rl_zero: int = 80
    think: int = 450
    tokens_per_step: int = 1024
    n_attempts: int = 768
    n_threads: int = 1

    @classmethod
    def tiny(cls) -> ToyBudget:
        """Seconds instead of minutes, for tests; the models learn next to nothing."""
        return cls(
            base=6, sft=3, rl_zero=3, think=3, tokens_per_step=1024, n_attempts=12, n_threads=1
        )

    def steps_of(self, recipe: str) -> int:
        """Optimiser steps of a recipe."""
        return int(asdict(self)[recipe])


@dataclass(frozen=True, kw_only=True)
class ToyTrainingReport(TrainingRecord):
    """How the checkpoint of a recipe came about.

    Args:
        recipe: the recipe.
        n_own_answers: own correct answers by format, where a recipe learns from them.
    """

    recipe: str
    n_own_answers: dict[str, int]

    def facts(self) -> dict[str, str | int | float]:
        """Plain values for the asset page."""
        facts: dict[str, str | int | float] = {
            "recipe": self.recipe,
            "seed": self.seed,
            "n_steps": self.budget[self.recipe],
            "n_tokens": self.budget[self.recipe] * self.budget["tokens_per_step"],
            "final_loss": self.loss_curve[-1],
            "wall_s": self.wall_s,
        }
        own = {f"n_own_answers_{format}": count for format, count in self.n_own_answers.items()}
        return facts | own


def parent_recipe(recipe: str) -> str | None:
    """The recipe whose checkpoint this one continues; None for the first.

    Raises:
        UnknownNameError: there is no such recipe.
    """
    return recipe_named(recipe).parent


def train_toy_model(
    recipe: str,
    directory: Path,
    *,
    source: BenchmarkSource,
    seed: int,
    parent: Path | None = None,
    progress: Callable[[int, int, float], None] | None = None,
    budget: ToyBudget | None = None,
) -> ToyTrainingReport:
    """Train a toy model, or find the finished one of the same recipe, seed, data and budget.

    The directory appears whole or not at all; an outdated checkpoint in it is replaced.

    Args:
        recipe: `base`, `sft`, `rl_zero` or `think`.
        directory: where the checkpoint is, in the format of transformers.
        source: the benchmarks; only train splits are read.
        seed: of weights, order and sampling.
        parent: the parent recipe's checkpoint, where the recipe has a parent.
        progress: called with step, number of steps and loss.
        budget: what may be spent; the default takes about three minutes for all four.

    Raises:
        UnknownNameError: there is no such recipe.
        ModelLoadError: the parent is needed and missing.
        SourceMissingError: a train split is absent.
        StorageFullError: there is not enough space; nothing is left behind.
    """
    budget = budget or ToyBudget()
    samples = training_samples(source)
    wanted: dict[str, Any] = {
        "recipe": recipe,
        "seed": seed,
        "version": TRAINING_VERSION,
        "budget": asdict(budget),
        "data_digest": data_digest(samples),
        "parent_digest": _recipe_parent_digest(recipe, parent),
    }
    finished = finished_as(directory, ToyTrainingReport, wanted)
    if finished is not None:
        return finished
    started = time.monotonic()
    let_threads_sleep()
    # Imported only here: a finished checkpoint is found without torch.
    from quarry.toy.training_run import run_recipe

    with publish_directory(directory) as building:
        run = run_recipe(
            recipe,
            building,
            parent=parent,
            samples=samples,
            seed=seed,
            budget=budget,
            progress=progress,
        )
        report = ToyTrainingReport(
            **wanted,
            digest=file_digest(building / WEIGHTS),
            wall_s=round(time.monotonic() - started, 1),
            loss_curve=curve(run.losses),
            n_own_answers=run.n_own_answers,
        )
        write_record(building, report)
    return report


def _recipe_parent_digest(recipe: str, parent: Path | None) -> str | None:
    """The digest of the checkpoint that a recipe continues, where it continues one."""
    name = parent_recipe(recipe)
    return None if name is None else parent_digest(recipe, name, parent)


def parent_digest(child: str, recipe: str, parent: Path | None) -> str:
    """The digest of the checkpoint that a model continues.

    Args:
        child: the toy model that wants it, as the error names it.
        recipe: of the parent.
        parent: where its checkpoint should be.

    Raises:
        ModelLoadError: there is no finished checkpoint.
    """
    report = read_record(parent, ToyTrainingReport) if parent is not None else None
    if report is None:
        raise ModelLoadError(
            f"The toy model {child!r} has no parent to continue from",
            where=str(parent) if parent else "parent",
            expected=f"a finished checkpoint of recipe {recipe!r}",
            got="no finished checkpoint" if parent else "none given",
            fix=f"materialise `model_checkpoints` of the model with recipe {recipe!r} first",
        )
    return report.digest
