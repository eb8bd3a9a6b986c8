"""Labelling one cell from its stored outputs; activations are not touched.

Which grader judges what lives in `quarry.grading`; this joins stored rows with their samples.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarry.catalog import Thresholds
from quarry.errors import UnknownNameError
from quarry.findings import Finding
from quarry.grading.grader import label_samples
from quarry.grading.label_checks import balance_facts, check_class_balance, check_graded_share
from quarry.grading.references import check_references
from quarry.label_currency import mark_origin
from quarry.progress import ProgressLog
from quarry.sandbox.limits import Limits

if TYPE_CHECKING:
    import pandas as pd

    from quarry.benchmarks.benchmark_set import BenchmarkSet
    from quarry.samples import Sample
    from quarry.trajectory.reader import TrajectoryReader


def label_trajectories(
    reader: TrajectoryReader,
    benchmark: BenchmarkSet,
    limits: Limits,
    *,
    log: Callable[[str], None],
) -> pd.DataFrame:
    """One verdict for every stored row, in the file's order; the table notes the graded content.

    Raises:
        UnknownNameError: a stored sample is not in the benchmark's drawn samples.
    """
    rows = reader.table()
    by_id = {sample.id: sample for sample in benchmark.samples}
    progress = ProgressLog(log, len(rows), "labels")
    labels = label_samples(
        [_sample(by_id, str(sample_id), reader) for sample_id in rows["sample_id"]],
        [str(text) for text in rows["model_output"]],
        benchmark.format,
        list(rows["finish_reason"]),
        limits,
        lambda done, _total: progress.update(done),
    )
    mark_origin(labels, reader.content_digest)
    return labels


def _sample(by_id: Mapping[str, Sample], sample_id: str, reader: TrajectoryReader) -> Sample:
    """The sample of a stored row."""
    if sample_id not in by_id:
        raise UnknownNameError(
            "A stored sample is not among the drawn samples",
            where=f"{reader.path}, sample {sample_id}",
            expected="the samples that benchmark_samples holds",
            got=sample_id,
            fix="the draw changed after collection: collect this partition again",
        )
    return by_id[sample_id]


@dataclass(frozen=True)
class LabelReport:
    """What the label checks found out about one cell.

    Args:
        findings: every finding.
        facts: plain values for the checks' pages.
        checks_run: names of the checks that came to an end.
    """

    findings: list[Finding]
    facts: dict[str, str | int | float]
    checks_run: tuple[str, ...]


def examine_labels(
    labels: pd.DataFrame, benchmark: BenchmarkSet, thresholds: Thresholds, limits: Limits
) -> LabelReport:
    """Run every label check on a cell: balance, graded share, agreement with gold answers."""
    labelled = set(labels["sample_id"])
    references = [sample for sample in benchmark.samples if sample.id in labelled]
    findings = [
        *check_class_balance(labels, thresholds),
        *check_graded_share(labels, thresholds),
        *check_references(references, benchmark.format, limits),
    ]
    checks_run = ("class_balance", "graded_share", "agrees_with_references")
    return LabelReport(findings, balance_facts(labels, thresholds), checks_run)
