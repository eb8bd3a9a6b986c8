"""Trains a toy CODI model from its parent's checkpoint to weights on disk.

Whether it has to be trained at all is decided in `codi`; the loss lives in `codi_loss`.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from string import digits
from typing import cast

import torch
from transformers import Olmo3ForCausalLM

from quarry.inference.checkpoint import read_checkpoint
from quarry.samples import Sample
from quarry.toy.codi import CodiBudget
from quarry.toy.codi_loss import codi_loss, explicit_loss
from quarry.toy.codi_model import CodiModule
from quarry.toy.codi_problems import SEPARATOR, Encoder, ProblemBatches, codi_example
from quarry.toy.training import Progress, Schedule, descend
from quarry.toy.training_run import reproducible

# Of the rates with which the parent was trained.
_EXPLICIT_RATE = 0.8
_LATENT_RATE = 0.6

# Problems by number of steps: short ones first, later more long ones than the source has.
_FIRST_SHARES = {1: 0.70, 2: 0.30, 3: 0.0, 4: 0.0}
_SHARES = {1: 0.22, 2: 0.33, 3: 0.27, 4: 0.18}
_CURRICULUM = 0.4
"""Part of the explicit steps in which the first shares turn into the others."""


@dataclass
class CodiLosses:
    """Losses by step.

    Args:
        explicit: of the steps that teach explicit thoughts alone.
        total: of the steps after these, and its three parts.
        teacher: explicit thoughts, and the answer after them.
        student: the answer after latent thoughts.
        distillation: distance between student and teacher.
    """

    explicit: list[float] = field(default_factory=list[float])
    total: list[float] = field(default_factory=list[float])
    teacher: list[float] = field(default_factory=list[float])
    student: list[float] = field(default_factory=list[float])
    distillation: list[float] = field(default_factory=list[float])


def run_codi(
    directory: Path,
    *,
    parent: Path,
    samples: Sequence[Sample],
    seed: int,
    budget: CodiBudget,
    progress: Progress | None,
) -> CodiLosses:
    """Train and write a checkpoint in the published format; the losses of every step.

    Args:
        directory: to be filled.
        parent: checkpoint of the base model.
        samples: what is learned.
        seed: of the projection and of the order.
        budget: what may be spent.
        progress: called with step, number of steps and loss.
    """
    with reproducible(seed, budget.n_threads):
        found = read_checkpoint(parent, revision=None, dtype="float32", device="cpu")
        model = CodiModule(cast("Olmo3ForCausalLM", found.model))
        tokenizer = cast("Encoder", found.tokenizer)
        examples = [codi_example(sample, tokenizer) for sample in samples]
        run = _Run(model, ProblemBatches(examples, Random(f"codi:{seed}")), budget)
        run.learn_explicit_thoughts(progress)
        (separator,) = tokenizer.encode(SEPARATOR, add_special_tokens=False)
        model.begin_latents(separator, tokenizer.encode(digits, add_special_tokens=False))
        run.learn_latent_thoughts(progress)
        model.save(directory, parent)
    return run.losses


class _Run:
    """The two parts of a training: explicit thoughts alone, then all of CODI's loss."""

    def __init__(self, model: CodiModule, problems: ProblemBatches, budget: CodiBudget) -> None:
        self._model = model
        self._problems = problems
        self._budget = budget
        self.losses = CodiLosses()

    def learn_explicit_thoughts(self, progress: Progress | None) -> None:
        """Teach what published CODI models know from their base model: to calculate."""
        n_steps = self._budget.n_explicit_steps
        losses = self.losses.explicit

        def next_loss() -> torch.Tensor:
            size = self._budget.explicit_problems
            batch = self._problems.draw(size, _shares(len(losses) / n_steps))
            loss = explicit_loss(self._model, batch)
            losses.append(loss.item())
            return loss

        schedule = Schedule(n_steps, 0, scale=_EXPLICIT_RATE)
        descend(self._model, next_loss, schedule, self._counted(progress, 0))

    def learn_latent_thoughts(self, progress: Progress | None) -> None:
        """Teach teacher and student together."""
        losses = self.losses

        def next_loss() -> torch.Tensor:
            batch = self._problems.draw(self._budget.problems, _SHARES)
            loss = codi_loss(self._model, batch, self._budget.n_latents)
            losses.teacher.append(loss.teacher.item())
            losses.student.append(loss.student.item())
            losses.distillation.append(loss.distillation.item())
            return loss.total

        schedule = Schedule(self._budget.n_steps, 0, scale=_LATENT_RATE)
        counted = self._counted(progress, self._budget.n_explicit_steps)
        losses.total = descend(self._model, next_loss, schedule, counted)

    def _counted(self, progress: Progress | None, n_before: int) -> Progress | None:
        """Progress over both parts."""
        if progress is None:
            return None
        n_steps = self._budget.n_explicit_steps + self._budget.n_steps
        return lambda step, _, loss: progress(n_before + step, n_steps, loss)


def _shares(done: float) -> Mapping[int, float]:
    """Shares of problems after a part of the explicit steps."""
    part = min(1.0, done / _CURRICULUM)
    return {n: (1 - part) * _FIRST_SHARES[n] + part * _SHARES[n] for n in _SHARES}
