"""The audit in a bounded number of lines, however large the grid: for a log and for a page.

The whole of it is in `tables`, and in the files that `files` writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from quarry.audit.cell import AuditCell, CellStatus
from quarry.audit.plan_texts import plan_header, plan_rows, plan_total
from quarry.audit.report import Audit
from quarry.audit.tables import cell_text, markdown, markdown_table, plan_markdown

MOST_CELLS = 300
"""The largest grid that is shown cell by cell: beyond, tables have too many columns to be read."""
MOST_ROWS = 100
"""Most rows of any table of an overview."""

_WORST_FIRST = [status for status in reversed(CellStatus) if status is not CellStatus.OK]


def sentence(audit: Audit) -> str:
    """The audit in one line: `24 cells: 20 OK, 4 IMBALANCED`."""
    counted = ", ".join(f"{count} {status}" for status, count in audit.counts.items() if count)
    return f"{len(audit.cells)} cells: {counted}"


def page(audit: Audit) -> str:
    """The audit as Markdown: all of it for a small grid, an overview of a large one."""
    if len(audit.cells) <= MOST_CELLS:
        return markdown(audit)
    return "\n".join(
        [
            f"{sentence(audit)}. Every cell by itself is in the files beside this page.\n",
            _counts(audit, "Benchmark", lambda cell: cell.key.benchmark),
            _counts(audit, "Model", lambda cell: cell.key.model),
            _attention(audit),
            plan_page(audit),
        ]
    )


def plan_page(audit: Audit) -> str:
    """The recollection plan, of its most urgent rows."""
    if len(audit.plan) <= MOST_ROWS:
        return plan_markdown(audit)
    shown = [[f"**{priority}**", *rest] for priority, *rest in plan_rows(audit)[:MOST_ROWS]]
    table = markdown_table(plan_header(audit), shown)
    more = _more(len(audit.plan) - MOST_ROWS)
    return f"### Recollection plan\n\n{table}{more}\n{plan_total(audit)}\n"


def _counts(audit: Audit, title: str, name_of: Callable[[AuditCell], str]) -> str:
    """Cells by status, a row for each name, those with most trouble first."""
    counted: dict[str, Counter[CellStatus]] = {}
    for cell in audit.cells:
        counted.setdefault(name_of(cell), Counter())[cell.status] += 1
    rows = [
        [name, *(str(counts[status] or "") for status in CellStatus)]
        for name, counts in sorted(counted.items(), key=lambda entry: _trouble(entry[1]))
    ]
    header = [title, *(status.value for status in CellStatus)]
    more = _more(len(rows) - MOST_ROWS)
    return f"### By {title.lower()}\n\n{markdown_table(header, rows[:MOST_ROWS])}{more}"


def _trouble(counts: Counter[CellStatus]) -> tuple[int, ...]:
    """Sorts names by their worst cells."""
    return tuple(-counts[status] for status in _WORST_FIRST)


def _attention(audit: Audit) -> str:
    """The cells that are not OK, worst first."""
    odd = [one for status in _WORST_FIRST for one in audit.cells if one.status is status]
    if not odd:
        return ""
    rows = [[cell.key.partition, cell_text(cell), cell.note] for cell in odd[:MOST_ROWS]]
    table = markdown_table(["Cell", "State", "Why"], rows)
    return f"### Cells that need a look\n\n{table}{_more(len(odd) - MOST_ROWS)}"


def _more(n_left: int) -> str:
    """How many rows are left out."""
    return f"\nand {n_left} more.\n" if n_left > 0 else ""
