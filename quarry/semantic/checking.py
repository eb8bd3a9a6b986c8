"""`check_states`: run some rows of a published file through its model again, and compare.

Nothing is generated: the stored tokens are fed as they are. What counts as different is in
`tolerance` and `screening`, what it can mean in `diagnosis`, the words in `wording`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from quarry.errors import IntegrityError, QuarryError, UsageError
from quarry.findings import Finding
from quarry.inference.engine import InferenceEngine
from quarry.semantic.diagnosis import diagnose
from quarry.semantic.explanation import UNEXPLAINED, Explanation
from quarry.semantic.local_causes import BadStates
from quarry.semantic.other_places import other_sample, other_samples
from quarry.semantic.reference import Reference
from quarry.semantic.row_choice import choose_rows
from quarry.semantic.screening import Screening, screen
from quarry.semantic.stored_row import StoredRow
from quarry.semantic.tolerance import Tolerance, tolerance_of
from quarry.semantic.wording import not_compared, wrong_states
from quarry.trajectory.reader import TrajectoryReader
from quarry.trajectory.verification import verify

DEFAULT_ROWS = 2


@dataclass(frozen=True)
class SemanticReport:
    """What the comparison of one file gave.

    Args:
        path: the file.
        findings: every disagreement; a warning says that something could not be told.
        facts: figures of the comparison, plain JSON values.
        compared: ids of the samples that were compared.
        content_digest: of the file that was read; None for one that was never published.
    """

    path: Path
    findings: tuple[Finding, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    compared: tuple[str, ...] = ()
    content_digest: str | None = None

    @property
    def is_confirmed(self) -> bool:
        """Whether the rows that were compared are the model's states."""
        return not self.findings


def check_states(
    path: Path, engine: InferenceEngine, *, n_rows: int = DEFAULT_ROWS, seed: int = 0
) -> SemanticReport:
    """Compare stored hidden states with those that the model gives now.

    Args:
        path: a published trajectory file.
        engine: the file's model; another engine than the one that made the file is the better
            witness.
        n_rows: rows to compare, see `choose_rows`; 0 for all.
        seed: which rows.

    Raises:
        IntegrityError: the file is damaged; `quarry verify` says how.
        TrajectoryFormatError: it is of an older pipeline, which kept no token ids.
        UnknownNameError: the model does not know a token of the file.
        EngineMemoryError: a row does not fit the device.
    """
    started = time.perf_counter()
    verify(path, level="structure").raise_if_broken()
    with TrajectoryReader(path) as reader:
        if reason := _misfit(reader, engine):
            return SemanticReport(path, (reason,), {"rows": 0})
        comparison, digest = _Comparison(reader, engine), reader.content_digest
        lengths = reader.sequence_lengths
        for index in choose_rows(reader.sample_ids, lengths, n_rows, seed):
            comparison.add(StoredRow.read(reader, index))
    seconds = round(time.perf_counter() - started, 2)
    facts = {**comparison.facts(), "seed": seed, "seconds": seconds}
    found = tuple(comparison.findings())
    return SemanticReport(path, found, facts, tuple(comparison.names), digest)


def examine_states(
    path: Path,
    open_engine: Callable[[], InferenceEngine],
    *,
    n_rows: int = DEFAULT_ROWS,
    seed: int = 0,
) -> SemanticReport:
    """`check_states`, where what keeps it from being told becomes a warning.

    Args:
        path: a published trajectory file.
        open_engine: loads the file's model, or hands out one that is loaded.
        n_rows: rows to compare; 0 for all.
        seed: which rows.

    Raises:
        UsageError: the engine was asked for in a wrong way.
    """
    try:
        return check_states(path, open_engine(), n_rows=n_rows, seed=seed)
    except UsageError:
        raise
    except QuarryError as error:
        reason = not_compared(
            "not_examined",
            f"The comparison was not possible: {error.what}",
            error.where or str(path),
            expected=error.expected or "a sound file and its model",
            got=error.got or "none",
            cure=error.fix or "see what is wrong with the file or with its model",
        )
        return SemanticReport(path, (reason,), {"rows": 0})


def _misfit(reader: TrajectoryReader, engine: InferenceEngine) -> Finding | None:
    """Why an engine can't be the file's model at all."""
    header = reader.header
    here = (engine.d_model, engine.n_layers)
    longest = int((reader.samples.prompt_lengths + reader.samples.output_lengths).max())
    if header.d_model == here[0] and max(header.layers) < here[1]:
        if longest <= engine.context_length:
            return None
        here = (engine.context_length,)
    return not_compared(
        "other_model",
        "The model given is not the file's: its size differs",
        str(reader.path),
        expected=f"d_model {header.d_model}, at least {max(header.layers) + 1} layers and a "
        f"context of {longest} tokens, from {header.model_source}",
        got=f"d_model {engine.d_model}, {engine.n_layers} layers, {engine.context_length} tokens",
        cure="name the model that the file says",
    )


class _Comparison:
    """Rows of one file as they are compared."""

    def __init__(self, reader: TrajectoryReader, engine: InferenceEngine) -> None:
        self._reader, self._engine = reader, engine
        self._path = str(reader.path)
        stored, here = reader.header.engine, engine.describe()
        self._tolerance: Tolerance = tolerance_of(stored, here)
        self._weights = (stored.get("weights"), here.get("weights"))
        self._made_by = (_words(stored), _words(here))
        self._found: list[Finding] = []
        self._screenings: list[Screening] = []
        self.names: list[str] = []
        self._is_unlike = True

    def add(self, row: StoredRow) -> None:
        """Compare a row, and find out what is wrong with it."""
        self.names.append(row.sample_id)
        reference = Reference(self._engine, row.token_ids)
        try:
            screening = screen(row, reference, self._tolerance)
        except IntegrityError as error:
            self._found.append(self._overflow(row, error))
            self._is_unlike = False
            return
        self._screenings.append(screening)
        if screening.is_clean:
            self._is_unlike = False
            return
        causes = diagnose(
            row,
            reference,
            screening.bad,
            self._tolerance,
            lambda layer, bad: self._other_sample(row, layer, bad),
        )
        is_vague = all(cause.kind in UNEXPLAINED for cause in causes.values())
        is_whole = screening.is_bad_from_a_layer_on(row.layers)
        self._is_unlike = self._is_unlike and is_vague and is_whole
        self._found += self._row_findings(row, screening, causes)

    def findings(self) -> list[Finding]:
        """All findings; one alone where every row disagrees and the weights are others."""
        if self._found and self._is_unlike and self._has_other_weights:
            return [self._other_weights()]
        return self._found

    def facts(self) -> dict[str, Any]:
        """Figures of the comparison."""
        errors = [screening.errors for screening in self._screenings]
        by_layer = [float(np.median(row, axis=1).max()) for row in errors]
        return {
            "rows": len(self.names),
            "samples": ", ".join(self.names),
            "states": sum(row.size for row in errors),
            "median_error": max(by_layer, default=0.0),
            "worst_error": max((float(row.max()) for row in errors), default=0.0),
            "allowed_median": self._tolerance.median,
            "allowed_worst": self._tolerance.worst,
            "made_by": self._made_by[0],
            "compared_with": self._made_by[1],
            "weights": "other files" if self._has_other_weights else "those of the file",
        }

    @property
    def _has_other_weights(self) -> bool:
        """Whether file and engine name different weights, or the file names none."""
        stored, here = self._weights
        return stored is None or stored != here

    def _row_findings(
        self, row: StoredRow, screening: Screening, causes: dict[int, Explanation]
    ) -> list[Finding]:
        """One finding for all columns that went wrong in the same way at the same positions."""
        groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for column in sorted(causes):
            place = tuple(screening.bad[column].tolist())
            groups[(*causes[column].group, place)].append(column)
        return [
            wrong_states(
                self._path,
                row.sample_id,
                max((causes[column] for column in columns), key=lambda cause: cause.residual),
                layers=[row.layers[column] for column in columns],
                positions=screening.bad[columns[0]].tolist(),
                n_states=len(row.states),
                limit=self._tolerance.worst,
            )
            for columns in groups.values()
        ]

    def _other_sample(self, row: StoredRow, layer: int, bad: BadStates) -> Explanation | None:
        """Look for bad states of a row in other rows of the file."""
        others = other_samples(self._reader.sequence_lengths, row.index)
        rows = (StoredRow.read(self._reader, index) for index in others)
        return other_sample(
            rows, layer, bad, lambda other: Reference(self._engine, other.token_ids)
        )

    def _overflow(self, row: StoredRow, error: QuarryError) -> Finding:
        """The model's own states can't be stored, so the stored ones can't be all of them."""
        return not_compared(
            "not_storable",
            "The model gives states that float16 can't hold where the file has finite ones",
            f"{self._path}, trajectories of {row.sample_id}",
            expected="states that were stored as the model gave them",
            got=error.got or error.what,
            cure="leave this layer out of capture.layers, then collect the partition again",
            severity="warning" if self._has_other_weights else "error",
            sample_id=row.sample_id,
        )

    def _other_weights(self) -> Finding:
        """All differs, and the weights are others: this says nothing about the file."""
        stored, here = self._weights
        return not_compared(
            "other_weights",
            "The weights given are not those of the file, and their states differ all over",
            self._path,
            expected=f"the weights {stored or '(the file names none)'}",
            got=f"the weights {here}; {self._found[0].got}",
            cure="compare with the weights that the file was made with; if these are the ones, "
            "collect the partition again",
        )


def _words(engine: Any) -> str:
    """An engine in a few words: `transformers, float32 on cpu`."""
    name = engine.get("engine", engine.get("name", "unknown"))
    return f"{name}, {engine.get('dtype', 'dtype unknown')} on {engine.get('device', '?')}"
