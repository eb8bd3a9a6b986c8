"""`LatentCot`: necessity of latent thoughts, by ablating those of a CODI model.

How the model thinks and what is ablated lives in `quarry.inference.codi`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from quarry.costs.facts import usage_facts
from quarry.inference.codi.comparison import CodiComparison
from quarry.inference.codi.settings import CodiSettings
from quarry.necessity.method import Answer, Attempt, NecessityMethod
from quarry.necessity.problem import Problem

if TYPE_CHECKING:
    from quarry.inference.codi.model import CodiModel
    from quarry.inference.lease import Lease

LATENT_VERSION: Final = "1"
"""Raised whenever the same model and settings would give other answers."""


_OF_THIS_MACHINE: Final = {"base", "remarks"}
"""Where files lie decides nothing; which weights they are is said by `weights`."""


class LatentCot(NecessityMethod):
    """Runs a CODI model twice, the second time with ablated thoughts; both share the question.

    Args:
        model: the loaded model.
        name: its name in the catalog.
        settings: how it thinks, and what is ablated.
        reference: problems whose states the ablation is made of; none for zeros.
        batch_size: problems that are run together.
        lease: of its device; released when this is closed.
    """

    def __init__(
        self,
        model: CodiModel,
        name: str,
        settings: CodiSettings,
        reference: Sequence[Problem],
        *,
        batch_size: int,
        lease: Lease,
    ) -> None:
        self._model = model
        self._name = name
        self._settings = settings
        self._reference_ids = [one.id for one in reference]
        self._reference = (
            model.reference([(one.id, one.question) for one in reference], settings)
            if settings.ablation.needs_reference
            else None
        )
        self._batch_size = batch_size
        self._lease = lease

    def describe(self) -> dict[str, Any]:
        """What decides an answer."""
        engine = self._model.describe()
        return {
            "method": "codi",
            "version": LATENT_VERSION,
            "model": self._name,
            **{name: value for name, value in engine.items() if name not in _OF_THIS_MACHINE},
            **self._settings.as_dict(),
            "reference": self._reference_ids,
        }

    def attempt(self, problems: Sequence[Problem]) -> list[Attempt | Exception]:
        """Answer problems with thoughts and with ablated ones."""
        outcomes = self._model.compare(
            [(one.id, one.question) for one in problems],
            self._settings,
            self._reference,
            batch_size=self._batch_size,
        )
        return [_attempt(one) if isinstance(one, CodiComparison) else one for one in outcomes]

    def facts(self) -> dict[str, Any]:
        """What the work took, and what was leased."""
        return usage_facts(self._model.usage) | self._lease.facts()

    def close(self) -> None:
        """Free the model's memory, then its device."""
        try:
            self._model.close()
        finally:
            self._lease.release()


def _attempt(outcome: CodiComparison) -> Attempt:
    """Both answers of a comparison."""
    return Attempt(
        Answer(outcome.baseline, "stop" if outcome.is_baseline_complete else "length"),
        Answer(outcome.ablated, "stop" if outcome.is_ablated_complete else "length"),
    )
