"""`FileSizes`: how many bytes collecting will write, from what earlier collections have written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from quarry.costs.estimate import Missing
from quarry.costs.record import CostRecord
from quarry.costs.span import Span
from quarry.keys import TrajectoryKey

_ALIKE: tuple[Callable[[CostRecord, TrajectoryKey], bool], ...] = (
    lambda record, key: record.key == key,
    lambda record, key: (record.model, record.task) == (key.model, key.task),
    lambda record, key: record.model == key.model,
)
"""What may stand for a cell, the best first; never another model: its states have other shapes."""


class FileSizes:
    """Sizes of the files of a grid's cells.

    Args:
        records: what earlier collections have used.
    """

    def __init__(self, records: Sequence[CostRecord]) -> None:
        self._rows: dict[str, list[CostRecord]] = {}
        for record in records:
            if record.outcome == "staged" and record.written_bytes and _rows_of(record):
                self._rows.setdefault(record.model, []).append(record)

    def of(self, key: TrajectoryKey, missing: Missing) -> Span | None:
        """Bytes that the missing samples of a cell will take; None where nothing is known."""
        records = self._rows.get(key.model, [])
        for is_alike in _ALIKE:
            per_row = [one.written_bytes / _rows_of(one) for one in records if is_alike(one, key)]
            if per_row:
                likely = sum(per_row) / len(per_row)
                return Span(min(per_row), likely, max(per_row)).times(missing.n_samples)
        return None


def _rows_of(record: CostRecord) -> int:
    """Rows of the file that an attempt has left."""
    return record.n_samples + record.n_kept
