"""The rows of the soak: their numbers, their full counts and what runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.soak import (
    bit_flips,
    copy_kills,
    costs,
    faults,
    good_files,
    grading_kills,
    grading_speed,
    healing,
    holes,
    honest_programs,
    hostile,
    hostile_programs,
    kills,
    paths,
    salvaging,
    stale_files,
    truncations,
    verdict_injection,
    wrong_files,
)
from tests.soak.outcome import Outcome, Progress, silent

Run = Callable[..., Outcome]
"""`(n, seed, directory, progress) -> Outcome`."""

FULL_SIZE_BYTES = 5e9


def _orphans(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """Row 21, which needs Dagster; the processes of most others stay small."""
    from tests.soak import orphans

    return orphans.run(n, seed, directory, progress)


def _secrets(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """Row 19, which needs Dagster, too."""
    from tests.soak import secrets

    return secrets.run(n, seed, directory, progress)


@dataclass(frozen=True)
class Row:
    """One row of the table of claims.

    Args:
        number: its number.
        n: how many cases make it whole.
        run: runs it.
        is_timed: whether other work beside it would spoil its figure.
    """

    number: int
    n: int
    run: Run
    is_timed: bool = False


def rows(*, is_full_size: bool = False) -> dict[int, Row]:
    """All rows by number, the longest ones first.

    Args:
        is_full_size: whether the speed of the full level is measured on a file of 5 GB.
    """
    cost = partial(costs.run, full_bytes=FULL_SIZE_BYTES) if is_full_size else costs.run
    made = [
        Row(7, 500, kills.run),
        Row(21, 7, _orphans),
        Row(19, 58, _secrets),
        Row(17, grading_kills.FULL_N, grading_kills.run),
        Row(10, 450, faults.run),
        Row(14, hostile_programs.FULL_N, hostile_programs.run),
        Row(2, 1000, bit_flips.run),
        Row(9, 200, copy_kills.run),
        Row(5, 300, good_files.run),
        Row(3, 300, holes.run),
        Row(6, 300, hostile.run),
        Row(4, 10 * len(wrong_files.KINDS), wrong_files.run),
        Row(13, 10, salvaging.run),
        Row(15, honest_programs.FULL_N, honest_programs.run),
        Row(20, 200, paths.run),
        Row(18, verdict_injection.FULL_N, verdict_injection.run),
        Row(12, 50, healing.run),
        Row(11, 50, stale_files.run),
        Row(1, 1000, truncations.run),
        Row(16, grading_speed.FULL_N, grading_speed.run, is_timed=True),
        Row(22, costs.FULL_N, cost, is_timed=True),
    ]
    return {row.number: row for row in made}
