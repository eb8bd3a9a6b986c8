"""Whether the labels of a cell are those of its present file, present samples and present grader.

What a label says is examined in `quarry.grading.label_checks`; how labels are made is in
`quarry.labelling`.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING

from quarry.findings import Finding
from quarry.grading.grader import LABEL_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from quarry.benchmarks.benchmark_set import BenchmarkSet

LABELS_CURRENT = "labels_current"
MADE_FROM = "trajectories_content_digest"
"""Attribute of a table of labels, kept in its Parquet file: the content that was graded."""

_MOST_NAMED = 5
_LOOKED_AT = {"sample_id", "target", "grader_version"}


def mark_origin(labels: pd.DataFrame, content_digest: str | None) -> None:
    """Note in a table which content it was made from; None, of a file without manifest, is left."""
    if content_digest is not None:
        labels.attrs[MADE_FROM] = content_digest


def check_labels_current(
    labels: pd.DataFrame,
    benchmark: BenchmarkSet,
    *,
    content_digest: str,
    grader_version: str,
) -> list[Finding]:
    """What makes a table of labels out of date.

    Labels of another content or of other samples are wrong, which is an error. Labels of an older
    grader are still verdicts on these outputs, which is a warning.

    Args:
        labels: the table.
        benchmark: the samples that are drawn now.
        content_digest: of the trajectory file that is in the cell's place now.
        grader_version: of the grader as it is now.
    """
    if _LOOKED_AT - set(labels.columns):
        return [*_another_content(labels, content_digest), *_lacking_columns(labels)]
    return [
        *_another_content(labels, content_digest),
        *_other_samples(labels, benchmark),
        *_another_grader(labels, grader_version),
        *_lacking_columns(labels),
    ]


def _another_content(labels: pd.DataFrame, content_digest: str) -> list[Finding]:
    """Labels that were made from what another file held."""
    made_from = labels.attrs.get(MADE_FROM)
    if made_from == content_digest:
        return []
    if made_from is None:
        return [
            _finding(
                "unknown_content",
                "The labels don't say from which content they were made",
                f"attribute {MADE_FROM}",
                content_digest,
                "nothing: made before this was noted",
                severity_is_error=False,
            )
        ]
    return [
        _finding(
            "another_content",
            "The labels were made from another content than the trajectory file has now",
            f"attribute {MADE_FROM}",
            content_digest,
            str(made_from),
        )
    ]


def _other_samples(labels: pd.DataFrame, benchmark: BenchmarkSet) -> list[Finding]:
    """Labels of samples, or of right answers, that are not drawn now."""
    targets = {sample.id: sample.target for sample in benchmark.samples}
    pairs = zip(labels["sample_id"], labels["target"], strict=True)
    others = [str(sample_id) for sample_id, target in pairs if targets.get(sample_id) != target]
    if not others:
        return []
    more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
    return [
        _finding(
            "other_samples",
            "Samples were labelled that are not drawn now, or by another right answer",
            ", ".join(others[:_MOST_NAMED]) + more,
            f"the {len(targets)} samples of benchmark_samples",
            f"{len(others)} of {len(labels)} labels are of others",
        )
    ]


def _another_grader(labels: pd.DataFrame, grader_version: str) -> list[Finding]:
    """Labels of another version of the grader."""
    others = sorted({str(version) for version in labels["grader_version"]} - {grader_version})
    if not others:
        return []
    return [
        _finding(
            "another_grader",
            "The labels were made by another version of the grader",
            "column grader_version",
            grader_version,
            ", ".join(others),
            severity_is_error=False,
        )
    ]


def _lacking_columns(labels: pd.DataFrame) -> list[Finding]:
    """A table from before labels said all that they say now."""
    lacking = [name for name in LABEL_COLUMNS if name not in labels.columns]
    if not lacking:
        return []
    return [
        _finding(
            "lacking_columns",
            "The labels were made before they had all the columns of today",
            "the table's columns",
            f"the columns {', '.join(LABEL_COLUMNS)}",
            f"no {', '.join(lacking)}",
            severity_is_error=False,
        )
    ]


def _finding(
    kind: str, what: str, where: str, expected: str, got: str, *, severity_is_error: bool = True
) -> Finding:
    """A finding; the cure of all of them is the same, and touches no activations."""
    return Finding(
        check=LABELS_CURRENT,
        kind=kind,
        what=what,
        where=where,
        expected=expected,
        got=got,
        cure="run `quarry relabel`, or materialise correctness_labels of this partition again",
        severity="error" if severity_is_error else "warning",
    )
