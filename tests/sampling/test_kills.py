"""A process that samples is killed at moments of a seed; what was safe is never made again."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.sampling.sampling_cases import Asked, Bench, generations, plan

ROOT = Path(__file__).resolve().parents[2]
N = 400
Attempt = Callable[[int, float], list[Asked]]


@pytest.fixture
def attempt(bench: Bench) -> Iterator[Attempt]:
    """Samples in a process that is killed some seconds after its first chunk was asked for."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.sampling.sampling_process", bench.model_dir, bench.store],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None

        def attempt(chunk_size: int, delay_s: float) -> list[Asked]:
            process.stdin.write(f"{N} {chunk_size} {delay_s}\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            return [Asked(*one) for one in json.loads(process.stdout.readline())]  # type: ignore[union-attr]

        yield attempt
        process.stdin.close()


def test_kills_lose_no_more_than_the_chunk_that_was_being_made(
    bench: Bench, attempt: Attempt, tmp_path: Path
) -> None:
    whole, _ = Bench(bench.model_dir, tmp_path / "whole.sqlite").sample(plan(N, chunk_size=N))
    moments = random.Random(3)
    maybe_safe: list[list[Asked]] = []
    for _ in range(12):
        maybe_safe.append(attempt(moments.choice([3, 5, 8]), moments.uniform(0, 0.06)))
    rows, asked = bench.sample(plan(N, chunk_size=50))
    assert rows == whole
    assert any(len(calls) > 2 for calls in maybe_safe), "some died in the middle"
    calls = [*maybe_safe, asked]
    for earlier, later in pairwise(calls):
        # the chunk that was asked for last may be safe or lost; those before it are safe
        assert next_of(later) in {next_of(earlier[-1:]), after(earlier[-1])}
    made = {one for calls in [*maybe_safe, asked] for one in generations(calls)}
    assert made == {(prompt.id, k) for prompt in plan().prompts for k in range(N)}


def next_of(calls: list[Asked]) -> tuple[str, int]:
    """Prompt and number of the generation that is made first; the end where there is none."""
    return (calls[0].prompt_id, calls[0].first) if calls else ("", 0)


def after(call: Asked) -> tuple[str, int]:
    """Prompt and number of the generation that follows a chunk."""
    if call.first + call.n < N:
        return call.prompt_id, call.first + call.n
    ids = [prompt.id for prompt in plan().prompts]
    return ([*ids, ""][ids.index(call.prompt_id) + 1], 0)
