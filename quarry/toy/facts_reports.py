"""What may be spent on models that learn facts, and how one came about.

How a finished one is found is in `facts_models`.
"""

from __future__ import annotations

from dataclasses import dataclass

from quarry.toy.training_record import TrainingRecord


@dataclass(frozen=True)
class FactsBudget:
    """How much is spent.

    Args:
        base_steps: optimiser steps of the base model.
        base_tokens_per_step: tokens in a batch of these, padding included.
        documents_per_fact: documents of an epoch that begin with the same fact.
        documents_per_step: documents in a batch of a fine-tuning.
        n_threads: of the CPU; another number sums in another order and gives other weights.
    """

    base_steps: int = 200
    base_tokens_per_step: int = 1024
    documents_per_fact: int = 30
    documents_per_step: int = 12
    n_threads: int = 1

    @classmethod
    def tiny(cls) -> FactsBudget:
        """Seconds instead of a minute, for tests; the models learn next to nothing."""
        return cls(base_steps=4, base_tokens_per_step=512, documents_per_fact=2)


@dataclass(frozen=True, kw_only=True)
class FactsBaseReport(TrainingRecord):
    """How the base model came about."""

    def facts(self) -> dict[str, str | int | float]:
        """Plain values for the asset page."""
        n_steps = self.budget["base_steps"]
        return {
            "recipe": "facts-base",
            "seed": self.seed,
            "n_steps": n_steps,
            "n_tokens": n_steps * self.budget["base_tokens_per_step"],
            "final_loss": self.loss_curve[-1],
            "wall_s": self.wall_s,
        }


@dataclass(frozen=True, kw_only=True)
class FactsReport(TrainingRecord):
    """How a fine-tuned checkpoint came about.

    Args:
        domain: whose facts were learned.
        epochs: how often each document was read.
        n_facts: number of facts.
        n_documents: documents of an epoch.
        n_steps: optimiser steps.
    """

    domain: str
    epochs: int
    n_facts: int
    n_documents: int
    n_steps: int

    def facts(self) -> dict[str, str | int | float]:
        """Plain values for the asset page."""
        return {
            "domain": self.domain,
            "epochs": self.epochs,
            "n_facts": self.n_facts,
            "n_documents": self.n_documents,
            "seed": self.seed,
            "n_steps": self.n_steps,
            "first_loss": self.loss_curve[0],
            "final_loss": self.loss_curve[-1],
            "wall_s": self.wall_s,
        }
