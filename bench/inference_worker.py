"""The loop of a process that does one way of inference.

Settings come as the first line of standard input, a job in each further line; each is answered by a
line of JSON with the seconds that it took. No library but the standard one is needed, since the
processes run in two environments.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

Facts = dict[str, Any]
Way = Callable[[Facts], Facts]


def serve(open_way: Callable[[Facts], Way]) -> None:
    """Open a way as the first line says, then do each job and answer with its seconds."""
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(started: float, facts: Facts) -> None:
        facts = {"seconds": time.perf_counter() - started, **facts}
        answers.write(json.dumps(facts) + "\n")
        answers.flush()

    settings = json.loads(sys.stdin.readline())
    started = time.perf_counter()
    way = open_way(settings)
    answer(started, {})
    for line in sys.stdin:
        job = json.loads(line)
        started = time.perf_counter()
        answer(started, way(job))


def wait_for_device(device: str) -> None:
    """Have a GPU finish what it was given, so that the clock sees it."""
    if device != "cpu":
        import torch

        torch.cuda.synchronize()


def device_memory_bytes(device: str) -> int:
    """Most memory that torch took of a GPU in this process; 0 on a CPU."""
    if device == "cpu":
        return 0
    import torch

    return int(torch.cuda.max_memory_reserved())
