"""Rounds in which ways of inference take turns, and the table of what they took."""

from __future__ import annotations

import contextlib
import json
import os
import random
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference_processes import WayProcess
from side_by_side import show

HERE = Path(__file__).resolve().parent
Facts = dict[str, Any]


@dataclass(frozen=True)
class Way:
    """One way of doing what a comparison asks.

    Args:
        name: as the table shows it.
        program: the script of its process, and that script's arguments.
        settings: what its process gets beside the settings of all; ways with the same program and
            settings share a process.
        job: what its jobs have beside what all jobs have.
    """

    name: str
    program: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    job: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def process(self) -> str:
        """What ways that share a process have in common."""
        return json.dumps([self.program, dict(self.settings)])


@dataclass
class Result:
    """What one way took.

    Args:
        start_s: until the model was ready, the first request's part of it included.
        memory_bytes: peak of the process and its children in the round that is not counted.
        rounds: the answers of the rounds that are.
    """

    start_s: float
    memory_bytes: int
    rounds: list[Facts]

    @property
    def seconds(self) -> list[float]:
        """Of each round."""
        return [float(facts["seconds"]) for facts in self.rounds]

    def median(self, fact: str) -> float:
        """The median of a fact over the rounds; 0 where it is not known."""
        return statistics.median(float(facts.get(fact, 0)) for facts in self.rounds)


def compare(
    ways: Sequence[Way],
    settings: Facts,
    make_job: Callable[[int], Facts],
    repeat: int,
    engine_python: str,
) -> dict[str, Result]:
    """Start the ways, warm them up, and have them take turns.

    Args:
        ways: with names of their own.
        settings: what all processes get.
        make_job: the job of a round by its number; the same for all ways.
        repeat: rounds that count.
        engine_python: the interpreter that has vLLM.
    """
    results: dict[str, Result] = {}
    with contextlib.ExitStack() as stack:
        processes: dict[str, WayProcess] = {}
        starts: dict[str, float] = {}
        for way in ways:
            if way.process not in processes:
                is_quarrys = way.program[0] != "inference_vllm.py"
                python = sys.executable if is_quarrys else engine_python
                command = [python, str(HERE / way.program[0]), *way.program[1:]]
                process = stack.enter_context(WayProcess(command, {**settings, **way.settings}))
                processes[way.process], starts[way.process] = process, process.start_s
            process = processes[way.process]
            # The first request may start the engine, which counts as its start.
            first = process.ask({**make_job(0), **way.job, "n": 1})
            _, memory = process.ask_for_memory({**make_job(1), **way.job})
            starts[way.process] += float(first.get("engine_start_s", 0.0))
            results[way.name] = Result(starts[way.process], memory, [])
        for number in range(repeat):
            for way in random.Random(number).sample(list(ways), len(ways)):
                facts = processes[way.process].ask({**make_job(2 + number), **way.job})
                results[way.name].rounds.append(facts)
    return results


def tell(title: str, results: Mapping[str, Result]) -> Facts:
    """Print a table; the first way is what the others are compared with.

    Returns:
        The same figures as plain values.
    """
    load = os.getloadavg()[0]
    show(f"\n{title}; load {load:.1f}")
    show(
        f"{'':<42}{'s':>8}{'best':>8}{'of first':>10}{'tokens/s':>10}{'states/s':>10}"
        f"{'peak MB':>9}{'GPU MB':>8}{'start s':>9}"
    )
    told: Facts = {}
    first = next(iter(results.values()))
    for name, result in results.items():
        seconds = statistics.median(result.seconds)
        pairs = [(a, b) for a, b in zip(first.seconds, result.seconds, strict=True)]
        row = {
            "seconds": seconds,
            "best_s": min(result.seconds),
            "ratio": statistics.median(b / a for a, b in pairs),
            "speedup": statistics.median(a / b for a, b in pairs),
            "tokens_per_s": result.median("output_tokens") / seconds,
            "states_per_s": result.median("states") / seconds,
            "peak_bytes": result.memory_bytes,
            "device_bytes": int(result.median("device_bytes")),
            "start_s": result.start_s,
            "rounds_s": result.seconds,
            "output_tokens": result.median("output_tokens"),
            "remarks": [remark for facts in result.rounds for remark in facts.get("remarks", [])],
        }
        told[name] = row
        show(
            f"{name:<42}{seconds:>8.2f}{row['best_s']:>8.2f}{row['ratio']:>9.2f}x"
            f"{row['tokens_per_s']:>10,.0f}{row['states_per_s']:>10,.0f}"
            f"{result.memory_bytes / 1e6:>9,.0f}{row['device_bytes'] / 1e6:>8,.0f}"
            f"{result.start_s:>9.1f}"
        )
        for remark in row["remarks"]:
            show(f"    {remark}")
    return {"load": load, "ways": told}
