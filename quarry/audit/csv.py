"""The audit as CSV: one row a cell, for spreadsheets and scripts."""

from __future__ import annotations

import csv
import io

from quarry.audit.cell import AuditCell
from quarry.audit.comparisons import Comparison
from quarry.audit.report import Audit
from quarry.costs.estimate import Estimate
from quarry.grading.verdict import Verdict
from quarry.statistics.accuracy import Interval
from quarry.statistics.power import CONVENTIONAL_EFFECTS

COLUMNS = (
    "partition",
    "model",
    "task",
    "n_shot",
    "status",
    "n_correct",
    "n_samples",
    "n_graded",
    "correct_rate",
    "correct_rate_low",
    "correct_rate_high",
    *(f"n_{verdict.value}" for verdict in Verdict if verdict is not Verdict.CORRECT),
    "smallest_effect",
    *(f"power_at_{effect:g}" for effect in CONVENTIONAL_EFFECTS),
    "correct_lacking",
    "incorrect_lacking",
    "collect_gpu_hours",
    "collect_wall_hours",
    "collect_basis",
    "size_bytes",
    "n_findings",
    "first_finding",
    "cure",
    "note",
)


def csv_text(audit: Audit) -> str:
    """All cells as CSV with a header line; what is unknown is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    comparisons = {comparison.key: comparison for comparison in audit.usable.comparisons}
    writer.writerows(
        {**_record(cell, comparisons.get(cell.key)), **_cost(audit.estimates.get(cell.key))}
        for cell in audit.cells
    )
    return text.getvalue()


def _record(cell: AuditCell, comparison: Comparison | None) -> dict[str, object]:
    """One line of the file."""
    first = cell.findings[0] if cell.findings else None
    has_labels = cell.n_correct is not None
    counts = {
        f"n_{verdict.value}": cell.verdicts.get(verdict.value, 0) if has_labels else ""
        for verdict in Verdict
    }
    return {
        **counts,
        **_share(cell.interval),
        **_comparison(comparison),
        "partition": cell.key.partition,
        "model": cell.key.model,
        "task": cell.key.task,
        "n_shot": cell.key.n_shot,
        "status": cell.status.value,
        "n_correct": "" if cell.n_correct is None else cell.n_correct,
        "n_samples": "" if cell.n_samples is None else cell.n_samples,
        "size_bytes": "" if cell.size_bytes is None else cell.size_bytes,
        "n_findings": len(cell.findings),
        "first_finding": f"{first.kind}: {first.got}" if first else "",
        "cure": first.cure if first else "",
        "note": cell.note,
    }


def _share(interval: Interval | None) -> dict[str, object]:
    """The share of correct rows and its interval; no fields where there are no labels."""
    if interval is None:
        return {}
    return {
        "n_graded": interval.n,
        "correct_rate": f"{interval.rate:.4f}",
        "correct_rate_low": f"{interval.low:.4f}",
        "correct_rate_high": f"{interval.high:.4f}",
    }


def _comparison(comparison: Comparison | None) -> dict[str, object]:
    """What the class sizes can show; no fields where there are no labels."""
    if comparison is None:
        return {}
    smallest = comparison.smallest_effect
    return {
        "smallest_effect": "" if smallest is None else f"{smallest:.4f}",
        **{f"power_at_{effect:g}": f"{p:.4f}" for effect, p in comparison.power_at.items()},
        "correct_lacking": comparison.correct_lacking,
        "incorrect_lacking": comparison.incorrect_lacking,
    }


def _cost(estimate: Estimate | None) -> dict[str, object]:
    """What collecting the cell would cost; no fields where it need not be collected."""
    if estimate is None:
        return {}
    wall = estimate.wall_hours
    return {
        "collect_gpu_hours": f"{estimate.gpu_hours.likely:.6g}",
        "collect_wall_hours": "" if wall is None else f"{wall.likely:.6g}",
        "collect_basis": estimate.basis,
    }
