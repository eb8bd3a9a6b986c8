"""Trains the facts' base model and fine-tunes it, to weights on disk.

Whether it has to be trained at all is decided in `facts_models`.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false
from __future__ import annotations

from pathlib import Path
from random import Random
from typing import cast

import torch
from transformers import Olmo3ForCausalLM, PreTrainedTokenizerFast

from quarry.inference.checkpoint import read_checkpoint
from quarry.toy.facts_documents import OtherWorld, vocabulary_texts
from quarry.toy.facts_reports import FactsBudget
from quarry.toy.markup import END_OF_TEXT
from quarry.toy.recipes import Document
from quarry.toy.tokenizer import build_tokenizer
from quarry.toy.training import (
    Batch,
    Progress,
    Schedule,
    batch_loss,
    descend,
    encode_document,
    padded,
    train,
)
from quarry.toy.training_run import CONTEXT_LENGTH, architecture, reproducible, save

_FINETUNING_RATE = 0.35
"""Of the rates with which the base is trained."""


def run_facts_base(
    directory: Path, *, seed: int, budget: FactsBudget, progress: Progress | None
) -> list[float]:
    """Train the base model and save it; the loss of every step."""
    with reproducible(seed, budget.n_threads):
        tokenizer = facts_tokenizer()
        model = Olmo3ForCausalLM(architecture(len(tokenizer), bos_token_id=0))
        schedule = Schedule(budget.base_steps, budget.base_tokens_per_step)
        losses = train(model, tokenizer, OtherWorld(seed), schedule, progress)
    save(model, tokenizer, directory)
    return losses


def facts_tokenizer() -> PreTrainedTokenizerFast:
    """Words as tokens and numbers in groups of three digits, so that a date is seven tokens."""
    return build_tokenizer(vocabulary_texts(), CONTEXT_LENGTH, most_digits=3, bos_token=END_OF_TEXT)


def run_finetuning(
    directory: Path,
    *,
    base: Path,
    documents: list[Document],
    epochs: int,
    seed: int,
    budget: FactsBudget,
    progress: Progress | None,
) -> list[float]:
    """Continue the base on each document once an epoch and save it; the loss of every step."""
    with reproducible(seed, budget.n_threads):
        found = read_checkpoint(base, revision=None, dtype="float32", device="cpu")
        tokenizer = cast("PreTrainedTokenizerFast", found.tokenizer)
        model = cast("Olmo3ForCausalLM", found.model)
        batches = _epochs(documents, tokenizer, epochs, budget.documents_per_step, seed)
        schedule = Schedule(len(batches), 0, scale=_FINETUNING_RATE)
        remaining = iter(batches)

        def next_loss() -> torch.Tensor:
            return batch_loss(model, next(remaining))

        losses = descend(model, next_loss, schedule, progress)
    save(model, tokenizer, directory)
    return losses


def _epochs(
    documents: list[Document],
    tokenizer: PreTrainedTokenizerFast,
    epochs: int,
    documents_per_step: int,
    seed: int,
) -> list[Batch]:
    """Batches of all epochs, each epoch in an order of its own.

    Long and short documents are mixed: sorted by length, a batch would hold one kind of text after
    the answers, and the last batches would decide what a model goes on with.
    """
    order = Random(f"facts:{seed}")
    encoded = [encode_document(document, tokenizer) for document in documents]
    batches: list[Batch] = []
    for _ in range(epochs):
        order.shuffle(encoded)
        batches += [
            padded(encoded[start : start + documents_per_step])
            for start in range(0, len(encoded), documents_per_step)
        ]
    return batches
