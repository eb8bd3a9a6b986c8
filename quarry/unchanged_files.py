"""`UnchangedFiles`: what was read of files, for as long as nothing about these files changes.

A sensor looks at every file of the grid twice a minute. Whether a file is still the one that was
read costs a `stat`; reading and checking it again costs a hundred times as much.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

_RACY_NS = 2_000_000_000
"""Clocks of file systems tick: two changes within one tick look like one. What changed so shortly
before it was read is read again."""
_KEPT_S = (1800.0, 5400.0)
"""A bit that flips on the disk changes no time. So nothing is kept for more than this, and not all
of it comes up for reading at once."""

_Stamp = tuple[int, int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    """An answer, the files' state before it was read, and when it is read again in any case."""

    stamps: tuple[_Stamp, ...]
    until_s: float
    answer: T


class UnchangedFiles(Generic[T]):
    """Answers about files, by the first of the files that each was read from.

    Kept in memory only: another process reads for itself. A file counts as unchanged while device,
    inode, size and both its times are the same; the time of the last change of the inode can't be
    set back by a program.
    """

    def __init__(self) -> None:
        self._kept: dict[str, _Kept[T]] = {}

    def answer(
        self,
        paths: Sequence[Path],
        read: Callable[[], T],
        *,
        keeps: Callable[[T], bool] = lambda answer: True,
    ) -> T:
        """What `read` says of files, from memory while none of them has changed.

        Args:
            paths: every file that the answer depends on, those that need not exist, too.
            read: reads them. What it raises is not kept.
            keeps: whether an answer may be kept; not if it tells of a disk that was away.
        """
        name, began_ns = str(paths[0]), time.time_ns()
        stamps = tuple(map(_stamp, paths))
        kept = self._kept.get(name)
        if kept is not None and kept.stamps == stamps and time.monotonic() < kept.until_s:
            return kept.answer
        answer = read()
        is_racy = any(stamp and stamp[4] > began_ns - _RACY_NS for stamp in stamps)
        if is_racy or not keeps(answer):
            self._kept.pop(name, None)
        else:
            until_s = time.monotonic() + random.uniform(*_KEPT_S)
            self._kept[name] = _Kept(stamps, until_s, answer)
        return answer


def _stamp(path: Path) -> _Stamp:
    """What changes whenever a file does; None for no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )
