"""The audit as Markdown: one grid per shot setting, the usable lists, their power and the plan.

Columns are padded, so that the same text reads well in a terminal and in the UI.
"""

from __future__ import annotations

from collections.abc import Sequence

from quarry.audit.cell import AuditCell, CellStatus
from quarry.audit.plan_texts import NOTHING_TO_DO, plan_header, plan_rows, plan_total
from quarry.audit.report import Audit
from quarry.audit.usable_texts import (
    COMPARISON_HEADER,
    NO_TRANSFER,
    comparison_legend,
    comparison_rows,
    interval_legend,
    task_set_text,
    too_few_heading,
    too_few_text,
    transfer_set_text,
)
from quarry.statistics.accuracy import Interval


def cell_text(cell: AuditCell) -> str:
    """A cell of the grid: `63/500 (12.6%) OK [10.0-15.8%]`, `**MISSING**`; bold what is not OK."""
    status = cell.status.value if cell.status is CellStatus.OK else f"**{cell.status.value}**"
    if cell.interval is None:
        return status
    return f"{share_text(cell.interval)} {status} [{cell.interval.range_text}]"


def share_text(interval: Interval) -> str:
    """A share for a person: `63/500 (12.6%)`."""
    return f"{interval.n_correct}/{interval.n} ({interval.rate:.1%})"


def grid(audit: Audit, n_shot: int) -> list[list[str]]:
    """Rows of one shot setting: the model, then one cell text per task."""
    cells = {(c.key.model, c.key.task): c for c in audit.cells if c.key.n_shot == n_shot}
    return [
        [model, *(cell_text(cells[model, task]) for task in audit.tasks)] for model in audit.models
    ]


def markdown(audit: Audit) -> str:
    """The whole audit: grids, usable lists and plan."""
    parts = [grid_markdown(audit, n_shot) for n_shot in audit.shots]
    parts.append(f"{interval_legend(audit.thresholds)}\n")
    return "\n".join([*parts, usable_markdown(audit), plan_markdown(audit)])


def grid_markdown(audit: Audit, n_shot: int) -> str:
    """The grid of one shot setting with its heading."""
    header = ["Model", *audit.tasks]
    return f"### {n_shot}-shot\n\n{markdown_table(header, grid(audit, n_shot))}"


def usable_markdown(audit: Audit) -> str:
    """What H1 and H2 analyses can use, and what their class sizes can show."""
    usable, thresholds = audit.usable, audit.thresholds
    h2 = [transfer_set_text(entry) for entry in usable.h2] or [NO_TRANSFER]
    sections = {
        "Usable for H1 (within one task)": [task_set_text(e, audit.shots) for e in usable.h1],
        too_few_heading(thresholds): [too_few_text(comparison) for comparison in usable.too_few],
        "Usable for H2 (across tasks, same model and shots)": h2,
    }
    texts = [
        f"### {title}\n\n" + "".join(f"- {entry}\n" for entry in entries)
        for title, entries in sections.items()
        if entries
    ]
    return "\n".join(filter(None, [*texts, _comparisons_markdown(audit)]))


def _comparisons_markdown(audit: Audit) -> str:
    """What correct against incorrect rows can show, cell by cell."""
    rows = comparison_rows(audit)
    if not rows:
        return ""
    legend = comparison_legend(audit.thresholds)
    return f"### What H1 can show\n\n{legend}\n\n{markdown_table(COMPARISON_HEADER, rows)}"


def plan_markdown(audit: Audit) -> str:
    """The recollection plan, or one sentence when nothing is to be done."""
    title = "### Recollection plan\n\n"
    if not audit.plan:
        return f"{title}{NOTHING_TO_DO}\n"
    rows = [[f"**{priority}**", *rest] for priority, *rest in plan_rows(audit)]
    return f"{title}{markdown_table(plan_header(audit), rows)}\n{plan_total(audit)}\n"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A padded Markdown table, ended by a line break."""
    lines = [[_escaped(text) for text in row] for row in (header, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    texts = [
        "| " + " | ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    return "\n".join([texts[0], rule, *texts[1:], ""])


def _escaped(text: str) -> str:
    """Text that can't end a table cell or line."""
    return " ".join(text.split()).replace("|", "\\|")
