"""Ways of writing the chunks of a trajectory file, side by side in one run.

`python bench/write_path.py [--samples 24] [--repeat 5] [--seed 0]`. The rows are those of
`crash_safety`: 16 layers, d_model 1024, states from a standard normal. Each write comes after a
`sync` and ends with an fsync. What a file has besides activations is left out. Reading and
verifying are in `read_path`.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xxhash
from blake3 import blake3
from crash_ways import D_MODEL, LAYERS, MAX_TOKENS, make_rows, sync
from side_by_side import background, compare, show

from quarry.trajectory.layout import LIBVER

TOKEN_BYTES = LAYERS * D_MODEL * 2
STEP = 16
"""Tokens of a chunk, 512 KiB, unless a way says otherwise."""
KEEP_SIZE = 1
NAME = "trajectories"

Hash = Callable[[Any], object]


def blake(data: Any) -> bytes:
    """BLAKE3 in one thread."""
    return blake3(data).digest()


def no_hash(data: Any) -> None:
    """No digest."""


@dataclass(frozen=True)
class Way:
    """How to write.

    Args:
        step: tokens of a chunk.
        is_direct: direct chunk writes, else assignment through HDF5's chunk cache.
        options: of `h5py.File`.
        digest: what is computed of each chunk.
        in_thread: `write`, `digest` or nothing, done in a second thread.
        reserve: `size` or `blocks` to allocate the file's room up front.
    """

    step: int = STEP
    is_direct: bool = True
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    digest: Hash = blake
    in_thread: str = ""
    reserve: str = ""


PAGES = {"fs_strategy": "page", "fs_page_size": 4096}
WAYS = {
    "direct chunks of 512 KiB, no digest": Way(digest=no_hash),
    "  + xxh3 of each chunk": Way(digest=xxhash.xxh3_64_digest),
    "  + BLAKE3 of each chunk (all below, too)": Way(),
    "assignment": Way(is_direct=False),
    "chunks of 256 KiB": Way(8),
    "chunks of 1 MiB": Way(32),
    "chunks of 4 MiB": Way(128),
    "aligned to 4 KiB": Way(options={"alignment_threshold": 65536, "alignment_interval": 4096}),
    "aligned to 1 MiB": Way(options={"alignment_threshold": 65536, "alignment_interval": 1 << 20}),
    "paged file space, 4 KiB": Way(options=PAGES),
    "paged file space, page buffer of 4 MiB": Way(options=PAGES | {"page_buf_size": 4 << 20}),
    "posix_fallocate, truncated at the end": Way(reserve="size"),
    "fallocate that keeps the size, truncated": Way(reserve="blocks"),
    "writer thread, digest in the caller": Way(in_thread="write"),
    "digest thread, write in the caller": Way(in_thread="digest"),
}


def pieces(states: np.ndarray, step: int) -> Iterator[tuple[int, np.ndarray]]:
    """Chunks of `(step, LAYERS, D_MODEL)` float16 with their first token, the last one padded."""
    for start in range(0, len(states), step):
        piece = states[start : start + step]
        if len(piece) < step:
            piece = np.concatenate([piece, np.zeros((step - len(piece), LAYERS, D_MODEL), "<f2")])
        yield start, piece


def write_raw(path: Path, samples: list[np.ndarray], step: int = MAX_TOKENS) -> None:
    """The reference: the valid bytes into a plain file, `step` tokens at once, synced."""
    with path.open("wb", buffering=0) as file:
        for states in samples:
            for start in range(0, len(states), step):
                file.write(states[start : start + step].view(np.uint8).data)
    sync(path)
    path.unlink()


def write(path: Path, samples: list[np.ndarray], way: Way, *, keep: bool = False) -> None:
    """Write a file one way and sync it."""
    shape, chunks = (len(samples), MAX_TOKENS, LAYERS, D_MODEL), (1, way.step, LAYERS, D_MODEL)
    with h5py.File(path, "w", libver=LIBVER, **way.options) as file:
        column = file.create_dataset(NAME, shape=shape, dtype="<f2", chunks=chunks)
        reserve(file.id.get_vfd_handle(), way.reserve, len(samples) * MAX_TOKENS * TOKEN_BYTES)

        def store(index: int, start: int, piece: np.ndarray) -> None:
            if way.is_direct:
                column.id.write_direct_chunk((index, start, 0, 0), piece)
            else:
                column[index, start : start + len(piece)] = piece

        with (
            background(store, is_threaded=way.in_thread == "write") as put,
            background(way.digest, is_threaded=way.in_thread == "digest") as digest,
        ):
            for index, states in enumerate(samples):
                for start, piece in pieces(states, way.step):
                    digest(piece.view(np.uint8).reshape(-1).data)
                    put(index, start, piece)
    if way.reserve:
        with path.open("rb") as file:
            # HDF5 does not take back what it did not ask for; its own end of file is at byte 28.
            os.truncate(path, int.from_bytes(file.read(36)[28:], "little"))
    sync(path)
    if not keep:
        path.unlink()


def reserve(handle: int, kind: str, size_bytes: int) -> None:
    """Allocate a file's blocks, with or without making it that long."""
    if kind == "size":
        os.posix_fallocate(handle, 0, size_bytes)
    elif kind == "blocks":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.fallocate(handle, KEEP_SIZE, ctypes.c_long(0), ctypes.c_long(size_bytes)):
            raise OSError(ctypes.get_errno(), "fallocate")


def print_lookups() -> None:
    """What it costs to ask where a chunk landed, and whether the file's size says the same.

    The index is as large as that of 1,000 samples of 512 tokens; the chunks are small.
    """
    show("\nwhere the newest chunk lies, microseconds a call")
    shape, chunks = (1000, MAX_TOKENS, 1, 64), (1, STEP, 1, 64)
    piece, per_sample = np.ones(chunks, dtype="<f2"), MAX_TOKENS // STEP
    with (
        tempfile.TemporaryDirectory() as folder,
        h5py.File(Path(folder) / "many.h5", "w", libver=LIBVER) as file,
    ):
        column = file.create_dataset(NAME, shape=shape, dtype="<f2", chunks=chunks).id
        handle, agreed = file.id.get_vfd_handle(), 0
        for number in range(shape[0] * per_sample):
            at = (number // per_sample, number % per_sample * STEP, 0, 0)
            column.write_direct_chunk(at, piece)
            end = os.fstat(handle).st_size
            if (number + 1) % 1000 == 0:
                agreed += column.get_chunk_info_by_coord(at).byte_offset + piece.nbytes == end
            if number + 1 in (100, 1000, 10_000, 32_000):
                asked_us = call_us(partial(column.get_chunk_info_by_coord, at))
                seen_us = call_us(partial(os.fstat, handle))
                show(f"{number + 1:>8,} chunks: get_chunk_info {asked_us:.1f}, fstat {seen_us:.1f}")
        show(f"the file ended with its newest chunk in {agreed} of 32 cases looked at")


def call_us(work: Callable[[], object]) -> float:
    """Microseconds of one call, the mean of 20."""
    started = time.perf_counter()
    for _ in range(20):
        work()
    return (time.perf_counter() - started) / 20 * 1e6


def main() -> None:
    """Parse arguments and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    samples = [row.states for row in make_rows(arguments.samples, 200, MAX_TOKENS, arguments.seed)]
    megabytes = sum(states.nbytes for states in samples) / 1e6
    show(f"{len(samples)} samples, {megabytes:.0f} MB of valid states, seed {arguments.seed}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "states"
        works = {"raw write + fsync, sample by sample": partial(write_raw, path, samples)}
        works |= {"raw write + fsync, 512 KiB at once": partial(write_raw, path, samples, STEP)}
        works |= {name: partial(write, path, samples, way) for name, way in WAYS.items()}
        compare("writing", megabytes, works, arguments.repeat)
    print_lookups()


if __name__ == "__main__":
    main()
