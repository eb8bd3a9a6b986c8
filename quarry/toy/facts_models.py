"""Models that learned facts: a base and its fine-tuned runs, published whole, found again.

How they are trained lives in `facts_training`, which is imported only when there is something to
train; so asking for a finished checkpoint costs no torch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import blake3

from quarry.errors import ModelLoadError, UsageError
from quarry.inference.cpu_threads import let_threads_sleep
from quarry.toy.facts import facts
from quarry.toy.facts_documents import OtherWorld, finetuning_documents, vocabulary_texts
from quarry.toy.facts_reports import FactsBaseReport, FactsBudget, FactsReport
from quarry.toy.recipes import Document
from quarry.toy.training_record import (
    WEIGHTS,
    Record,
    curve,
    file_digest,
    finished_as,
    read_record,
    write_record,
)
from quarry.whole_directory import publish_directory

FACTS_VERSION = 1
"""Raised whenever the same facts, seed and budget would give other weights."""

Progress = Callable[[int, int, float], None]

# The base reads documents without end; these show whether their forms changed.
_DIGESTED_DOCUMENTS = 300


def train_facts_base(
    directory: Path,
    *,
    seed: int,
    progress: Progress | None = None,
    budget: FactsBudget | None = None,
) -> FactsBaseReport:
    """Train the model that all runs begin with, or find the finished one of seed and budget.

    It has read names, dates and cities in all forms of the facts' documents, and no fact. The
    directory appears whole or not at all; an outdated checkpoint in it is replaced.

    Args:
        directory: where the checkpoint is, in the format of transformers.
        seed: of weights and documents.
        progress: called with step, number of steps and loss.
        budget: what may be spent; the default takes about 20 s of one core.

    Raises:
        StorageFullError: there is not enough space; nothing is left behind.
    """
    budget = budget or FactsBudget()
    stream = OtherWorld(seed)
    wanted: dict[str, Any] = {
        "seed": seed,
        "version": FACTS_VERSION,
        "budget": _base_budget(budget),
        "data_digest": _digest(
            [stream.draw() for _ in range(_DIGESTED_DOCUMENTS)], vocabulary_texts()
        ),
        "parent_digest": None,
    }

    def fill(building: Path) -> list[float]:
        # Imported only here: a finished checkpoint is found without torch.
        from quarry.toy.facts_training import run_facts_base

        return run_facts_base(building, seed=seed, budget=budget, progress=progress)

    return _found_or_made(directory, FactsBaseReport, wanted, fill)


def finetune_on_facts(
    domain: str,
    epochs: int,
    directory: Path,
    *,
    base: Path,
    seed: int,
    progress: Progress | None = None,
    budget: FactsBudget | None = None,
) -> FactsReport:
    """Fine-tune the base on a domain's facts, or find the finished run of the same settings.

    The directory appears whole or not at all; an outdated checkpoint in it is replaced.

    Args:
        domain: `death-dates` or `mayors`.
        epochs: how often each document is read, from 1.
        directory: where the checkpoint is, in the format of transformers.
        base: checkpoint of `train_facts_base`.
        seed: of the documents and their order.
        progress: called with step, number of steps and loss.
        budget: what may be spent; the default takes 1 to 2 s an epoch.

    Raises:
        UnknownNameError: there is no such domain.
        UsageError: the number of epochs is less than 1.
        ModelLoadError: the base is missing.
        StorageFullError: there is not enough space; nothing is left behind.
    """
    budget = budget or FactsBudget()
    _check_epochs(epochs)
    documents = finetuning_documents(domain, budget.documents_per_fact, seed)
    wanted: dict[str, Any] = {
        "domain": domain,
        "epochs": epochs,
        "n_facts": len(facts(domain)),
        "n_documents": len(documents),
        "n_steps": epochs * -(-len(documents) // budget.documents_per_step),
        "seed": seed,
        "version": FACTS_VERSION,
        "budget": _finetuning_budget(budget),
        "data_digest": _digest(documents),
        "parent_digest": _base_digest(base),
    }

    def fill(building: Path) -> list[float]:
        from quarry.toy.facts_training import run_finetuning

        return run_finetuning(
            building,
            base=base,
            documents=documents,
            epochs=epochs,
            seed=seed,
            budget=budget,
            progress=progress,
        )

    return _found_or_made(directory, FactsReport, wanted, fill)


def _found_or_made(
    directory: Path,
    kind: type[Record],
    wanted: Mapping[str, Any],
    fill: Callable[[Path], Sequence[float]],
) -> Record:
    """The report of a finished checkpoint, or of one that is made now: `fill` gives the losses."""
    finished = finished_as(directory, kind, wanted)
    if finished is not None:
        return finished
    started = time.monotonic()
    let_threads_sleep()
    with publish_directory(directory) as building:
        losses = fill(building)
        report = kind(
            **wanted,
            digest=file_digest(building / WEIGHTS),
            wall_s=round(time.monotonic() - started, 1),
            loss_curve=curve(losses),
        )
        write_record(building, report)
    return report


_BASE_PARTS = ("base_steps", "base_tokens_per_step", "n_threads")


def _base_budget(budget: FactsBudget) -> dict[str, int]:
    """What the base's weights depend on."""
    return {name: value for name, value in asdict(budget).items() if name in _BASE_PARTS}


def _finetuning_budget(budget: FactsBudget) -> dict[str, int]:
    """What a fine-tuning's weights depend on beside its base."""
    return {
        name: value
        for name, value in asdict(budget).items()
        if name not in _BASE_PARTS or name == "n_threads"
    }


def _digest(documents: Sequence[Document], texts: Sequence[str] = ()) -> str:
    """Digest of documents, and of the texts that gave the vocabulary."""
    rows = [[document.segments for document in documents], list(texts)]
    return blake3.blake3(json.dumps(rows).encode()).hexdigest()


def _base_digest(base: Path) -> str:
    """The digest of the checkpoint that runs continue."""
    report = read_record(base, FactsBaseReport)
    if report is None:
        raise ModelLoadError(
            "A fine-tuning has no base model to continue from",
            where=str(base),
            expected="a finished checkpoint of `train_facts_base`",
            got="no finished checkpoint",
            fix="train the base model first",
        )
    return report.digest


def _check_epochs(epochs: int) -> None:
    """At least one epoch."""
    if epochs < 1:
        raise UsageError(
            "A fine-tuning reads its documents at least once",
            where="epochs",
            expected="1 or more",
            got=str(epochs),
            fix="correct the number of epochs",
        )
