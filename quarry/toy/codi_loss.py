"""The three parts of CODI's loss: teacher, student, and what the student takes over.

Source: Shen et al., "CODI: Compressing Chain-of-Thought into Continuous Space via
Self-Distillation", arXiv 2502.21074.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.modeling_outputs import BaseModelOutputWithPast

from quarry.toy.codi_model import CodiModule
from quarry.toy.codi_problems import CodiExample


@dataclass(frozen=True)
class CodiLoss:
    """The parts of the loss of one batch, each a scalar.

    Args:
        teacher: cross entropy of explicit thoughts and the answer after them.
        student: cross entropy of the answer after latent thoughts.
        distillation: distance of the hidden states from which the answer's number begins.
    """

    teacher: torch.Tensor
    student: torch.Tensor
    distillation: torch.Tensor

    @property
    def total(self) -> torch.Tensor:
        """What is minimised: all three with the same weight, as in the paper."""
        return self.teacher + self.student + self.distillation


def explicit_loss(model: CodiModule, batch: Sequence[CodiExample]) -> torch.Tensor:
    """The teacher's part alone: no latents are made, which takes a third of the time."""
    explicit = _explicit(model, batch)
    outputs = model.run(DynamicCache(), token_ids=explicit)
    return _cross_entropy(model, outputs, explicit, len(batch[0].question))


def codi_loss(model: CodiModule, batch: Sequence[CodiExample], n_latents: int) -> CodiLoss:
    """The loss of problems whose questions have the same length.

    Teacher and student read the same question, which is therefore run once for both.
    """
    n_question = len(batch[0].question)
    explicit = _explicit(model, batch)
    teacher = model.run(DynamicCache(), token_ids=explicit)
    cache = _question_cache(teacher, n_question)
    model.think(cache, len(batch), n_latents)
    answers = _padded([(model.eot_id, *e.answer) for e in batch], model.pad_id)
    student = model.run(cache, token_ids=answers)
    # The last token before the number is where both have to know it.
    places = torch.tensor([n_question + len(e.thoughts) + e.n_lead - 1 for e in batch])
    return CodiLoss(
        teacher=_cross_entropy(model, teacher, explicit, n_question),
        student=_cross_entropy(model, student, answers, 1),
        distillation=_distance(student, batch[0].n_lead, teacher, places),
    )


def _explicit(model: CodiModule, batch: Sequence[CodiExample]) -> torch.Tensor:
    """What the teacher reads: question, thoughts, answer."""
    return _padded([e.question + e.thoughts + e.answer for e in batch], model.pad_id)


def _padded(rows: Sequence[tuple[int, ...]], pad_id: int) -> torch.Tensor:
    """Token ids `(n_problems, longest)`, padded behind, where nothing looks at the padding."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[pad_id] * (longest - len(row))] for row in rows])


def _question_cache(outputs: BaseModelOutputWithPast, n_question: int) -> DynamicCache:
    """A cache of the question alone; gradients flow through it."""
    whole, cache = outputs.past_key_values, DynamicCache()
    assert isinstance(whole, DynamicCache)
    for number, layer in enumerate(whole.layers):
        assert isinstance(layer, DynamicLayer)
        assert layer.keys is not None
        assert layer.values is not None
        keys, values = layer.keys[:, :, :n_question], layer.values[:, :, :n_question]
        cache.update(keys, values, number)
    return cache


def _cross_entropy(
    model: CodiModule, outputs: BaseModelOutputWithPast, token_ids: torch.Tensor, start: int
) -> torch.Tensor:
    """Mean over the tokens from `start` on, of what was put out one token before each."""
    assert outputs.last_hidden_state is not None
    targets = token_ids[:, start:]
    is_taught = targets != model.pad_id
    hidden = outputs.last_hidden_state[:, start - 1 : -1][is_taught]
    return functional.cross_entropy(model.codi.lm_head(hidden), targets[is_taught])


def _distance(
    student: BaseModelOutputWithPast,
    student_place: int,
    teacher: BaseModelOutputWithPast,
    teacher_places: torch.Tensor,
) -> torch.Tensor:
    """Smooth L1 in units of the teacher's standard deviation, mean over the layers.

    The teacher is not drawn towards the student: its states are constants here.
    """
    assert student.hidden_states is not None
    assert teacher.hidden_states is not None
    rows = torch.arange(len(teacher_places))
    parts: list[torch.Tensor] = []
    for own, wanted in zip(student.hidden_states, teacher.hidden_states, strict=True):
        goal = wanted[rows, teacher_places].detach()
        parts.append(functional.smooth_l1_loss(own[:, student_place], goal) / goal.std())
    return torch.stack(parts).mean()
