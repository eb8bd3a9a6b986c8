"""Trains a toy CODI model from its parent's checkpoint to weights on disk.

Whether it has to be trained at all is decided in `codi`; the loss lives in `codi_loss`.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import cast

import torch
from transformers import Olmo3ForCausalLM

from quarry.inference.checkpoint import read_checkpoint
from quarry.samples import Sample
from quarry.toy.codi import CodiBudget
from quarry.toy.codi_loss import codi_loss
from quarry.toy.codi_model import CodiModule
from quarry.toy.codi_problems import Encoder, codi_batches, codi_example
from quarry.toy.training import Progress, Schedule, descend
from quarry.toy.training_run import reproducible

# Of the rates with which the parent was trained.
_RATE = 0.5


@dataclass
class CodiLosses:
    """Losses of every step: their sum, and each part."""

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
        batches = codi_batches(examples, budget.problems_per_batch, Random(f"codi:{seed}"))
        losses = CodiLosses()

        def next_loss() -> torch.Tensor:
            parts = [
                codi_loss(model, next(batches), budget.n_latents)
                for _ in range(budget.batches_per_step)
            ]
            for name in ("teacher", "student", "distillation"):
                values = [getattr(part, name).item() for part in parts]
                getattr(losses, name).append(sum(values) / len(values))
            return torch.stack([part.total for part in parts]).mean()

        schedule = Schedule(budget.n_steps, 0, scale=_RATE)
        losses.total = descend(model, next_loss, schedule, progress)
        model.save(directory, parent)
    return losses
