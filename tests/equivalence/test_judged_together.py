"""Two processes grade sets that share items, at the same time."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from pathlib import Path

from tests.equivalence.bad_days import CANARIES, answered_items
from tests.equivalence.grader_server import Asked, GraderServer

ROOT = Path(__file__).parents[2]


def start(server: GraderServer, path: Path, set_name: str) -> subprocess.Popen[str]:
    arguments = [server.url, str(path), "30", "1.0", set_name]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.equivalence.grading_process", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_an_item_of_two_sets_is_paid_for_once_and_has_one_verdict(tmp_path: Path) -> None:
    turns, n_canaries = itertools.count(), itertools.count(1)
    both_ask = threading.Event()

    def meet(asked: Asked) -> None:
        if asked.completion in CANARIES and next(n_canaries) == 4:
            both_ask.set()
        both_ask.wait(60)

    with GraderServer(before_answer=meet, decide=lambda _: next(turns) % 2 == 0) as server:
        children = [start(server, tmp_path / "g.sqlite", name) for name in ("mayors-1", "mayors-5")]
        outputs = [child.communicate(timeout=120)[0].splitlines() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert both_ask.is_set()
    assert set(answered_items(server).values()) == {1}
    assert len(outputs[0]) == 30
    assert sorted(outputs[0]) == sorted(outputs[1])
