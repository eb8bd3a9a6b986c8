"""Findings of rows of a dataset, the first of many and a count of the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from quarry.findings import Finding, Severity

Row = Mapping[str, Any]

MOST_LISTED: Final = 20
_MOST_CHARACTERS = 200


def row_id(row: Row) -> str:
    """The row's id, or a note that it has none."""
    return str(row.get("gsm8k_id") or "a row without id")


def of_row(
    check: str,
    kind: str,
    row: Row,
    what: str,
    *,
    expected: object,
    got: object,
    cure: str,
    severity: Severity = "error",
) -> Finding:
    """A finding of one row; long values are cut."""
    return Finding(
        check=check,
        kind=kind,
        what=what,
        where=row_id(row),
        expected=_shown(expected),
        got=_shown(got),
        cure=cure,
        severity=severity,
        sample_id=row_id(row),
    )


def first_of(findings: Iterable[Finding]) -> list[Finding]:
    """The first findings, and one that counts the rest, as severe as the worst of them."""
    left = iter(findings)
    listed = list(islice(left, MOST_LISTED))
    rest = list(left)
    if rest:
        is_error = any(finding.severity == "error" for finding in rest)
        listed.append(
            Finding(
                check=rest[0].check,
                kind="more",
                what=f"{len(rest):,} more findings of this check are not listed",
                where=f"{rest[0].where} to {rest[-1].where}",
                expected="none",
                got=f"{len(listed) + len(rest):,} in all",
                cure="see to the listed ones first; most often all have one cause",
                severity="error" if is_error else "warning",
            )
        )
    return listed


def same(some: Any, other: Any) -> bool:
    """Whether two values are equal; 18 and 18.0 are, True and 1 are not."""
    return some == other and isinstance(some, bool) == isinstance(other, bool)


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
