"""Check `rows_complete`: every row is a sample that was really collected, once.

Looks at columns only; states are looked at in `verify_values`, lengths in `verify_lengths`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby

import numpy as np

from quarry.findings import Finding
from quarry.trajectory.columns import Columns, SampleColumns
from quarry.trajectory.report import RECOLLECT, ROWS_COMPLETE

_ERROR_MARK = "ERROR:"


def row_findings(columns: Columns, where: str, n_expected: int | None) -> Iterator[Finding]:
    """Phantom rows, error rows, doubled ids, wrong number of rows.

    Args:
        columns: the file's columns.
        where: the file.
        n_expected: rows that the header or the caller names; None where neither does.
    """
    phantoms = [index for index in range(columns.n_samples) if _is_phantom(columns, index)]
    yield from _phantoms(columns, phantoms, where)
    for index in sorted(set(range(columns.n_samples)) - set(phantoms)):
        yield from _errors(columns, index, where)
    n_real = columns.n_samples - len(phantoms)
    if n_expected is not None and n_real != n_expected:
        yield _finding("row_count", "Rows are missing", where, f"{n_expected}", f"{n_real}", None)
    if columns.samples is not None:
        yield from _of_ids(columns.samples, where)


def _is_phantom(columns: Columns, index: int) -> bool:
    """Whether a row holds no sample."""
    return int(columns.sequence_lengths[index]) == 0 or not columns.prompts[index]


def _phantoms(columns: Columns, rows: list[int], where: str) -> Iterator[Finding]:
    """Rows without a sample, those that follow each other as one finding.

    Arrays of 500 rows were used for 164 problems: that is one defect, not 336.
    """
    for _, group in groupby(enumerate(rows), key=lambda pair: pair[1] - pair[0]):
        found = [row for _, row in group]
        first, last = found[0], found[-1]
        is_empty = any(int(columns.sequence_lengths[row]) == 0 for row in found)
        got = "no token rows" if is_empty else "an empty prompt"
        expected = "a prompt and its states"
        if first == last:
            what, place = "A row holds no sample", f"{where}, row {first}"
            yield _finding("phantom_row", what, place, expected, got, columns.id_of(first))
        else:
            what, place = f"{len(found)} rows hold no sample", f"{where}, rows {first}-{last}"
            yield _finding("phantom_row", what, place, expected, got, None)


def _errors(columns: Columns, index: int, where: str) -> Iterator[Finding]:
    """A row that holds an error instead of an output."""
    output = columns.model_outputs[index]
    if output.startswith(_ERROR_MARK):
        what, place = (
            "A failed sample was stored as if it had been collected",
            f"{where}, row {index}",
        )
        sample_id = columns.id_of(index)
        yield _finding("error_row", what, place, "a model's output", f"{output:.80}", sample_id)


def _of_ids(samples: SampleColumns, where: str) -> Iterator[Finding]:
    """Doubled and empty ids, token offsets that do not rise."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for index, sample_id in enumerate(samples.ids):
        rows[sample_id].append(index)
    for sample_id, indices in rows.items():
        if not sample_id:
            what = "A row has no sample id"
            yield _finding("no_id", what, f"{where}, rows {indices}", "an id", "none", None)
        elif len(indices) > 1:
            what = "A sample id is there more than once"
            place = f"{where}, rows {indices}"
            yield _finding("duplicate_id", what, place, "one row", f"{len(indices)}", sample_id)
    steps = np.diff(samples.token_offsets)
    counted = samples.prompt_lengths.astype(np.int64) + samples.output_lengths
    for index in np.flatnonzero(steps != counted):
        yield _finding(
            "token_count",
            "A row has another number of token ids than its lengths say",
            f"{where}, row {index}, samples/token_offsets",
            f"{counted[index]}",
            f"{steps[index]}",
            samples.ids[index],
        )


def _finding(
    kind: str, what: str, where: str, expected: str, got: str, sample_id: str | None
) -> Finding:
    """A finding of this check."""
    return Finding(
        check=ROWS_COMPLETE,
        kind=kind,
        what=what,
        where=where,
        expected=expected,
        got=got,
        cure=RECOLLECT,
        sample_id=sample_id,
    )
