"""Runs of a command that a person interrupts.

Dagster holds signals back while it runs a job in this process. Ctrl-C then fails the step at work,
or is forgotten between two steps, and the job returns as if no more were wanted: a command would
go on with the next of a hundred cells. A run that is interrupted before its start stays, and looks
for minutes as if somebody were about to begin it.
"""

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

_SIGNALS = {signal.SIGINT, signal.SIGTERM}
"""Dagster takes both for the same."""


@contextmanager
def interruptible(instance: dg.DagsterInstance, run_id: str) -> Generator[None]:
    """Let a signal that comes meanwhile end the command, too, and its run for certain.

    Args:
        instance: where the run is recorded.
        run_id: the run that is executed inside.

    Raises:
        KeyboardInterrupt: a signal came, whatever Dagster made of it.
    """
    with _noticed() as is_interrupted:
        try:
            yield
        except (KeyboardInterrupt, DagsterExecutionInterruptedError) as error:
            run = instance.get_run_by_id(run_id)
            if run is not None and not run.is_finished:
                instance.report_run_canceled(run, "Interrupted before its end.")
            raise KeyboardInterrupt from error
        if is_interrupted():
            raise KeyboardInterrupt


@contextmanager
def _noticed() -> Generator[Callable[[], bool]]:
    """Notes signals beside whatever handler they have; whether one came."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False  # signals are the main thread's
        return
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def is_interrupted() -> bool:
        try:
            return not _SIGNALS.isdisjoint(os.read(reader, 4096))
        except BlockingIOError:
            return False

    try:
        yield is_interrupted
    finally:
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)
