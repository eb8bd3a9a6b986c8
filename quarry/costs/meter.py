"""`CellMeter`: measures what an engine does for one cell, and keeps the readings in the log.

A reading is written with the first sample, then every minute, and at the end, whether the file is
complete or the work failed: after a kill at most a minute of cost is unknown.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from weakref import WeakKeyDictionary

from quarry.costs.log import CostLog
from quarry.costs.record import CostRecord, Outcome
from quarry.errors import QuarryError
from quarry.inference.engine import Completion, InferenceEngine, Usage
from quarry.trajectory.layout import TrajectoryHeader

EVERY_S = 60.0
"""Seconds between two readings of one attempt."""

_CHARGED: WeakKeyDictionary[InferenceEngine, Usage] = WeakKeyDictionary()
"""What of an engine's usage earlier cells have on their accounts: its start is paid once."""


@dataclass(frozen=True)
class CellWork:
    """What is measured.

    Args:
        header: the file that is made.
        path: where it lies while it is made.
        n_kept: samples that are not run.
    """

    header: TrajectoryHeader
    path: Path
    n_kept: int


class CellMeter:
    """Reads an engine's usage for one cell.

    Args:
        work: the cell.
        engine: its engine; it may be used for several cells, one after another.
        costs: where readings are kept.
        log: takes lines about the engine.
        every_s: seconds between two readings.
    """

    def __init__(
        self,
        work: CellWork,
        engine: InferenceEngine,
        costs: CostLog,
        log: Callable[[str], None],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self.n_made = 0
        self._work, self._engine, self._costs, self._log = work, engine, costs, log
        self._every_s = every_s
        self._attempt = uuid.uuid4().hex
        self._started_at = datetime.now(UTC)
        self._output_tokens = 0
        self._next_reading = 0.0
        now, charged = engine.usage, _CHARGED.get(engine, Usage())
        self._before = replace(now, start_s=charged.start_s, remarks=charged.remarks)
        self._say_engine(now, is_known=engine in _CHARGED)

    @property
    def usage(self) -> Usage:
        """What was used for this cell up to now, the engine's start where no other cell paid it."""
        return self._engine.usage.since(self._before)

    def counts(self) -> Mapping[str, float]:
        """What was made beside samples, for `ProgressLog`."""
        return {"output tokens": self._output_tokens}

    def watched(
        self, completions: Iterable[Completion], on_start: Callable[[float], None]
    ) -> Iterator[Completion]:
        """Pass completions on and count them.

        Args:
            completions: from the engine.
            on_start: called with the seconds that the engine took to start meanwhile.
        """
        start_s = self.usage.start_s
        for completion in completions:
            self.n_made += 1
            self._output_tokens += len(completion.output_token_ids)
            if time.monotonic() >= self._next_reading:
                self._next_reading = time.monotonic() + self._every_s
                used = self._write("running")
                if used.start_s > start_s:
                    self._log(f"the engine started in {used.start_s - start_s:.1f} s")
                    on_start(used.start_s - start_s)
                    start_s = used.start_s
            yield completion

    @contextlib.contextmanager
    def measuring(self) -> Generator[None]:
        """Measure a block that ends with the complete file."""
        outcome: Outcome = "failed"
        try:
            yield
            outcome = "staged"
        finally:
            self._write(outcome)
            _CHARGED[self._engine] = self._engine.usage

    def _write(self, outcome: Outcome) -> Usage:
        """Keep a reading; a log that can't be written is no reason to lose the cell."""
        used = self.usage
        if used.completions or used.run_s or used.start_s:
            try:
                self._costs.append(self._record(used, outcome))
            except QuarryError as error:
                self._log(f"what this cell costs can't be kept: {error}")
        return used

    def _record(self, used: Usage, outcome: Outcome) -> CostRecord:
        """A reading as it is kept."""
        header, engine = self._work.header, self._work.header.engine
        return CostRecord(
            attempt=self._attempt,
            model=header.model,
            task=header.task,
            n_shot=header.n_shot,
            outcome=outcome,
            started_at=self._started_at.isoformat(timespec="seconds"),
            written_at=datetime.now(UTC).isoformat(timespec="seconds"),
            n_samples=used.completions,
            n_kept=self._work.n_kept,
            prompt_tokens=used.prompt_tokens,
            output_tokens=used.output_tokens,
            run_s=round(used.run_s, 3),
            start_s=round(used.start_s, 3),
            n_devices=used.n_devices,
            device=str(engine.get("device_name") or engine.get("device", "")),
            engine=str(engine.get("engine", "")),
            max_new_tokens=int(header.generation.get("max_new_tokens", 0)),
            peak_memory_bytes=used.peak_memory_bytes,
            written_bytes=_size(self._work.path),
            code_version=header.code_version,
        )

    def _say_engine(self, now: Usage, *, is_known: bool) -> None:
        """A line about the engine: whether it runs, starts now, or has just started."""
        facts = self._work.header.engine
        name = facts.get("engine", "unknown")
        place = facts.get("device_name") or facts.get("device", "an unknown device")
        if is_known and now.start_s:
            state = "runs already"
        else:
            state = f"started in {now.start_s:.1f} s" if now.start_s else "starts with the samples"
        self._log(f"engine {name} on {place}: {state}")


def _size(path: Path) -> int:
    """The size of a file; 0 if it is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
