"""What healing knows of a cell: how it is here and in the store, and what was tried before.

Only records live here. Who fills them in looks at checks, at the inventory of the store and at past
runs; what is made of them is decided in `policy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from quarry.keys import TrajectoryKey

Local = Literal["sound", "damaged", "missing", "failed", "unverified"]
"""The file here: `failed` where the latest run failed and nothing was found damaged; `unverified`
where there is a file that no check has looked at."""

Copy = Literal["matching", "missing", "different", "remote_only", "absent", "unknown"]
"""The copy in the store, as the inventory names it; `unknown` where the store could not be asked.
"""

Action = Literal["restore", "upload", "recollect"]

Outcome = Literal["running", "healed", "failed", "copy_unusable", "unreachable", "cleared"]
"""`copy_unusable`: no copy could give the bytes, so that the next rung is due. `unreachable`: the
store could not be asked for now, which says nothing about the cell; where it refuses for good, that
is `failed`. `cleared`: a person allows the cell to
be tried anew; such an attempt does nothing itself."""


@dataclass(frozen=True)
class CellHealth:
    """How one cell of the grid is.

    Args:
        key: the cell.
        local: the file here.
        copy: the copy in the store.
        is_copy_refuted: whether the copy was tried or checked, and proved unusable.
        is_lone: whether the file here is good and no other copy of its version is known.
        size_bytes: size of the file, or of the copy where there is no file; 0 if unknown.
        gpu_hours: what collecting the cell costs at most, by earlier runs; 0 for a sound file.
        why: what was found, as one sentence without the full stop; may be empty.
        last_good_at: when the cell was last known to be whole, by a successful run or a passed
            check, with a time zone; failures before that are forgotten. Not so where a failed
            attempt itself made the file, or where the time is yet to come: see `past`.
    """

    key: TrajectoryKey
    local: Local
    copy: Copy
    is_copy_refuted: bool = False
    is_lone: bool = False
    size_bytes: int = 0
    gpu_hours: float = 0.0
    why: str = ""
    last_good_at: datetime | None = None


@dataclass(frozen=True)
class Attempt:
    """One step that was begun for a cell.

    Args:
        partition: the cell's partition key.
        action: what was tried.
        started_at: with a time zone.
        ended_at: with a time zone; None while it runs.
        outcome: what came of it.
        size_bytes: bytes sent or fetched; an estimate while it runs.
        gpu_hours: what it cost; an estimate while it runs.
        error: the first line of what went wrong; empty where nothing did.
    """

    partition: str
    action: Action
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome
    size_bytes: int = 0
    gpu_hours: float = 0.0
    error: str = ""
