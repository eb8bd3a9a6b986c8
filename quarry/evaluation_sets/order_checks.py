"""Whether a set has the rows that the graded table gives, in its order."""

from __future__ import annotations

from collections.abc import Sequence

from quarry.findings import Finding

_AGAIN = "make the set again: materialise sampled_eval_dataset of the checkpoint"


def check_order(ids: Sequence[str], expected: Sequence[str]) -> list[Finding]:
    """Whether the ids of a set are the expected ones, in order.

    Args:
        ids: of the set's rows.
        expected: of the equivalent rows of the graded table.
    """
    if list(ids) == list(expected):
        return []
    lacking = [name for name in expected if name not in set(ids)]
    surplus = [name for name in ids if name not in set(expected)]
    if lacking:
        found = (
            "missing_rows",
            "Equivalent completions are not in the set",
            lacking[0],
            len(lacking),
        )
    elif surplus:
        found = "other_rows", "The set has rows that are not equivalent", surplus[0], len(surplus)
    else:
        places = [n for n, pair in enumerate(zip(ids, expected, strict=False)) if len({*pair}) > 1]
        first = places[0] if places else min(len(ids), len(expected))
        where = ids[first] if first < len(ids) else "the end"
        found = "other_order", f"Rows are in another order, from row {first} on", where, len(places)
    kind, what, where, n = found
    return [
        Finding(
            check="order_stable",
            kind=kind,
            what=what,
            where=where,
            expected=f"{len(expected):,} rows in the order of the graded table",
            got=f"{len(ids):,} rows, {n:,} of them concerned",
            cure=_AGAIN,
            sample_id=where,
        )
    ]
