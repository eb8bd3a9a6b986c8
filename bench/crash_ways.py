"""Ways of writing trajectory rows so that a kill loses few of them, and of reading what was left.

No product code: each is the least that shows what its idea costs. `crash_safety` measures them.
Every way but the raw reference computes BLAKE3 of each chunk, as collection has to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from blake3 import blake3

from quarry.trajectory.layout import LIBVER, chunk_tokens

LAYERS, D_MODEL, MAX_TOKENS = 16, 1024, 512
STEP = chunk_tokens(MAX_TOKENS, LAYERS, D_MODEL)
DATA, JOURNAL, SPOOL = "data.h5", "journal", "spool"

Say = Callable[[Any], None]


@dataclass(frozen=True)
class Row:
    """One sample: its text and `(n_tokens, LAYERS, D_MODEL)` float16 states."""

    text: str
    states: np.ndarray

    def chunks(self) -> Iterator[tuple[int, np.ndarray]]:
        """First token and values of each chunk, the last padded with zeros."""
        for start in range(0, len(self.states), STEP):
            piece = self.states[start : start + STEP]
            if len(piece) < STEP:
                padded = np.zeros((STEP, LAYERS, D_MODEL), dtype=np.float16)
                padded[: len(piece)] = piece
                piece = padded
            yield start, piece


Back = Iterator[tuple[int, Row]]


def make_rows(n_rows: int, shortest: int, longest: int, seed: int) -> list[Row]:
    """Rows whose lengths are drawn uniformly."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for length in rng.integers(shortest, longest + 1, n_rows):
        states = rng.standard_normal((length, LAYERS, D_MODEL), dtype=np.float32)
        rows.append(
            Row(" ".join(map(str, rng.integers(0, 9999, length))), states.astype(np.float16))
        )
    return rows


def create(path: Path, n_rows: int, libver: Any) -> Any:
    """A file with a text, a length and a chunked activation column."""
    file = h5py.File(path, "w", libver=libver)
    file.create_dataset("texts", shape=(n_rows,), dtype=h5py.string_dtype())
    file.create_dataset("lengths", shape=(n_rows,), dtype="<i4")
    shape, chunks = (n_rows, MAX_TOKENS, LAYERS, D_MODEL), (1, STEP, LAYERS, D_MODEL)
    file.create_dataset("trajectories", shape=shape, dtype="<f2", chunks=chunks)
    return file


def write_row(file: Any, index: int, row: Row) -> list[str]:
    """Text, length, chunks; returns the digest of each chunk."""
    file["texts"][index] = row.text
    file["lengths"][index] = len(row.states)
    column, digests = file["trajectories"].id, []
    for start, piece in row.chunks():
        digests.append(blake3(piece.view(np.uint8).data).hexdigest())
        column.write_direct_chunk((index, start, 0, 0), piece)
    return digests


def sync(path: Path) -> None:
    """Make a file's bytes durable."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_raw(folder: Path, rows: list[Row], committed: Say) -> None:
    """The reference: the valid bytes only, no digest."""
    with (folder / "raw").open("wb", buffering=0) as file:
        for index, row in enumerate(rows):
            file.write(row.states.view(np.uint8).data)
            committed(index)
    sync(folder / "raw")


def write_hdf5(
    folder: Path,
    rows: list[Row],
    committed: Say,
    *,
    libver: Any = LIBVER,
    flush: bool = True,
    syncs: bool = False,
    swmr: bool = False,
) -> None:
    """HDF5 alone; a row counts as committed once it was flushed, or synced."""
    with create(folder / DATA, len(rows), libver) as file:
        if swmr:
            file.swmr_mode = True
        for index, row in enumerate(rows):
            write_row(file, index, row)
            if flush:
                file.flush()
            if syncs:
                os.fsync(file.id.get_vfd_handle())
            committed(index)
    sync(folder / DATA)


def framed(body: str) -> bytes:
    """One line of a journal: its digest, then JSON."""
    return f"{blake3(body.encode()).hexdigest()} {body}\n".encode()


def write_spool(folder: Path, rows: list[Row], committed: Say, *, syncs: bool = False) -> None:
    """One frame a row in a plain file; HDF5 is written from it once all rows are there."""
    with (folder / SPOOL).open("wb", buffering=0) as file:
        for index, row in enumerate(rows):
            raw = row.states.view(np.uint8).data
            line = {"text": row.text, "n": len(row.states), "digest": blake3(raw).hexdigest()}
            os.writev(file.fileno(), [framed(json.dumps(line)), raw])
            if syncs:
                os.fdatasync(file.fileno())
            committed(index)
    with create(folder / DATA, len(rows), LIBVER) as data:
        for index, row in read_spool(folder):
            write_row(data, index, row)
    sync(folder / DATA)


def write_journal(folder: Path, rows: list[Row], committed: Say, *, syncs: bool = False) -> None:
    """Chunks straight into the HDF5 file, their places and digests into a journal beside it."""
    with (
        create(folder / DATA, len(rows), LIBVER) as file,
        (folder / JOURNAL).open("wb", buffering=0) as journal,
    ):
        column, handle = file["trajectories"].id, file.id.get_vfd_handle()
        for index, row in enumerate(rows):
            digests = write_row(file, index, row)
            starts = range(0, len(row.states), STEP)
            places = [column.get_chunk_info_by_coord((index, s, 0, 0)).byte_offset for s in starts]
            line = {"text": row.text, "n": len(row.states), "places": places, "digests": digests}
            if syncs:
                os.fdatasync(handle)
            journal.write(framed(json.dumps(line)))
            if syncs:
                os.fdatasync(journal.fileno())
            committed(index)
    sync(folder / DATA)


def read_frame(file: Any) -> dict[str, Any] | None:
    """The next whole line of a journal, None at the end or at a torn one."""
    digest, _, body = file.readline().partition(b" ")
    if not body.endswith(b"\n") or blake3(body[:-1]).hexdigest() != digest.decode(
        "ascii", "replace"
    ):
        return None
    return json.loads(body)


def read_spool(folder: Path) -> Back:
    """Rows up to the first torn frame."""
    if not (folder / SPOOL).exists():
        return
    with (folder / SPOOL).open("rb") as file:
        index = 0
        while line := read_frame(file):
            states = np.empty((line["n"], LAYERS, D_MODEL), dtype=np.float16)
            bytes_ = states.view(np.uint8).reshape(-1)
            if file.readinto(bytes_.data) < states.nbytes:
                return
            if blake3(bytes_.data).hexdigest() != line["digest"]:
                return
            yield index, Row(line["text"], states)
            index += 1


def read_journal(folder: Path) -> Back:
    """Rows whose chunks lie where the journal says, with the digests that it says; no HDF5."""
    if not (folder / JOURNAL).exists():
        return
    with (folder / JOURNAL).open("rb") as journal, (folder / DATA).open("rb") as data:
        index = 0
        while line := read_frame(journal):
            states = np.empty((len(line["places"]), STEP, LAYERS, D_MODEL), dtype=np.float16)
            raw = states.view(np.uint8).reshape(len(states), -1)
            for chunk, (place, digest) in enumerate(
                zip(line["places"], line["digests"], strict=True)
            ):
                got = os.preadv(data.fileno(), [raw[chunk].data], place)
                if got < raw.shape[1] or blake3(raw[chunk].data).hexdigest() != digest:
                    return
            yield index, Row(line["text"], states.reshape(-1, LAYERS, D_MODEL)[: line["n"]])
            index += 1


def read_hdf5(folder: Path, *, swmr: bool = False) -> Back:
    """Rows with a length, after the mark that the file is open was taken off (SWMR: through it)."""
    if not swmr:
        clear_open_mark(folder / DATA)
    with h5py.File(folder / DATA, "r", swmr=swmr) as file:
        for index, length in enumerate(file["lengths"][:]):
            if length:
                text = file["texts"][index].decode("utf-8", "replace")
                yield index, Row(text, file["trajectories"][index, :length])


def clear_open_mark(path: Path) -> None:
    """Clear the consistency flags of a version 3 superblock, as `h5clear -s` does."""
    with path.open("r+b") as file:
        head = bytearray(file.read(48))
        if len(head) == 48 and head[8] == 3:
            head[11] = 0
            head[44:] = lookup3(bytes(head[:44])).to_bytes(4, "little")
            file.seek(0)
            file.write(head)


def lookup3(data: bytes) -> int:
    """HDF5's metadata checksum: Bob Jenkins' lookup3 with initial value 0."""
    mask = 0xFFFFFFFF
    a = b = c = (0xDEADBEEF + len(data)) & mask
    for start in range(0, len(data), 12):
        block = data[start : start + 12].ljust(12, b"\0")
        a, b, c = (
            (value + int.from_bytes(block[at : at + 4], "little")) & mask
            for value, at in ((a, 0), (b, 4), (c, 8))
        )
        if start + 12 < len(data):
            for by in (4, 6, 8, 16, 19, 4):
                a, c = ((a - c) & mask) ^ _rotated(c, by), (c + b) & mask
                a, b, c = b, c, a
    for by in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _rotated(b, by)) & mask
        a, b, c = b, c, a
    return b


def _rotated(value: int, by: int) -> int:
    """A 32-bit rotation to the left."""
    return (value << by | value >> (32 - by)) & 0xFFFFFFFF
