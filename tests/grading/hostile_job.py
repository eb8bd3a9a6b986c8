"""Hostile programs graded under a watch of their own, in a process in which nothing else happens.

Where tests run, what earlier ones left open is closed at any moment, which the watch would see.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.grading.hostile_suite import Program
from tests.grading.hostile_sweep import graded
from tests.grading.hostile_watch import Watch


def job_of(program: Program) -> dict[str, Any]:
    """A program as JSON has it."""
    return {**asdict(program), "verdicts": sorted(program.verdicts)}


def work(job: Mapping[str, Any]) -> None:
    """Grade `programs` in `layer` with `timeout_s`; writes what is wrong to `told`.

    `directory` is empty, with a path that is short enough for a socket.
    """
    programs = [
        Program(**{**one, "verdicts": frozenset(one["verdicts"])}) for one in job["programs"]
    ]
    with Watch(Path(job["directory"])) as watch:
        found = graded(programs, job["layer"], watch.planted, job["timeout_s"])
        wrong = [f"{one}: {said}" for one, said in found if said]
        wrong += watch.side_effects()
    Path(job["told"]).write_text(json.dumps(wrong), encoding="utf-8")
