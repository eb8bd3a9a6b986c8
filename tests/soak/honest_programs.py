"""Row 15: the benchmarks' own solutions are correct in each layer.

The solutions of HumanEval and MBPP; where the files are not there, the odd but honest programs of
the suite. What a plain run of program and tests fails, too, is counted apart, and what can't be
graded is listed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from quarry.benchmarks.source import BenchmarkSource
from quarry.grading.grader import GradingTask, grade_stream
from quarry.grading.verdict import Grade, Verdict
from quarry.samples import Sample
from quarry.sandbox.layers import CONFINED, objection_to
from quarry.sandbox.limits import Limits
from quarry.sandbox.start import Layer
from tests.conftest import SHARED_DATA
from tests.grading.hostile_suite import honest_programs, problems
from tests.soak.outcome import Outcome, Progress, Tally, silent

ROW = 15
CLAIM = "honest programs are correct"
BAR = "HumanEval 164/164, MBPP >= 969 of those that a plain run passes, the rest not gradeable"
FULL_N = 164 + 974
SPLITS = {"humaneval": ("test",), "mbpp": ("train", "test", "validation", "prompt")}
MOST_NOT_GRADEABLE = 3
_PLAIN_RUN_S = 30

Solutions = list[tuple[str, Sample, str]]
"""Format, sample and completion."""


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` solutions in each layer that is there."""
    rng = np.random.default_rng([seed, ROW])
    solutions = _solutions()
    chosen = [solutions[index] for index in sorted(rng.permutation(len(solutions))[:n])]
    layers: list[Layer] = [layer for layer in CONFINED if objection_to(layer) is None]
    tally = Tally(len(chosen) * len(layers), progress)
    ungraded: set[str] = set()
    for layer in layers:
        for format in SPLITS:
            own = [(sample, text) for kind, sample, text in chosen if kind == format]
            tasks = (GradingTask(sample, text, "stop") for sample, text in own)
            grades = grade_stream(tasks, format, Limits(layer=layer))
            for (sample, text), grade in zip(own, grades, strict=True):
                said = _judged(format, sample, text, grade)
                tally.counts[said or "wrong"] += 1
                ungraded |= {sample.id} if said == "not gradeable" else set()
                tally.case(f"{layer}, {sample.id}", "" if said else str(dict(grade.evidence)))
    source = "" if SHARED_DATA.is_dir() else "; the benchmarks' files are not on this machine"
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=min(n, tally.n_held),
        figure=f"{tally.counts['correct']}/{tally.n_done} correct in {' and '.join(layers)}; "
        f"{tally.counts['fails plainly']} fail in a plain run, too; not gradeable: "
        f"{', '.join(sorted(ungraded)) or 'none'}{source}",
        bar=BAR,
        is_met=bool(layers) and tally.is_whole and len(ungraded) <= MOST_NOT_GRADEABLE,
        seed=seed,
        misses=tuple(tally.misses),
        facts={"not_gradeable": sorted(ungraded), "layers": layers, **tally.counts},
    )


def _solutions() -> Solutions:
    """The benchmarks' solutions; without their files the honest programs of the suite."""
    if not SHARED_DATA.is_dir():
        programs = honest_programs()
        return [(one.format, problems()[one.problem][1], one.completion({})) for one in programs]
    source = BenchmarkSource(SHARED_DATA)
    return [
        (format, sample, sample.target)
        for format, splits in SPLITS.items()
        for split in splits
        for sample in source.load(format, split)
    ]


def _judged(format: str, sample: Sample, text: str, grade: Grade) -> str:
    """`correct`, `not gradeable` or `fails plainly`; empty where the grade is wrong."""
    if grade.verdict is Verdict.CORRECT:
        return "correct"
    if grade.verdict is Verdict.ERROR:
        return "not gradeable"
    return "" if format == "humaneval" or _passes_plainly(sample, text) else "fails plainly"


def _passes_plainly(sample: Sample, text: str) -> bool:
    """Whether program and tests run through in an interpreter of their own."""
    tests = [str(sample.metadata["test_setup_code"]), *sample.metadata["test_list"]]
    whole = "\n".join([text, *tests])
    command = [sys.executable, "-c", whole]
    try:
        return subprocess.run(command, capture_output=True, timeout=_PLAIN_RUN_S).returncode == 0
    except subprocess.TimeoutExpired:
        return False
