"""The audit as one self-contained HTML file: no script, no font, no image, no network.

Only structure and words live here; colours and layout are in `html_style`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from quarry.audit.cell import AuditCell
from quarry.audit.html_style import STYLE
from quarry.audit.plan_texts import NOTHING_TO_DO, plan_header, plan_rows, plan_total
from quarry.audit.report import Audit
from quarry.audit.tables import share_text
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
from quarry.findings import Finding

FINDINGS_SHOWN = 20
"""Findings shown per cell: a file of 500 bad rows would otherwise make a page of megabytes."""


def html_page(audit: Audit) -> str:
    """The whole audit as one HTML document."""
    title = f"Collection audit: {escape(audit.catalog)}"
    sections = [
        _summary(audit),
        *(_grid(audit, n_shot) for n_shot in audit.shots),
        _usable(audit),
        _comparisons(audit),
        _plan(audit),
        _findings(audit.cells),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<main>\n<h1>{title}</h1>\n" + "\n".join(sections) + "\n</main>\n</body>\n</html>\n"
    )


def _summary(audit: Audit) -> str:
    """When, how deeply, and the number of cells by status."""
    badges = " ".join(
        f'<span class="badge {status.lower()}">{count} {status}</span>'
        for status, count in audit.counts.items()
        if count
    )
    return (
        f"<p>{badges}</p>\n"
        f'<p class="quiet">{len(audit.cells)} cells, examined at level {escape(audit.level)} on '
        f"{_whole(audit.created_at)}. {escape(interval_legend(audit.thresholds))}</p>"
    )


def _grid(audit: Audit, n_shot: int) -> str:
    """The grid of one shot setting."""
    cells = {(c.key.model, c.key.task): c for c in audit.cells if c.key.n_shot == n_shot}
    body = [
        f'<tr><th scope="row">{escape(model)}</th>'
        + "".join(_grid_cell(cells[model, task]) for task in audit.tasks)
        + "</tr>"
        for model in audit.models
    ]
    heading = f"{n_shot}-shot"
    return f"<h2>{heading}</h2>\n{_table(heading, ['Model', *audit.tasks], body, style='grid')}"


def _grid_cell(cell: AuditCell) -> str:
    """One coloured cell: the status as a word, the rate, the verdicts."""
    lines = [f"<strong>{cell.status}</strong>"]
    if cell.interval is not None:
        ends = f"[{cell.interval.range_text}]"
        lines.append(f"{_whole(share_text(cell.interval))} {_whole(ends)}")
    if cell.verdicts:
        others = [f"{n} {v.replace('_', ' ')}" for v, n in cell.verdicts.items() if v != "correct"]
        lines.append(f"<small>{escape(', '.join(others))}</small>")
    if cell.note:
        lines.append(f"<small>{escape(cell.note)}</small>")
    if cell.findings:
        anchor = escape(_anchor(cell), quote=True)
        lines.append(f'<a href="#{anchor}">{_counted(len(cell.findings), "finding")}</a>')
    return f'<td class="cell {cell.status.lower()}">{"<br>".join(lines)}</td>'


def _usable(audit: Audit) -> str:
    """The H1 and H2 lists, and the cells that are too small for H1."""
    usable = audit.usable
    h2 = [transfer_set_text(entry) for entry in usable.h2] or [NO_TRANSFER]
    sections = {
        "Usable for H1 (within one task)": [task_set_text(e, audit.shots) for e in usable.h1],
        too_few_heading(audit.thresholds): [too_few_text(one) for one in usable.too_few],
        "Usable for H2 (across tasks, same model and shots)": h2,
    }
    return "\n".join(
        f"<h2>{escape(title)}</h2>\n{_list(entries)}"
        for title, entries in sections.items()
        if entries
    )


def _comparisons(audit: Audit) -> str:
    """What correct against incorrect rows can show, cell by cell."""
    title = "What H1 can show"
    body = [
        "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>"
        for row in comparison_rows(audit)
    ]
    if not body:
        return f"<h2>{title}</h2>\n<p>No cell is labelled.</p>"
    legend = f'<p class="quiet">{escape(comparison_legend(audit.thresholds))}</p>'
    return f"<h2>{title}</h2>\n{legend}\n{_table(title, COMPARISON_HEADER, body, style='dense')}"


def _plan(audit: Audit) -> str:
    """The recollection plan."""
    title = "Recollection plan"
    if not audit.plan:
        return f"<h2>{title}</h2>\n<p>{NOTHING_TO_DO}</p>"
    body = [
        f'<tr><th scope="row"><span class="badge {row.status.lower()}">{priority}</span></th>'
        + "".join(f"<td>{escape(text)}</td>" for text in texts)
        + f'<td class="reason">{escape(reason)}</td></tr>'
        for row, (priority, *texts, reason) in zip(audit.plan, plan_rows(audit), strict=True)
    ]
    total = f"<p>{escape(plan_total(audit))}</p>"
    return f"<h2>{title}</h2>\n{_table(title, plan_header(audit), body)}\n{total}"


def _findings(cells: Sequence[AuditCell]) -> str:
    """Every finding with its cure, grouped by cell."""
    concerned = [cell for cell in cells if cell.findings]
    if not concerned:
        return "<h2>Findings</h2>\n<p>None.</p>"
    return "<h2>Findings</h2>\n" + "\n".join(_findings_of(cell) for cell in concerned)


def _findings_of(cell: AuditCell) -> str:
    """The findings of one cell."""
    shown = cell.findings[:FINDINGS_SHOWN]
    more = len(cell.findings) - len(shown)
    tail = f"<p class='quiet'>and {_counted(more, 'more finding')}</p>" if more else ""
    return (
        f'<section id="{escape(_anchor(cell), quote=True)}">\n'
        f'<h3><span class="badge {cell.status.lower()}">{cell.status}</span> '
        f"{cell.key.n_shot}-shot {escape(cell.key.model)}, {escape(cell.key.task)}</h3>\n"
        f'<p class="quiet">{escape(str(cell.key.trajectory_path))}</p>\n'
        + "\n".join(map(_finding, shown))
        + f"{tail}\n</section>"
    )


def _finding(finding: Finding) -> str:
    """One finding: the defect, where it is, what to do."""
    parts = {
        "where": finding.where,
        "expected": finding.expected,
        "got": finding.got,
        "what to do": finding.cure,
    }
    terms = "".join(f"<dt>{term}</dt><dd>{escape(text)}</dd>" for term, text in parts.items())
    head = f"{escape(finding.what)} <code>{escape(finding.check)}</code> {finding.severity}"
    return f'<div class="finding"><p><strong>{head}</strong></p><dl>{terms}</dl></div>'


def _table(label: str, header: Iterable[str], body: Sequence[str], *, style: str = "") -> str:
    """A table in a frame that scrolls sideways on a narrow screen."""
    heads = "".join(f'<th scope="col">{escape(text)}</th>' for text in header)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label, quote=True)}">'
        f'<table class="{style}">\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n" + "\n".join(body) + "\n</tbody></table></div>"
    )


def _list(entries: Iterable[str]) -> str:
    """A bullet list."""
    return "<ul>" + "".join(f"<li>{escape(entry)}</li>" for entry in entries) + "</ul>"


def _whole(text: str) -> str:
    """Text that is not broken over lines."""
    return f'<span class="whole">{escape(text)}</span>'


def _anchor(cell: AuditCell) -> str:
    """The id of a cell's findings."""
    return f"{cell.key.benchmark}.{cell.key.model}"


def _counted(count: int, noun: str) -> str:
    """`1 finding`, `2 findings`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
