"""Samples in a process that can be killed: `python -m tests.sampling.sampling_process`.

Takes lines `n chunk_size delay_s` on its input. For each it forks a child that samples, kills that
`delay_s` after its first chunk was asked for, and answers with what the child asked its engine for.
One process loads the libraries once for all of them.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import torch

from tests.sampling.sampling_cases import Asked, Bench, CountedEngine, load, plan


def main(model_dir: str, store: str) -> None:
    torch.set_num_threads(1)
    bench = Bench(Path(model_dir), Path(store))
    _ = bench.ask
    with load(bench.model_dir) as engine:
        for line in sys.stdin:
            n, chunk_size, delay_s = line.split()
            print(json.dumps(attempt(bench, engine, int(n), int(chunk_size), float(delay_s))))  # noqa: T201
            sys.stdout.flush()


def attempt(
    bench: Bench, engine: CountedEngine, n: int, chunk_size: int, delay_s: float
) -> list[list[object]]:
    """What a child asked for until it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        engine.asked = Told(writing)
        try:
            bench.begin(plan(n, chunk_size), engine, None)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as asked:
        lines = [asked.readline()]
        time.sleep(delay_s)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return [json.loads(line) for line in [*lines, *asked] if line]


class Told(list[Asked]):
    """What is asked for goes into a pipe at once."""

    def __init__(self, pipe: int) -> None:
        super().__init__()
        self._pipe = pipe

    def __iadd__(self, asked: object) -> Told:  # type: ignore[misc,override]
        for one in asked:  # type: ignore[attr-defined]
            line = json.dumps([one.prompt_id, one.first, one.n])
            os.write(self._pipe, line.encode() + b"\n")
        return self


if __name__ == "__main__":
    main(*sys.argv[1:])
