"""`load_eval_dataset`: a set as consumers use it, proven to be the one that was written."""

# datasets ships partial types
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quarry.errors import IntegrityError, UnknownNameError
from quarry.evaluation_sets.metrics import MetricChoice, Scores
from quarry.evaluation_sets.reading import read_set
from quarry.evaluation_sets.set_checks import check_set

if TYPE_CHECKING:
    from datasets import Dataset

    from quarry.evaluation_sets.description import SetDescription
    from quarry.findings import Finding


@dataclass(frozen=True)
class EvalDataset:
    """An evaluation set.

    Args:
        dataset: its rows, in their order; columns as `quarry.evaluation_sets.schema` has them.
        description: what it says of itself; None for a set of earlier tools.
        findings: what a user should know of it: of a set of earlier tools, which columns differ
            and which pickles were left alone.
    """

    dataset: Dataset
    description: SetDescription | None
    findings: Sequence[Finding] = ()

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.dataset)

    def metric(self, logits: Any, labels: Any, choice: MetricChoice | None = None) -> Scores:
        """The score of each row under the set's metric.

        Args:
            logits: `(n_rows, n_tokens, n_vocabulary)`, of the model; numpy or torch.
            labels: `(n_rows, n_tokens)`, padded with -100.
            choice: another metric than the set's.

        Returns:
            `(n_rows,)` float64.

        Raises:
            UnknownNameError: the set names no metric, or one that is not registered.
            UsageError: the metric takes no such parameters, or the shapes do not fit.
        """
        wanted = choice or (self.description.metric if self.description else None)
        if wanted is None:
            raise UnknownNameError(
                "This set names no metric",
                where="a set of an earlier tool, without eval_set.json",
                expected="a metric by name",
                got="none",
                fix='pass one: metric(logits, labels, MetricChoice("completion_log_likelihood"))',
            )
        return wanted.resolve()(logits, labels)


def load_eval_dataset(path: str | Path) -> EvalDataset:
    """Load a set; nothing that lies beside it is executed.

    Args:
        path: the set's directory or its `eval_dataset/`.

    Raises:
        FileMissingError: there is no set.
        RecordError: it can't be read.
        IntegrityError: its rows are not the ones that were written: other types, ids, order or
            content.
    """
    stored = read_set(Path(path))
    findings = check_set(stored)
    if stored.description is not None and any(one.severity == "error" for one in findings):
        raise IntegrityError(
            "An evaluation set is not as it was written",
            findings=[one for one in findings if one.severity == "error"],
            where=str(stored.directory),
        )
    return EvalDataset(stored.dataset, stored.description, tuple(findings))
