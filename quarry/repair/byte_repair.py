"""Writes proven bytes over damaged ones, and nothing else.

Which bytes are damaged and what they should be comes from the table of digests. An interruption
at any point leaves a file that is no worse than before, and the work can be done again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from quarry.repair.good_copy import GoodCopy
from quarry.trajectory.digest_table import Extents
from quarry.trajectory.extents import has_bytes
from quarry.trajectory.layout import MIB
from quarry.trajectory.space import full_disk_named, require_space

_MOST_BYTES_A_RANGE = 8 * MIB


@dataclass
class Mended:
    """What was done to a file's bytes.

    Args:
        bytes_fetched: bytes that came from the copy.
        bytes_written: bytes that were written into the file.
        copy_damaged: positions of the extents that the copy has no right bytes for.
        left_cut: positions of the extents that would have left a hole behind such a one.
    """

    bytes_fetched: int = 0
    bytes_written: int = 0
    copy_damaged: list[int] = field(default_factory=list[int])
    left_cut: list[int] = field(default_factory=list[int])


def joined(extents: Extents, damaged: Sequence[int]) -> list[list[int]]:
    """Positions of damaged extents, neighbours together in ranges of at most 8 MiB."""
    groups: list[list[int]] = []
    for index in damaged:
        start, end = int(extents["start"][index]), _end(extents, index)
        is_next = bool(groups) and start == _end(extents, groups[-1][-1])
        if is_next and end - int(extents["start"][groups[-1][0]]) <= _MOST_BYTES_A_RANGE:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def mend(path: Path, extents: Extents, damaged: Sequence[int], good: GoodCopy) -> Mended:
    """Replace the damaged extents of a file by the copy's, as far as those are proven.

    Written in order, so that a file that was cut grows without holes: behind an extent beyond its
    end that could not be had nothing is added, and it still shows at a glance that it is cut.

    Args:
        path: the file.
        extents: every extent of the whole file.
        damaged: positions of those to replace, ascending.
        good: where to fetch them.

    Raises:
        StorageFullError: there is no room to grow.
    """
    done = Mended()
    size_bytes = _end(extents, len(extents) - 1) if len(extents) else 0
    with path.open("rb+", buffering=0) as file, full_disk_named(path):
        descriptor = file.fileno()
        require_space(path, max(0, size_bytes - os.fstat(descriptor).st_size))
        for group in joined(extents, damaged):
            start, end = int(extents["start"][group[0]]), _end(extents, group[-1])
            data = memoryview(good.read_range(start, end - start))
            done.bytes_fetched += len(data)
            for index in group:
                _mend_one(descriptor, extents, index, data, start, done)
        if os.fstat(descriptor).st_size > size_bytes:
            os.ftruncate(descriptor, size_bytes)
        os.fsync(descriptor)
    return done


def _mend_one(
    descriptor: int, extents: Extents, index: int, data: memoryview, data_start: int, done: Mended
) -> None:
    """Prove one extent of a fetched range and write it."""
    extent: np.void = extents[index]
    start, size = int(extent["start"]), int(extent["size"])
    piece = data[start - data_start :][:size]
    if not has_bytes(piece, extent):
        done.copy_damaged.append(index)
        return
    if start > os.fstat(descriptor).st_size:
        done.left_cut.append(index)
        return
    while piece:
        n_written = os.pwrite(descriptor, piece, start)
        piece, start = piece[n_written:], start + n_written
    done.bytes_written += size


def _end(extents: Extents, index: int) -> int:
    """The byte behind an extent."""
    return int(extents["start"][index] + extents["size"][index])
