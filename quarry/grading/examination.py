"""A pool of examiners: hands programs and tests to trusted processes, which ask shut-in workers.

What happens in an examination lives in `quarry.grading.examiner`, how a worker is shut in in
`quarry.sandbox`. This module knows nothing of benchmarks or verdicts.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from quarry.errors import GradingError
from quarry.sandbox.inside.waiting import readable
from quarry.sandbox.inside.wire import Channel, FrameError
from quarry.sandbox.layers import choose
from quarry.sandbox.limits import Limits
from quarry.sandbox.start import ENVIRONMENT, Layer, inside_command, zygote_command
from quarry.sandbox.visible_paths import visible_paths

State = Literal["passed", "failed", "timeout", "died", "not_gradeable"]

_SERVER = "quarry.grading.examiner.server"
_WALL_FACTOR = 3
_START_PATIENCE_S = 60.0
_ANSWER_PATIENCE_S = 15.0  # beyond the wall time that the server allows; then it is stuck itself
_TRIES = 2


@dataclass(frozen=True)
class Examination:
    """What a program has to pass.

    Args:
        entry_point: the function that is tested.
        tests: compiling source of each test; all of them run, whatever became of those before.
        setup: compiling source that runs before them and defines what they use.
        preamble: what the prompt defines for its tests to use; compiling source.
        is_as_published: whether the program is run as the published graders do: the tests use its
            functions in place of the prompt's and of Python's, so that it can pass by that alone;
            and it has to do without what `published_guard` takes away.
    """

    entry_point: str
    tests: tuple[str, ...]
    setup: str = ""
    preamble: str = ""
    is_as_published: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one program.

    Args:
        state: `passed` or `failed`; `timeout`; `died` when its process ended before the tests did;
            `not_gradeable` when a test hands over what can't be handed to another process.
        report: `phase`, `exception`, `message`, `failing_test`, `program_line`, `expected`, `got`,
            as far as they are known; empty where it passed.
        asserts_passed: how many assertions held.
        asserts_failed: how many tests ended with an exception.
        wall_s: from the start to the report.
        cpu_s: of the program's process.
        layer: how the program was shut in.
    """

    state: State
    layer: Layer
    report: Mapping[str, Any] = field(default_factory=dict[str, Any])
    asserts_passed: int = 0
    asserts_failed: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0


class Examiners:
    """Prepared examiners, each with a prepared worker; a context manager that ends them all.

    Args:
        limits: what a program may use, and how it has to be shut in.
        n_slots: how many programs are examined at once; None for one a processor. Each stays on a
            processor of its own: an examiner and its worker never run at the same time, and what
            one leaves in the caches is what the other needs (1.4 times as many programs a second).

    Attributes:
        layer: how programs are shut in.
        n_slots: how many run at once.

    Raises:
        SandboxUnavailableError: programs can't be shut in as wanted on this machine.
    """

    def __init__(self, limits: Limits, n_slots: int | None = None) -> None:
        self.layer: Layer = choose(limits.layer)
        self.n_slots = n_slots or len(os.sched_getaffinity(0))
        self._limits = limits
        self._free: queue.LifoQueue[_Slot] = queue.LifoQueue()
        processors = itertools.cycle(sorted(os.sched_getaffinity(0)))
        self._slots = [_Slot(self.layer, next(processors)) for _ in range(self.n_slots)]
        for slot in self._slots:
            self._free.put(slot)

    def examine(self, program: str, tests: Examination) -> Outcome:
        """Run a program with its tests; waits for a free examiner. Any thread may call it.

        Raises:
            GradingError: no examiner could be started, or it failed twice; the program is not to
                blame.
        """
        request = {"program": program, **asdict(tests), **self._limits_of_request()}
        slot = self._free.get()
        try:
            answer = self._answer(slot, request)
        except BaseException:
            slot.end()  # an answer that is still to come would be taken for the next program's
            raise
        finally:
            self._free.put(slot)
        counts = {name: answer.pop(name, 0) for name in ("asserts_passed", "asserts_failed")}
        times = {name: answer.pop(name, 0.0) for name in ("wall_s", "cpu_s")}
        return Outcome(answer.pop("state"), self.layer, answer, **counts, **times)

    def close(self) -> None:
        """End all examiners and their workers at once."""
        for slot in self._slots:
            slot.end(is_final=True)

    def __enter__(self) -> Examiners:
        """The running examiners."""
        return self

    def __exit__(self, *_: object) -> None:
        """End them."""
        self.close()

    def _limits_of_request(self) -> dict[str, Any]:
        limits = self._limits
        return {
            "timeout_s": limits.timeout_s,
            "memory_bytes": limits.memory_bytes,
            "output_bytes": limits.output_bytes,
        }

    def _answer(self, slot: _Slot, request: dict[str, Any]) -> dict[str, Any]:
        """The server's answer; a slot that breaks down is started again, once."""
        patience_s = self._limits.timeout_s * _WALL_FACTOR + _ANSWER_PATIENCE_S
        failures: list[str] = []
        for _ in range(_TRIES):
            try:
                answer = slot.ask(request, patience_s)
            except (FrameError, OSError) as error:
                answer = {"unable": str(error) or type(error).__name__}
            if "unable" not in answer:
                return answer
            failures.append(answer["unable"])
            slot.end()
        raise GradingError(
            "A program could not be examined",
            where=f"layer {self.layer}",
            expected="a report from the process that runs the tests",
            got="; then ".join(failures),
            fix="free memory and processes, and grade again; if it stays, report the program",
        )


class _Slot:
    """One examiner server, started when it is first asked, and again after it broke down."""

    def __init__(self, layer: Layer, processor: int) -> None:
        self._layer: Layer = layer
        self._processor = processor
        self._lock = threading.Lock()
        self._is_over = False
        self._owner = os.getpid()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None

    def ask(self, request: dict[str, Any], patience_s: float) -> dict[str, Any]:
        """The server's answer.

        Raises:
            FrameError: it ended or did not answer in time.
            OSError: it could not be started.
        """
        if os.getpid() != self._owner:
            raise FrameError("a forked process can't use its parent's examiners")
        channel = self._channel or self._started()
        channel.send(request)
        return _received(channel, patience_s)

    def end(self, *, is_final: bool = False) -> None:
        """Kill the server; its zygote and workers end with it."""
        with self._lock:
            self._is_over = self._is_over or is_final
            process, self._process = self._process, None
            channel, self._channel = self._channel, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait()
        if channel is not None:
            channel.close()

    def _started(self) -> Channel:
        ours, theirs = socket.socketpair()
        with self._lock, theirs:
            if self._is_over:
                ours.close()
                raise FrameError("the examiners are closed")
            self._process = subprocess.Popen(
                inside_command(_SERVER),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=dict(ENVIRONMENT),
                cwd="/",
                start_new_session=True,
            )
            self._channel = channel = Channel(ours)
        command = zygote_command(self._layer)
        channel.send(
            {
                "zygote": command.arguments,
                "environment": command.environment,
                "packages": list(visible_paths().packages.values()),
                "processor": self._processor,
            }
        )
        answer = _received(channel, _START_PATIENCE_S)
        if "ready" not in answer:
            raise FrameError(str(answer.get("unable")))
        return channel


def _received(channel: Channel, patience_s: float) -> dict[str, Any]:
    """The server's next message.

    Raises:
        FrameError: it ended, or there was none in time.
    """
    if not readable([channel.fileno()], patience_s):
        raise FrameError(f"no answer within {patience_s:g} s")
    return channel.receive()
