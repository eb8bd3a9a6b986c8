"""Measuring several ways of doing the same work, and a second thread to try it with.

Every round runs each way, in another order, twice: a virtual machine gives memory, that of the page
cache, too, only when it is touched first, which made the same write take 0.05 or 0.7 s of processor
time; the second run finds pages of the right size free. A ratio is taken within a round, because
the speed of a disk and of a shared machine drifts; tables show medians over the rounds, and the
best, which other work on the machine disturbs least.
"""

from __future__ import annotations

import contextlib
import os
import queue
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

QUEUED = 4
"""Pieces of work that may wait for the second thread."""

Work = Callable[[], object]


def compare(title: str, megabytes: float, works: Mapping[str, Work], repeat: int) -> None:
    """Run all ways interleaved, each after itself and a `sync`, and print a table.

    Args:
        title: what the ways do; the first is what the others are compared with.
        megabytes: how much each of them does it to.
        works: ways by name.
        repeat: rounds.
    """
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for turn in range(repeat):
        for name in random.Random(turn).sample(list(works), len(works)):
            works[name]()
            os.sync()
            busy, started = time.process_time(), time.perf_counter()
            works[name]()
            taken[name].append((time.perf_counter() - started, time.process_time() - busy))
    first = next(iter(taken.values()))
    show(f"\n{title}\n{'':<48}{'MB/s':>8}{'best':>8}{'of first':>10}{'CPU s':>8}")
    for name, runs in taken.items():
        speed = megabytes / statistics.median(s for s, _ in runs)
        best = megabytes / min(s for s, _ in runs)
        ratio = statistics.median(a / b for (a, _), (b, _) in zip(first, runs, strict=True))
        cpu_s = statistics.median(s for _, s in runs)
        show(f"{name:<48}{speed:>8.0f}{best:>8.0f}{ratio:>10.2f}{cpu_s:>8.2f}")


def show(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def background(work: Callable[..., object], *, is_threaded: bool) -> Generator[Callable[..., None]]:
    """A function that does the work, or has a second thread do it behind a bounded queue."""
    if not is_threaded:
        yield lambda *arguments: (work(*arguments), None)[1]
        return
    waiting: queue.Queue[tuple[Any, ...] | None] = queue.Queue(QUEUED)
    failures: list[BaseException] = []

    def run() -> None:
        while (arguments := waiting.get()) is not None:
            try:
                if not failures:
                    work(*arguments)
            except BaseException as error:  # noqa: BLE001  raised again by the caller
                failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda *arguments: waiting.put(arguments)
    finally:
        waiting.put(None)
        thread.join()
    if failures:
        raise failures[0]
