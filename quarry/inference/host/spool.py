"""`Spool`: shared memory through which hidden states go from vLLM's worker to the caller.

    status: one int64 a slot     arena: rows of float16, `(n_rows, n_layers, d_model)` a slot

The caller hands a slot to a request before the request is submitted, so what is under way is
bounded and always has room; nothing waits for room in the middle. The memory has no name in any
file system: it is gone when the last process that has it open ends.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

MOST_SLOTS = 1024
_STATUS_BYTES = MOST_SLOTS * 8
EMPTY, FAILED, NOTHING = 0, -1, -2
"""Status words that are no number of rows: not written yet, failed, never begun."""


class Spool:
    """One mapping of the shared memory.

    Args:
        descriptor: the file descriptor; owned by the spool.
    """

    def __init__(self, descriptor: int) -> None:
        """Map all of it; pages take memory once they are written."""
        self._descriptor = descriptor
        self._map = mmap.mmap(descriptor, 0)
        self._status = np.frombuffer(self._map, np.int64, MOST_SLOTS)

    @classmethod
    def create(cls, arena_bytes: int) -> Spool:
        """New memory for `arena_bytes` of states, all slots empty."""
        descriptor = os.memfd_create("quarry-spool", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, _STATUS_BYTES + arena_bytes)
        return cls(descriptor)

    @classmethod
    def open(cls, path: str) -> Spool:
        """Map another process's memory, by the path that it gave."""
        return cls(os.open(path, os.O_RDWR | os.O_CLOEXEC))

    @property
    def path(self) -> str:
        """Where other processes of this user open it, as long as this one has it open."""
        return str(Path("/proc") / str(os.getpid()) / "fd" / str(self._descriptor))

    @property
    def arena_bytes(self) -> int:
        """Room for states, all slots together."""
        return len(self._map) - _STATUS_BYTES

    def status(self, slot: int) -> int:
        """Number of rows that are complete, or one of `EMPTY`, `FAILED`, `NOTHING`."""
        return int(self._status[slot])

    def set_status(self, slot: int, value: int) -> None:
        """Say what a slot holds; after its rows were written."""
        self._status[slot] = value

    def rows(self, offset_bytes: int, shape: tuple[int, int, int]) -> npt.NDArray[np.float16]:
        """The memory of a slot, `(n_rows, n_layers, d_model)` float16; not a copy."""
        count = int(np.prod(shape))
        start = _STATUS_BYTES + offset_bytes
        return np.frombuffer(self._map, np.float16, count, start).reshape(shape)

    def close(self) -> None:
        """Unmap; arrays that were handed out keep the memory until they are gone."""
        if self._descriptor < 0:
            return
        os.close(self._descriptor)
        self._descriptor = -1
        del self._status
        try:
            self._map.close()
        except BufferError:  # an array of `rows` is still in use; the mapping ends with it
            return
