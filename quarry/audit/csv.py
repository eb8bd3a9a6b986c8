"""The audit as CSV: one row a cell, for spreadsheets and scripts."""

from __future__ import annotations

import csv
import io

from quarry.audit.cell import AuditCell
from quarry.audit.report import Audit
from quarry.grading.verdict import Verdict

COLUMNS = (
    "partition",
    "model",
    "task",
    "n_shot",
    "status",
    "n_correct",
    "n_samples",
    "correct_rate",
    *(f"n_{verdict.value}" for verdict in Verdict if verdict is not Verdict.CORRECT),
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
    writer.writerows(_record(cell) for cell in audit.cells)
    return text.getvalue()


def _record(cell: AuditCell) -> dict[str, object]:
    """One line of the file."""
    first = cell.findings[0] if cell.findings else None
    has_labels = cell.n_correct is not None
    counts = {
        f"n_{verdict.value}": cell.verdicts.get(verdict.value, 0) if has_labels else ""
        for verdict in Verdict
    }
    return {
        **counts,
        "partition": cell.key.partition,
        "model": cell.key.model,
        "task": cell.key.task,
        "n_shot": cell.key.n_shot,
        "status": cell.status.value,
        "n_correct": "" if cell.n_correct is None else cell.n_correct,
        "n_samples": "" if cell.n_samples is None else cell.n_samples,
        "correct_rate": "" if cell.correct_rate is None else f"{cell.correct_rate:.4f}",
        "size_bytes": "" if cell.size_bytes is None else cell.size_bytes,
        "n_findings": len(cell.findings),
        "first_finding": f"{first.kind}: {first.got}" if first else "",
        "cure": first.cure if first else "",
        "note": cell.note,
    }
