"""The recollection plan in words and table rows that the Markdown and the HTML share."""

from __future__ import annotations

from quarry.audit.plan import PlanRow
from quarry.audit.report import Audit

NOTHING_TO_DO = "Nothing to do: every cell is OK."


def plan_header(audit: Audit) -> list[str]:
    """The columns: dollars where the catalog names a price."""
    dollars = ["Dollars"] if audit.plan_cost.dollars else []
    costs = ["GPU hours", *dollars, "Wall hours", "Estimated from", "CPU hours"]
    return ["Priority", "Issue", "Models", "Action", *costs, "Reason"]


def plan_rows(audit: Audit) -> list[list[str]]:
    """One row each, under `plan_header`."""
    return [_row(row, has_dollars=audit.plan_cost.dollars is not None) for row in audit.plan]


def plan_total(audit: Audit) -> str:
    """What all of it costs, in a sentence or two."""
    cost = audit.plan_cost
    if not cost.n_cells:
        return "Nothing has to be collected."
    cells = "1 cell" if cost.n_cells == 1 else f"{cost.n_cells} cells"
    return f"Collecting {cells}: {cost.text}. {audit.cost_remark}".rstrip()


def _row(row: PlanRow, *, has_dollars: bool) -> list[str]:
    """The texts of one line."""
    dollars = row.cost.dollars
    return [
        row.priority,
        row.issue,
        ", ".join(key.model for key in row.keys),
        row.action,
        row.cost.gpu_hours.text,
        *([dollars.text if dollars else "0"] if has_dollars else []),
        row.cost.wall_text,
        row.cost.basis,
        f"{row.cpu_hours:g}",
        row.reason,
    ]
