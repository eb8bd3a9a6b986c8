"""`CodiComparison`: what a CODI model answered with its thoughts, and with them ablated.

Whether an answer is right is decided where it is graded; nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from quarry.errors import IntegrityError
from quarry.findings import Finding


@dataclass(frozen=True)
class CodiComparison:
    """Both answers to one problem.

    Args:
        id: the problem.
        baseline: text of the answer after undisturbed thoughts, special tokens removed.
        ablated: text of the answer after ablated ones.
        baseline_ids: its token ids as generated, the end token included.
        ablated_ids: its token ids as generated, the end token included.
        is_baseline_complete: it ended by itself, not at `max_new_tokens`.
        is_ablated_complete: it ended by itself, not at `max_new_tokens`.
    """

    id: str
    baseline: str
    ablated: str
    baseline_ids: tuple[int, ...]
    ablated_ids: tuple[int, ...]
    is_baseline_complete: bool
    is_ablated_complete: bool

    @property
    def n_tokens(self) -> int:
        """Tokens generated, both answers together."""
        return len(self.baseline_ids) + len(self.ablated_ids)


def no_answer(problem_id: str, run: str) -> IntegrityError:
    """The error for an answer that can't be told: a logit is not finite.

    Args:
        problem_id: the problem.
        run: `baseline` or `ablated`.
    """
    finding = Finding(
        check="answers_finite",
        kind="not_finite",
        what=f"A logit of the {run} run is not finite",
        where=f"problem {problem_id}",
        expected="finite logits",
        got="infinity or NaN",
        cure="use float32 or bfloat16, or another layer or kind of ablation",
        sample_id=problem_id,
    )
    return IntegrityError(
        "A problem has no answer", findings=[finding], where=f"problem {problem_id}"
    )
