"""A grading model whose calls fail, and what its books and the grader's record say afterwards."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from quarry.equivalence.grading_store import GradingStore
from tests.equivalence.grader_server import GARBAGE, PASSING, Asked, Fault, GraderServer
from tests.equivalence.judge_cases import RUBRIC

CANARIES = {canary.completion for canary in RUBRIC.canaries}


def failing(seed: int, share: float, most_in_all: int = 4) -> Callable[[Asked], Fault | None]:
    """A share of the calls fails, in any way that may pass; the same calls in every order."""
    faults: tuple[Fault, ...] = (*PASSING, *GARBAGE)
    n_asked: Counter[str] = Counter()
    n_failed: Counter[str] = Counter()
    lock = threading.Lock()

    def fault(asked: Asked) -> Fault | None:
        with lock:
            n_asked[asked.completion] += 1
            draw = random.Random(f"{seed}/{asked.completion}/{n_asked[asked.completion]}")
            if draw.random() >= share or n_failed[asked.completion] >= most_in_all:
                return None
            n_failed[asked.completion] += 1
            return draw.choice(faults)

    return fault


def answered_items(server: GraderServer) -> Counter[str]:
    """How often the server gave a good answer on each item, canaries left out."""
    kept = {name: n for name, n in server.books.successes.items() if name not in CANARIES}
    return Counter(kept)


def cut_off(path: Path) -> Counter[str]:
    """Calls that were in flight when their process was killed, by the record: how many for each
    item, by its key, and for each canary."""
    with GradingStore(path).reading() as database:
        rows = database.execute(
            "SELECT purpose FROM calls WHERE id NOT IN (SELECT call_id FROM settlements)"
        ).fetchall()
    return Counter(str(purpose) for (purpose,) in rows)
