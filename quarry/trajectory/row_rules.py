"""What a row must be before the writer stores it: shapes, types, lengths, and states that are some.

Rules about many rows (doubled ids, number of rows) are the writer's; rules about states are
`verify_values`'s, applied here before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from quarry.errors import IntegrityError, TrajectoryFormatError
from quarry.trajectory.layout import (
    STATE_DTYPE,
    TrajectoryHeader,
    TrajectoryRow,
    states_of_scope,
)
from quarry.trajectory.scan import SampleScan
from quarry.trajectory.verify_values import sample_findings, tokens_in_scope


def checked_scan(row: TrajectoryRow, header: TrajectoryHeader, where: str) -> SampleScan:
    """Refuse a row that does not fit the header or itself; return the scan of its states.

    Raises:
        TrajectoryFormatError: shape, dtype, lengths or id are wrong.
        IntegrityError: the states are not finite, zero, or repeat though the tokens don't.
    """
    for expected, is_fulfilled, got in _facts(row, header):
        if not is_fulfilled:
            raise TrajectoryFormatError(
                "A row can't be stored",
                where=f"{where}, sample {row.sample_id!r}",
                expected=expected,
                got=got,
                fix="correct the collector; nothing of this row was stored",
            )
    scan = SampleScan()
    scan.add(row.hidden_states)
    tokens = tokens_in_scope(row.token_ids, row.prompt_length, header.scope)
    found = sample_findings(scan, where, row.sample_id, tokens)
    if found:
        raise IntegrityError("A row can't be stored", where=found[0].where, findings=found)
    return scan


def _facts(row: TrajectoryRow, header: TrajectoryHeader) -> Iterator[tuple[str, bool, str]]:
    """Each rule as (expected, is fulfilled, got); each may rely on those before it."""
    states, tokens = row.hidden_states, row.token_ids
    shape = (header.n_layers, header.d_model)
    n_tokens = row.prompt_length + row.output_length
    n_states = states_of_scope(header.scope, row.prompt_length, row.output_length)
    yield "a sample id", bool(row.sample_id), "an empty id"
    yield "a prompt", bool(row.prompt), "an empty prompt"
    yield "float16 states", states.dtype == STATE_DTYPE, f"{states.dtype}"
    fits = states.ndim == 3 and states.shape[1:] == shape
    yield f"states of shape (n_tokens, {shape[0]}, {shape[1]})", fits, f"{states.shape}"
    lengths = (row.prompt_length, row.output_length)
    yield "lengths from 0", min(lengths) >= 0, f"{lengths}"
    yield f"1 to {header.max_seq_len} rows", 1 <= n_states <= header.max_seq_len, f"{n_states}"
    is_scope = len(states) == n_states
    yield f"{n_states} token rows (scope {header.scope})", is_scope, f"{len(states)}"
    yield f"{n_tokens} token ids", tokens.shape == (n_tokens,), f"{tokens.shape}"
    yield "int32 token ids", np.issubdtype(tokens.dtype, np.integer), f"{tokens.dtype}"
