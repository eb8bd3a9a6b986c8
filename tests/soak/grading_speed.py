"""Row 16: graded programs a second with two at a time, and what the start of one costs.

programs    HumanEval's solutions over and over, through `grade_stream`; honest programs of the
            suite where the benchmark's file is not there
start       a program that does nothing, from handing it over to its outcome, in a warm slot
"""

from __future__ import annotations

import itertools
import statistics
import time
from pathlib import Path
from typing import Any

from quarry.benchmarks.source import BenchmarkSource
from quarry.grading.examination import Examination, Examiners
from quarry.grading.grader import GradingTask, grade_stream
from quarry.grading.verdict import Verdict
from quarry.sandbox.layers import CONFINED, objection_to
from quarry.sandbox.limits import Limits
from quarry.sandbox.start import Layer
from tests.conftest import SHARED_DATA
from tests.grading.hostile_suite import honest_programs, problems
from tests.soak.outcome import Outcome, Progress, Tally, silent

ROW = 16
CLAIM = "what grading a program costs"
BAR = ">= 50 programs/s, start <= 30 ms median, in each layer that is there"
PROGRAMS_PER_S, START_S = 50.0, 0.030
FULL_N = 500
_N_STARTS = 100
_EMPTY = "def nothing():\n    return None\n"
_TESTS = Examination("nothing", ("assert nothing() is None",))


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` programs in each layer that is there."""
    layers: list[Layer] = [layer for layer in CONFINED if objection_to(layer) is None]
    tally, facts = Tally(3 * len(layers), progress), dict[str, Any]()
    for layer in layers:
        starts_s = _starts(layer, min(n, _N_STARTS))
        speed, n_wrong = _speed(layer, n)
        start_s = statistics.median(starts_s[1:])
        facts |= {
            f"{layer}_per_s": round(speed, 1),
            f"{layer}_start_ms": round(start_s * 1e3, 1),
            f"{layer}_first_start_ms": round(starts_s[0] * 1e3, 1),
        }
        tally.case(f"{layer}, speed", "" if speed >= PROGRAMS_PER_S else f"{speed:.1f}/s")
        tally.case(f"{layer}, start", "" if start_s <= START_S else f"{start_s * 1e3:.1f} ms")
        tally.case(f"{layer}, verdicts", f"{n_wrong} not correct" if n_wrong else "")
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=tally.total,
        n_reached=tally.n_held,
        figure="; ".join(
            f"{layer} {facts[f'{layer}_per_s']} programs/s, start {facts[f'{layer}_start_ms']} ms "
            f"(the first of a slot {facts[f'{layer}_first_start_ms']} ms)"
            for layer in layers
        ),
        bar=BAR,
        is_met=bool(layers) and tally.is_whole,
        seed=seed,
        misses=tuple(tally.misses),
        facts=facts,
    )


def _starts(layer: Layer, n: int) -> list[float]:
    """Seconds for a program that does nothing; the first starts the slot, too."""
    taken_s: list[float] = []
    with Examiners(Limits(layer=layer), n_slots=1) as examiners:
        for _ in range(n + 1):
            started = time.perf_counter()
            outcome = examiners.examine(_EMPTY, _TESTS)
            taken_s.append(time.perf_counter() - started)
            assert outcome.state == "passed", outcome
    return taken_s


def _speed(layer: Layer, n: int) -> tuple[float, int]:
    """Programs a second, the start of the slots included, and how many were not correct."""
    tasks = itertools.islice(itertools.cycle(_tasks()), n)
    started = time.perf_counter()
    grades = list(grade_stream(tasks, "humaneval", Limits(layer=layer)))
    speed = n / (time.perf_counter() - started)
    return speed, sum(grade.verdict is not Verdict.CORRECT for grade in grades)


def _tasks() -> list[GradingTask]:
    if SHARED_DATA.is_dir():
        samples = BenchmarkSource(SHARED_DATA).load("humaneval", "test")
        return [GradingTask(sample, sample.target, "stop") for sample in samples]
    return [
        GradingTask(problems()[one.problem][1], one.completion({}), "stop")
        for one in honest_programs()
        if one.format == "humaneval"
    ]
