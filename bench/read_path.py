"""Ways of reading random samples and of verifying a trajectory file, side by side in one run.

`python bench/read_path.py [--samples 24] [--repeat 5] [--seed 0]`. The rows are those of
`crash_safety`, in chunks of 512 KiB. The file lies in the page cache, so all figures are those of
processor and memory, not of the disk. Writing is in `write_path`.
"""

from __future__ import annotations

import argparse
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import xxhash
from blake3 import blake3
from crash_ways import D_MODEL, LAYERS, MAX_TOKENS, make_rows
from side_by_side import QUEUED, background, compare, show
from write_path import NAME, STEP, TOKEN_BYTES, Hash, Way, blake, no_hash, write

from quarry.trajectory.layout import LIBVER
from quarry.trajectory.scan import SampleScan

CHUNK_BYTES = STEP * TOKEN_BYTES
XXH3 = xxhash.xxh3_64_digest


@dataclass(frozen=True)
class Stored:
    """A file and where its chunks lie.

    Args:
        path: chunked file.
        contiguous: the same states without chunks.
        lengths: valid tokens of each sample.
        places: byte offset of each chunk of each sample, in order.
        order: samples in the order of reading.
    """

    path: Path
    contiguous: Path
    lengths: list[int]
    places: list[list[int]]
    order: list[int]

    def chunks(self) -> Iterator[tuple[int, int, int]]:
        """Sample, valid tokens and byte offset of each chunk, in the order of the file."""
        for index, places in enumerate(self.places):
            for number, place in enumerate(places):
                yield index, min(STEP, self.lengths[index] - number * STEP), place


def store(folder: Path, samples: list[np.ndarray], order: list[int]) -> Stored:
    """Write both files and read the chunk map."""
    chunked, contiguous = folder / "chunked.h5", folder / "contiguous.h5"
    write(chunked, samples, Way(), keep=True)
    shape = (len(samples), MAX_TOKENS, LAYERS, D_MODEL)
    with h5py.File(contiguous, "w", libver=LIBVER) as file:
        column = file.create_dataset(NAME, shape=shape, dtype="<f2")
        for index, states in enumerate(samples):
            column[index, : len(states)] = states
    places: list[list[int]] = [[] for _ in samples]
    with h5py.File(chunked) as file:
        # In the order of the grid, hence of the tokens.
        file[NAME].id.chunk_iter(lambda info: places[info.chunk_offset[0]].append(info.byte_offset))
    return Stored(chunked, contiguous, [len(states) for states in samples], places, order)


# --- random samples ------------------------------------------------------------------------------
def read_h5py(path: Path, stored: Stored) -> None:
    """Through HDF5, a new array each."""
    with h5py.File(path) as file:
        column = file[NAME]
        for index in stored.order:
            _ = column[index, : stored.lengths[index]]


def read_ranges(
    stored: Stored, hashed: Hash, expected: dict[int, object], out: np.ndarray | None = None
) -> None:
    """By byte ranges, chunk by chunk straight into the result, each checked while in the cache.

    Args:
        stored: the file.
        hashed: digest of a chunk.
        expected: digest of the chunk at each place; filled in on the first call.
        out: memory to use again, uint8; a new array each time where None.
    """
    handle = os.open(stored.path, os.O_RDONLY)
    for index in stored.order:
        places = stored.places[index]
        result = np.empty(len(places) * CHUNK_BYTES, dtype=np.uint8) if out is None else out
        view = result.data
        for number, place in enumerate(places):
            chunk = view[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES]
            got = os.preadv(handle, [chunk], place), hashed(chunk)
            if got != (CHUNK_BYTES, expected.setdefault(place, got[1])):
                raise SystemExit(f"a chunk at {place} changed")
        _ = result.view("<f2")[: stored.lengths[index] * LAYERS * D_MODEL]
    os.close(handle)


def reads(stored: Stored) -> dict[str, Callable[[], object]]:
    """Ways of reading."""
    out = np.zeros(MAX_TOKENS * TOKEN_BYTES, dtype=np.uint8)
    made: dict[str, Callable[[], object]] = {
        "contiguous dataset, h5py": partial(read_h5py, stored.contiguous, stored),
        "chunked dataset, h5py": partial(read_h5py, stored.path, stored),
    }
    checks: dict[str, Hash] = {
        "no check": no_hash,
        "xxh3_64 a chunk": XXH3,
        "BLAKE3 a chunk": blake,
    }
    for name, check in checks.items():
        made[f"preadv, {name}"] = partial(read_ranges, stored, check, {})
    for name, check in checks.items():
        made[f"preadv into memory used before, {name}"] = partial(
            read_ranges, stored, check, {}, out
        )
    return made


# --- the whole file ------------------------------------------------------------------------------
def digest_file(path: Path, block_bytes: int, threads: int = 1) -> None:
    """BLAKE3 of a file's bytes in their order."""
    digest, buffer = blake3(max_threads=threads), bytearray(block_bytes)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(memoryview(buffer)[:count])


def scan_file(stored: Stored, hashed: Hash, *, scans: bool, is_threaded: bool = False) -> None:
    """Each chunk read and hashed; its valid rows scanned, here or in a second thread."""
    # One buffer is being filled, one scanned, the others wait.
    ring = [np.empty((STEP, LAYERS, D_MODEL), dtype="<f2") for _ in range(QUEUED + 2)]
    handle = os.open(stored.path, os.O_RDONLY)
    seen = [SampleScan() for _ in stored.lengths]

    def scan(index: int, states: np.ndarray) -> None:
        if scans:
            seen[index].add(states)

    with background(scan, is_threaded=is_threaded) as put:
        for number, (index, n_valid, place) in enumerate(stored.chunks()):
            states = ring[number % len(ring)]
            os.preadv(handle, [states.view(np.uint8).data], place)
            hashed(states.view(np.uint8).reshape(-1).data)
            put(index, states[:n_valid])
    os.close(handle)


def scan_mapped(stored: Stored, hashed: Hash, *, scans: bool) -> None:
    """The same on a memory map, so that nothing is copied; a short file would be a SIGBUS."""
    seen = [SampleScan() for _ in stored.lengths]
    with stored.path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        for index, n_valid, place in stored.chunks():
            chunk = np.frombuffer(mapped, "<f2", STEP * LAYERS * D_MODEL, place)
            hashed(chunk.view(np.uint8).data)
            if scans:
                seen[index].add(chunk.reshape(STEP, LAYERS, D_MODEL)[:n_valid])
            del chunk


def verifications(stored: Stored) -> dict[str, Callable[[], object]]:
    """Ways of verifying."""
    chunks = partial(scan_file, stored)
    return {
        "BLAKE3 of the file, blocks of 4 MiB": partial(digest_file, stored.path, 4 << 20),
        "BLAKE3 of the file, blocks of 512 KiB": partial(digest_file, stored.path, 512 << 10),
        "BLAKE3 of the file, blocks of 128 KiB": partial(digest_file, stored.path, 128 << 10),
        "BLAKE3 of the file, blocks of 4 MiB, 2 threads": partial(
            digest_file, stored.path, 4 << 20, 2
        ),
        "memory map, BLAKE3 of each chunk": partial(scan_mapped, stored, blake, scans=False),
        "memory map, BLAKE3 + scan": partial(scan_mapped, stored, blake, scans=True),
        "memory map, scan with its own digest": partial(scan_mapped, stored, no_hash, scans=True),
        "pread of each chunk": partial(chunks, no_hash, scans=False),
        "pread + BLAKE3 of each chunk": partial(chunks, blake, scans=False),
        "pread + scan with its own digest": partial(chunks, no_hash, scans=True),
        "pread + BLAKE3 + scan": partial(chunks, blake, scans=True),
        "pread + scan in a second thread": partial(chunks, no_hash, scans=True, is_threaded=True),
        "pread + BLAKE3, scan in a second thread": partial(
            chunks, blake, scans=True, is_threaded=True
        ),
    }


def main() -> None:
    """Parse arguments and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    samples = [row.states for row in make_rows(arguments.samples, 200, MAX_TOKENS, arguments.seed)]
    megabytes = sum(states.nbytes for states in samples) / 1e6
    order = np.random.default_rng(arguments.seed).permutation(len(samples)).tolist()
    show(f"{len(samples)} samples, {megabytes:.0f} MB of valid states, all in the page cache")
    with tempfile.TemporaryDirectory() as folder:
        stored = store(Path(folder), samples, order)
        compare("reading random samples", megabytes, reads(stored), arguments.repeat)
        compare("verifying", megabytes, verifications(stored), arguments.repeat)


if __name__ == "__main__":
    main()
