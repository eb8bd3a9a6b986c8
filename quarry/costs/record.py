"""`CostRecord`: what one attempt at a cell has used up to a moment.

Counted are the samples that were run, not those that were kept from earlier work, so that the
costs of several attempts add up to that of the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Literal, get_args

from quarry.keys import TrajectoryKey

Outcome = Literal["running", "staged", "failed"]
"""`staged`: the file is complete. `running`, as the last word of an attempt: it was killed, or has
not ended yet."""

_LEAST_OF_UNFINISHED = 200
"""Samples from which on those under way, 64 by default, matter little."""


@dataclass(frozen=True)
class CostRecord:
    """One reading of one attempt; a later one of the same attempt takes its place.

    Args:
        attempt: an id that the readings of one attempt share.
        model: the cell's model.
        task: its task.
        n_shot: its shot setting.
        outcome: how far the attempt is.
        started_at: ISO 8601 with offset.
        written_at: ISO 8601 with offset.
        n_samples: samples that were run.
        n_kept: samples of the cell that earlier work had left.
        prompt_tokens: tokens of the prompts that were run.
        output_tokens: tokens generated.
        run_s: seconds in which samples were being run.
        start_s: seconds for starting the engine; 0 where an earlier cell of the run paid for it.
        n_devices: GPUs in use; 0 on a CPU.
        device: name of the device, such as `NVIDIA H200`, or `cpu`.
        engine: name of the engine.
        max_new_tokens: most tokens that a completion could have.
        peak_memory_bytes: as in `Usage`.
        written_bytes: size of the file in staging.
        code_version: of the collection.
    """

    attempt: str
    model: str
    task: str
    n_shot: int
    outcome: Outcome
    started_at: str
    written_at: str
    n_samples: int
    n_kept: int
    prompt_tokens: int
    output_tokens: int
    run_s: float
    start_s: float
    n_devices: int
    device: str
    engine: str
    max_new_tokens: int
    peak_memory_bytes: int
    written_bytes: int
    code_version: str

    @property
    def key(self) -> TrajectoryKey:
        """The cell."""
        return TrajectoryKey(self.model, self.task, self.n_shot)

    @property
    def gpu_hours(self) -> float:
        """Hours of one GPU, the engine's start included; 0 on a CPU."""
        return (self.start_s + self.run_s) * self.n_devices / 3600

    @property
    def has_rate(self) -> bool:
        """Whether it says how long a sample takes.

        The time of an attempt that was cut off includes samples under way, which are not counted.
        """
        least = 1 if self.outcome == "staged" else _LEAST_OF_UNFINISHED
        return self.n_samples >= least and self.run_s > 0

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CostRecord:
        """The inverse of `as_dict`; names that are not known are left out.

        Raises:
            KeyError: a value is missing.
            ValueError: a value can't be.
            TypeError: a value is of another type.
            QuarryError: there can be no such cell.
        """
        record = cls(**{one.name: values[one.name] for one in fields(cls)})
        numbers = [getattr(record, one.name) for one in fields(cls) if one.type in _NUMBERS]
        if any(number < 0 or not math.isfinite(number) for number in numbers):
            raise ValueError("a negative or infinite number")
        if record.outcome not in get_args(Outcome):
            raise ValueError(f"an unknown outcome: {record.outcome}")
        for moment in (record.started_at, record.written_at):
            datetime.fromisoformat(moment)
        _ = record.key
        return record


_NUMBERS = ("int", "float")
