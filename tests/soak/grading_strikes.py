"""`Striker`: kills a process when the grading model that it asks sees a certain request of it.

unanswered  before the answer, which the server then gives to nobody, and bills
billed      after the answer was billed, before it is sent
later       some milliseconds after the request came in
start       some milliseconds after the process began, whatever it does
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from tests.equivalence.grader_server import Asked, Fault, GraderServer
from tests.soak.forking import Forker, Job

Moment = Literal["unanswered", "billed", "later", "start"]
MOMENTS: tuple[Moment, ...] = ("unanswered", "billed", "later", "start")
MOST_LATER_S, MOST_START_S = 0.04, 0.3
_PATIENCE_S = 10.0


class Striker:
    """Decides what goes wrong with a server's requests and with who asks.

    Args:
        server: the grading model.
        forker: begins the processes.
        otherwise: what else goes wrong with a request.
        draw: draws the delays.
    """

    def __init__(
        self,
        server: GraderServer,
        forker: Forker,
        otherwise: Callable[[Asked], Fault | None],
        draw: random.Random,
    ) -> None:
        self._server, self._forker = server, forker
        self._otherwise, self._draw = otherwise, draw
        self._at, self._moment = -1, "start"
        self._child = 0
        self._is_aimed = threading.Event()
        server.fault = self._fault
        server.before_answer = lambda asked: self._strike(asked, "billed")

    def kill(self, job: Job, after: int, moment: Moment) -> bool:
        """Run a job and kill it with its n-th request; returns whether that was in time."""
        self._at, self._moment = len(self._server.books.asked) + after, moment
        self._child = self._forker.start(job)
        self._is_aimed.set()
        if moment == "start":
            time.sleep(self._draw.uniform(0, MOST_START_S))
            self._kill()
        status = self._forker.ended()
        self._at, self._child = -1, 0
        self._is_aimed.clear()
        self._until_quiet()
        is_failed = os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
        assert not is_failed, f"a run failed by itself: {self._forker.errors()}"
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL

    def _fault(self, asked: Asked) -> Fault | None:
        """What goes wrong with a request; the one to be billed gets its answer."""
        self._strike(asked, "unanswered")
        if asked.number == self._at and self._moment == "later":
            delay_s = self._draw.uniform(0, MOST_LATER_S)
            threading.Timer(delay_s, self._kill).start()
        is_due = asked.number == self._at and self._moment == "billed"
        return None if is_due else self._otherwise(asked)

    def _strike(self, asked: Asked, moment: Moment) -> None:
        if asked.number == self._at and moment == self._moment:
            self._kill()

    def _kill(self) -> None:
        self._is_aimed.wait(_PATIENCE_S)
        if self._child:
            with suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)

    def _until_quiet(self) -> None:
        """Wait until the server has done with what the killed process had asked."""
        deadline = time.monotonic() + _PATIENCE_S
        while self._server.books.in_flight and time.monotonic() < deadline:
            time.sleep(0.002)
