"""One necessity result for each problem, where several were found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from quarry.errors import RecordError
from quarry.necessity.table import FAILED

_SHOWN_CHARACTERS = 200


def one_result_each(rows: Iterable[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """The rows without repetitions; a test takes the place of an attempt that failed.

    Args:
        rows: where each stands, and its fields, `gsm8k_id` and `status` among them.

    Returns:
        One row an id, in the order in which the ids come first.

    Raises:
        RecordError: two tests of one problem differ in a field.
    """
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for where, row in rows:
        earlier_where, earlier = found.setdefault(row["gsm8k_id"], (where, row))
        if earlier is row or row["status"] == FAILED:
            continue
        if earlier["status"] == FAILED:
            found[row["gsm8k_id"]] = (where, row)
            continue
        for name in {**earlier, **row}:
            if earlier.get(name) != row.get(name):
                raise RecordError(
                    "Two necessity results of one problem contradict each other",
                    where=f"{row['gsm8k_id']}: {earlier_where}, and {where}",
                    expected=f"the same {name}, {earlier.get(name)!r}"[:_SHOWN_CHARACTERS],
                    got=repr(row.get(name))[:_SHOWN_CHARACTERS],
                    fix="give the results of one model and method only, each problem once",
                )
    return [row for _, row in found.values()]
