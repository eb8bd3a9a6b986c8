"""The report of a choice as Markdown tables."""

from __future__ import annotations

from quarry.audit.tables import markdown_table, share_text
from quarry.selection.report import SourceReport, StratificationReport, StratumReport

_STRATA = ("Target", "Existing", "New", "Total", "Shortage", "Buffer", "Status")
_SOURCES = ("Source", "Tested", "Eligible", "95% interval", "Failed")


def report_markdown(report: StratificationReport) -> str:
    """Strata against their targets, rates by source, and what a reader should know beside."""
    wanted = ", ".join(f"{column} {value}" for column, value in report.where.items()) or "any"
    strata = [
        *(_stratum_row(stratum) for stratum in report.strata),
        ["**all**", *_counts(report), "**met**" if report.is_met else _lacking(report.shortage)],
    ]
    sources = [_source_row(source) for source in (*report.sources, report.all_sources)]
    parts = [
        markdown_table([report.column, *_STRATA], strata),
        f"Eligible candidates ({wanted}) by source:\n",
        markdown_table(_SOURCES, sources),
        "".join(f"- {note}\n" for note in _notes(report)),
    ]
    return "\n".join(parts)


def _stratum_row(stratum: StratumReport) -> list[str]:
    numbers = (
        stratum.existing,
        stratum.new,
        stratum.total,
        stratum.shortage,
        stratum.buffer,
    )
    is_count = stratum.quota in {"", str(stratum.target)}
    target = f"{stratum.target:,}" if is_count else f"{stratum.target:,} ({stratum.quota})"
    status = "met"
    if stratum.shortage:
        status = _lacking(stratum.shortage)
    elif not stratum.quota:
        status = "no target; existing kept"
    elif stratum.excess:
        status = f"{stratum.excess:,} existing beyond the target kept"
    return [stratum.stratum, target, *(f"{number:,}" for number in numbers), status]


def _counts(report: StratificationReport) -> list[str]:
    targets = sum(stratum.target for stratum in report.strata) + report.unassigned
    existing = sum(stratum.existing for stratum in report.strata)
    buffer = sum(stratum.buffer for stratum in report.strata)
    numbers = (
        targets,
        existing,
        report.n_items - existing,
        report.n_items,
        report.shortage,
        buffer,
    )
    return [f"{number:,}" for number in numbers]


def _lacking(number: int) -> str:
    return f"**{number:,} lacking**"


def _source_row(source: SourceReport) -> list[str]:
    interval = source.interval
    share = "-" if interval is None else share_text(interval)
    bounds = "-" if interval is None else interval.range_text
    return [source.source, f"{source.tested:,}", share, bounds, f"{source.failed:,}"]


def _notes(report: StratificationReport) -> list[str]:
    """How the choice was made, and what was left out."""
    notes = [f"Chosen in the order of the hash of seed {report.seed} and id; existing items first."]
    counted = {
        "could not be tested, which says nothing about them": report.n_failed,
        "have the question of an existing item": report.n_of_existing,
        "repeat the question of another candidate": report.n_repeated,
        f"have no {report.column}": report.n_unclassified,
        f"are in strata without a target ({', '.join(report.outside)})": sum(
            report.outside.values()
        ),
    }
    notes += [f"Candidates that {what}: {n:,}." for what, n in counted.items() if n]
    if report.unassigned:
        notes.append(f"{report.unassigned:,} of the total can't be had from any stratum.")
    beyond = report.n_items - (report.asked_total or report.n_items)
    if beyond > 0:
        notes.append(f"{beyond:,} more than the total, since existing items are kept.")
    if len(report.methods) > 1:
        notes.append(f"**Tested in {len(report.methods)} ways: {'; '.join(report.methods)}.**")
    return notes
