"""The audit as Markdown: one grid per shot setting, the usable lists and the plan.

Columns are padded, so that the same text reads well in a terminal and in the UI.
"""

from __future__ import annotations

from collections.abc import Sequence

from quarry.audit.cell import AuditCell, CellStatus
from quarry.audit.report import Audit
from quarry.audit.usable import TaskSet, TransferSet


def cell_text(cell: AuditCell) -> str:
    """A cell of the grid: `63/500 (12.6%) OK`, `MISSING`; without emphasis."""
    if cell.correct_rate is None:
        return cell.status.value
    share = f"{cell.n_correct}/{cell.n_samples} ({cell.correct_rate:.1%})"
    return f"{share} {cell.status.value}"


def grid(audit: Audit, n_shot: int) -> list[list[str]]:
    """Rows of one shot setting: the model, then one cell text per task."""
    cells = {(c.key.model, c.key.task): c for c in audit.cells if c.key.n_shot == n_shot}
    return [
        [model, *(cell_text(cells[model, task]) for task in audit.tasks)] for model in audit.models
    ]


def markdown(audit: Audit) -> str:
    """The whole audit: grids, usable lists and plan."""
    parts = [grid_markdown(audit, n_shot) for n_shot in audit.shots]
    return "\n".join([*parts, usable_markdown(audit), plan_markdown(audit)])


def grid_markdown(audit: Audit, n_shot: int) -> str:
    """The grid of one shot setting with its heading; what is not OK is bold."""
    header = ["Model", *audit.tasks]
    rows = [[row[0], *map(_emphasised, row[1:])] for row in grid(audit, n_shot)]
    return f"### {n_shot}-shot\n\n{markdown_table(header, rows)}"


def usable_markdown(audit: Audit) -> str:
    """What H1 and H2 analyses can use."""
    h1 = [f"- {task_set_text(entry, audit.shots)}" for entry in audit.usable.h1]
    h2 = [f"- {transfer_set_text(entry)}" for entry in audit.usable.h2]
    lines = [
        "### Usable for H1 (within one task)",
        "",
        *h1,
        "",
        "### Usable for H2 (across tasks, same model and shots)",
        "",
        *(h2 or ["- none: no model has two OK tasks at one shot setting"]),
        "",
    ]
    return "\n".join(lines)


def plan_markdown(audit: Audit) -> str:
    """The recollection plan, or one sentence when nothing is to be done."""
    title = "### Recollection plan\n\n"
    if not audit.plan:
        return f"{title}Nothing to do: every cell is OK.\n"
    header = ["Priority", "Issue", "Models", "Action", "GPU hours", "CPU hours", "Reason"]
    rows = [
        [
            f"**{row.priority}**",
            row.issue,
            ", ".join(key.model for key in row.keys),
            row.action,
            f"{row.gpu_hours:g}",
            f"{row.cpu_hours:g}",
            row.reason,
        ]
        for row in audit.plan
    ]
    return title + markdown_table(header, rows)


def task_set_text(entry: TaskSet, shots: Sequence[int]) -> str:
    """One task of H1: `gsm8k: 8 files (0-shot: a, b; 8-shot: a, b)`."""
    by_shots = [
        (n_shot, [key.model for key in entry.keys if key.n_shot == n_shot]) for n_shot in shots
    ]
    where = "; ".join(f"{n}-shot: {', '.join(models)}" for n, models in by_shots if models)
    noun = "file" if len(entry.keys) == 1 else "files"
    return f"{entry.task}: {len(entry.keys)} {noun}" + (f" ({where})" if where else "")


def transfer_set_text(entry: TransferSet) -> str:
    """One set of H2: `0-shot olmo3_base: gsm8k, logiqa (lacks humaneval)`."""
    tail = "all tasks" if entry.is_complete else f"lacks {', '.join(entry.lacking)}"
    return f"{entry.n_shot}-shot {entry.model}: {', '.join(entry.tasks)} ({tail})"


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


def _emphasised(text: str) -> str:
    """The text with its status in bold, unless that is OK."""
    head, space, status = text.rpartition(" ")
    return text if status == CellStatus.OK else f"{head}{space}**{status}**"


def _escaped(text: str) -> str:
    """Text that can't end a table cell or line."""
    return " ".join(text.split()).replace("|", "\\|")
