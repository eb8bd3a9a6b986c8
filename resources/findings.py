"""How findings are shown in the Dagster UI: as text that wraps, worst first, with the cure."""

from collections.abc import Sequence

import dagster as dg

from quarry.findings import Finding

MOST_SHOWN = 20


def findings_markdown(findings: Sequence[Finding]) -> dg.MarkdownMetadataValue:
    """The first `MOST_SHOWN` findings as Markdown, each with what to do about it."""
    shown = [_entry(finding) for finding in findings[:MOST_SHOWN]]
    if len(findings) > MOST_SHOWN:
        shown.append(f"… and {len(findings) - MOST_SHOWN} more")
    return dg.MetadataValue.md("\n\n".join(shown))


def _entry(finding: Finding) -> str:
    """One finding."""
    return (
        f"**{finding.what}** ({finding.kind}, {finding.severity})\n\n"
        f"- where: {_code(finding.where)}\n"
        f"- expected: {_code(finding.expected)}\n"
        f"- got: {_code(finding.got)}\n"
        f"- what to do: {finding.cure}"
    )


def _code(text: str) -> str:
    """A text on one line that Markdown must not interpret."""
    return f"`{' '.join(text.split()).replace('`', chr(39))}`" if text.strip() else "nothing"
