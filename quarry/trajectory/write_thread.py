"""`WriteThread`: does work in order in a second thread, so that the disk never holds up the model.

The queue is bounded, so memory is; a failure surfaces with the next call and stops everything
behind it, it never hangs.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Work = Callable[[], None]

_WAITING = 2
_POLL_S = 1.0


class WriteThread:
    """Runs pieces of work one after the other.

    Args:
        name: shown by debuggers.
        idle: called when nothing was to be done for a second, such as a sync.
    """

    def __init__(self, name: str, idle: Work) -> None:
        self._queue: queue.Queue[Work | None] = queue.Queue(maxsize=_WAITING)
        self._failure: BaseException | None = None
        self._idle = idle
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, work: Work) -> None:
        """Hand over the next piece; waits while two are waiting.

        Raises:
            BaseException: what an earlier piece failed with.
        """
        self._raise_failure()
        while True:
            try:
                self._queue.put(work, timeout=_POLL_S)
            except queue.Full:
                self._raise_failure()
            else:
                return

    def close(self) -> None:
        """Wait until everything was done.

        Raises:
            BaseException: what a piece failed with.
        """
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        self._raise_failure()

    def _run(self) -> None:
        """The thread: after a failure the rest is taken from the queue and dropped."""
        while True:
            try:
                work = self._queue.get(timeout=_POLL_S)
            except queue.Empty:
                work = self._idle
            if work is None:
                return
            if self._failure is None:
                self._try(work)

    def _try(self, work: Work) -> None:
        """Do a piece; remember what it failed with."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
            self._failure = error

    def _raise_failure(self) -> None:
        """Raise what a piece failed with."""
        if self._failure is not None:
            raise self._failure
