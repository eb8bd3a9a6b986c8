"""What `quarry grade` tells a person: verdicts, accuracy, agreement and disagreements.

The counts are made in `quarry.grading.completion_summary`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from quarry.audit.tables import markdown_table
from quarry.cli.output import printable
from quarry.grading.completion_summary import Agreement, CompletionSummary, disagreeing
from quarry.grading.verdict import Verdict
from quarry.statistics.accuracy import Interval

_SHOWN_CHARACTERS = 300
_SHOWN_EVIDENCE = (
    "reason", "rule", "form", "phase", "exception", "message", "failing_test", "expected", "got",
    "program_line", "asserts_passed", "asserts_failed", "layer",
)  # fmt: skip
_THEIRS = {True: "correct", False: "not correct", None: "not said"}


def summary_markdown(summary: CompletionSummary) -> str:
    """The whole summary."""
    parts = [_verdicts(summary), *_facts(summary)]
    if summary.reasons:
        rows = [[str(n), reason] for reason, n in summary.reasons.most_common()]
        parts += ["", "Not judged:", "", markdown_table(["Rows", "Why"], rows)]
    for (tool, rule), agreement in summary.agreements.items():
        parts += ["", *_agreement(tool, rule, agreement)]
    return "\n".join(parts) + "\n"


def _verdicts(summary: CompletionSummary) -> str:
    total = summary.n_rows
    rows = [
        [verdict.value, str(n := summary.verdicts[verdict]), f"{n / total:.1%}"]
        for verdict in Verdict
    ]
    return markdown_table(["Verdict", "Rows", "Share"], [*rows, ["total", str(total), ""]])


def _facts(summary: CompletionSummary) -> Iterator[str]:
    """One line each, those that there is something to say for."""
    missing = summary.n_samples - summary.n_attempted
    yield f"- samples: {summary.n_attempted:,} of {summary.n_samples:,}" + (
        f", {missing:,} without a judged row" if missing else ""
    )
    if share := summary.accuracy:
        yield f"- accuracy: {_share(share, summary.has_repeats)}, of rows that were judged"
    if share := summary.official_accuracy:
        yield f"- by the official grader: {_share(share, summary.has_repeats)}"
    for entry in summary.pass_at_ks():
        ends = "" if entry.low is None else f" ({entry.low * 100:.1f}-{entry.high:.1%})"
        yield f"- pass@{entry.k}: {entry.rate:.1%}{ends}"
    if summary.layers:
        layers = ", ".join(f"{layer} {n:,}" for layer, n in summary.layers.most_common())
        yield f"- programs run under: {layers}"


def _share(share: Interval, has_repeats: bool) -> str:
    """The share with its interval, which rows of one sample do not allow."""
    ends = "" if has_repeats else f" ({share.range_text})"
    return f"{share.n_correct:,}/{share.n:,}, {share.rate:.1%}{ends}"


def _agreement(tool: str, rule: str, agreement: Agreement) -> Iterator[str]:
    """A table of their verdict against ours."""
    theirs = [value for value in _THEIRS if any(said is value for said, _ in agreement.counts)]
    rows = [
        [_THEIRS[said], *(str(agreement.counts[said, verdict]) for verdict in Verdict)]
        for said in theirs
    ]
    n_agree, n_compared = agreement.compared
    yield f"{tool} ({rule}) against quarry: {_agreeing(n_agree, n_compared)}"
    n_official, n_official_compared = agreement.officially_compared
    if n_official_compared:
        yield f"- with the official verdict: {_agreeing(n_official, n_official_compared)}"
    yield from (f"- {note}" for note in sorted(agreement.notes))
    yield ""
    yield markdown_table([tool, *(verdict.value for verdict in Verdict)], rows)


def _agreeing(n_agree: int, n_compared: int) -> str:
    if not n_compared:
        return "nothing to compare"
    return f"{n_agree:,} of {n_compared:,} agree ({n_agree / n_compared:.1%})"


def disagreement_text(row: Mapping[str, Any]) -> str:
    """A row that another tool judged otherwise, with the evidence for our verdict."""
    said = "; ".join(_said(entry) for entry in disagreeing(row))
    evidence = row["evidence"]
    lines = [f"{row['sample_id']}: quarry: {row['verdict']}; {said}"]
    lines += [f"  extracted: {_short(row['extracted'])}"] if row["extracted"] else []
    lines += [f"  {name}: {_short(evidence[name])}" for name in _SHOWN_EVIDENCE if name in evidence]
    text = row.get("completion", row.get("solution"))
    return printable("\n".join([*lines, f"  completion: {_short(text)}"])) + "\n\n"


def _said(entry: Mapping[str, Any]) -> str:
    note = f" ({entry['note']})" if "note" in entry else ""
    return f"{entry['tool']} ({entry['rule']}): {entry['said']}{note}"


def _short(value: object) -> str:
    """A value on one line; of a long text the end, where answers stand."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else "…" + text[-_SHOWN_CHARACTERS:]
