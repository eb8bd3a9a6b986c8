"""`CallsInFlight`: which calls still have somebody who waits for their replies.

A lock of the system for each, so that a killed process holds none, however it ended; a clock would
have to guess.
"""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout


class CallsInFlight:
    """Calls about items, of all processes that share a record.

    Args:
        record: path of the record; a folder of locks lies beside it.
    """

    def __init__(self, record: Path) -> None:
        self._folder = record.with_name(f".{record.name}.calls")
        self._held: dict[int, FileLock] = {}

    def begin(self, call_id: int) -> None:
        """Hold a call until `end`; before others can see it in the record.

        Raises:
            OSError: the folder can't be written to, or another holds the call.
        """
        self._folder.mkdir(exist_ok=True)
        lock = self._lock_of(call_id)
        lock.acquire(timeout=0)
        self._held[call_id] = lock

    def end(self, call_id: int) -> None:
        """Let go of a call; of one that is not held, do nothing."""
        lock = self._held.pop(call_id, None)
        if lock is not None:
            self._path_of(call_id).unlink(missing_ok=True)
            lock.release()

    def is_held(self, call_id: int) -> bool:
        """Whether anybody waits for the reply; a call that is in the record never begins again."""
        path = self._path_of(call_id)
        if not path.exists():
            return False
        lock = self._lock_of(call_id)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        path.unlink(missing_ok=True)
        lock.release()
        return False

    def _path_of(self, call_id: int) -> Path:
        """The file of a call's lock."""
        return self._folder / f"{call_id}.lock"

    def _lock_of(self, call_id: int) -> FileLock:
        """A lock that any thread may let go."""
        return FileLock(self._path_of(call_id), thread_local=False)
