"""Writing, reading and verifying a trajectory file, side by side with raw I/O and the old layout.

    python bench/trajectory_io.py [--samples 24] [--repeat 5]

16 captured layers as of a 7B model, d_model 1024 to fit a small machine; states are random normal
numbers, since real ones hardly compress (gzip-4 saves 4 % of real states, 8 % of these). Every way
of a table runs in every round, and ratios are taken within a round; see `side_by_side`. Everything
is written into a temporary directory, and every write ends with an fsync.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from blake3 import blake3
from side_by_side import compare, show

from quarry.trajectory.layout import TrajectoryHeader, TrajectoryRow
from quarry.trajectory.publication import publish
from quarry.trajectory.reader import TrajectoryReader
from quarry.trajectory.staging import StagedFile
from quarry.trajectory.verification import verify
from quarry.trajectory.writer import TrajectoryWriter

LAYERS, D_MODEL, MAX_TOKENS = 16, 1024, 512
OLD_CHUNKS = (32, 32, 1, 256)
BLOCK_BYTES = 4 << 20


def make_rows(n_samples: int) -> list[TrajectoryRow]:
    """Rows of 200 to 512 tokens."""
    rng = np.random.default_rng(0)
    return [make_row(rng, index) for index in range(n_samples)]


def make_row(rng: np.random.Generator, index: int) -> TrajectoryRow:
    """One row."""
    length = int(rng.integers(200, MAX_TOKENS + 1))
    tokens = rng.integers(0, 30_000, length).astype(np.int32)
    states = rng.standard_normal((length, LAYERS, D_MODEL), dtype=np.float32)
    return TrajectoryRow(
        sample_id=f"gsm8k/test/{index}",
        prompt=" ".join(map(str, tokens[:100])),
        model_output=" ".join(map(str, tokens[100:])),
        ground_truth=str(index),
        hidden_states=states.astype(np.float16),
        prompt_length=100,
        output_length=length - 100,
        token_ids=tokens,
        finish_reason="stop",
    )


def header(n_samples: int) -> TrajectoryHeader:
    """The attributes of the measured file."""
    return TrajectoryHeader(
        model="bench",
        model_source="recipe:bench",
        model_revision="",
        task="gsm8k",
        n_shot=0,
        benchmark="gsm8k-0shot",
        scope="prompt+output",
        layers=tuple(range(LAYERS)),
        d_model=D_MODEL,
        max_seq_len=MAX_TOKENS,
        n_samples=n_samples,
        seed=0,
        generation={},
        prompt_style="raw",
        engine={},
        code_version="bench",
        collection_date="2026-01-01T00:00:00+00:00",
    )


class Ways:
    """The ways of writing, reading and verifying the same rows.

    Args:
        rows: what is written.
        directory: where.
    """

    def __init__(self, rows: list[TrajectoryRow], directory: Path) -> None:
        self.rows = rows
        self.directory = directory
        self.order = np.random.default_rng(1).permutation(len(rows))
        self._numbers = itertools.count()
        self.final = directory / "final.h5"
        self.published = publish(self.write(is_durable=False), self.final)
        self.padded = np.zeros((len(rows), MAX_TOKENS, LAYERS, D_MODEL), dtype=np.float16)
        for index, row in enumerate(rows):
            self.padded[index, : len(row.hidden_states)] = row.hidden_states
        self.contiguous = directory / "contiguous.h5"
        with h5py.File(self.contiguous, "w") as file:
            file["trajectories"] = self.padded

    def raw(self) -> None:
        """The same valid bytes into a plain file, synced."""
        path = self.directory / "raw.bin"
        with path.open("wb", buffering=0) as file:
            for row in self.rows:
                file.write(row.hidden_states.data.cast("B"))
            os.fsync(file.fileno())
        path.unlink()

    def write(self, *, is_durable: bool) -> StagedFile:
        """Through the writer, every digest made, synced."""
        path = self.directory / f"staged-{next(self._numbers)}.h5"
        with TrajectoryWriter(path, header(len(self.rows)), is_durable=is_durable) as writer:
            for row in self.rows:
                writer.append(row)
            staged = writer.finish()
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        return staged

    def write_and_drop(self, *, is_durable: bool) -> None:
        """`write`, and remove what was written."""
        staged = self.write(is_durable=is_durable)
        for path in self.directory.glob(f"{staged.path.name}*"):
            path.unlink()

    def old(self) -> None:
        """The old layout: padded, gzip-4, chunks that 32 samples share; synced."""
        path = self.directory / "old.h5"
        chunks = (min(OLD_CHUNKS[0], len(self.rows)), *OLD_CHUNKS[1:])
        with h5py.File(path, "w") as file:
            file.create_dataset(
                "trajectories",
                data=self.padded,
                chunks=chunks,
                compression="gzip",
                compression_opts=4,
            )
        with path.open("rb+") as file:
            os.fsync(file.fileno())

    def read_contiguous(self) -> None:
        """Random samples of a contiguous dataset; nothing is checked."""
        with h5py.File(self.contiguous) as file:
            data = file["trajectories"]
            for index in self.order:
                _ = data[index, : len(self.rows[index].hidden_states)]

    def read(self, *, is_checked: bool) -> None:
        """Random samples through the reader."""
        with TrajectoryReader(self.final, is_checked=is_checked) as reader:
            for index in self.order:
                reader.hidden_states(int(index))

    def read_old(self) -> None:
        """Random samples of the old layout."""
        with h5py.File(self.directory / "old.h5") as file:
            for index in self.order:
                _ = file["trajectories"][index, : len(self.rows[index].hidden_states)]

    def digest(self) -> None:
        """BLAKE3 of the whole file, in blocks."""
        digest, buffer = blake3(), bytearray(BLOCK_BYTES)
        with self.final.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                digest.update(memoryview(buffer)[:count])

    def publish_again(self) -> None:
        """Verify a staged file by reading it back, sync it, rename it; its writing included."""
        publish(self.write(is_durable=True), self.directory / "other.h5")


def measure(n_samples: int, repeat: int, directory: Path) -> None:
    """Run everything and print the tables."""
    ways = Ways(make_rows(n_samples), directory)
    megabytes = sum(row.hidden_states.nbytes for row in ways.rows) / 1e6
    show(f"{n_samples} samples, {megabytes:.0f} MB of valid states")
    writing = {
        "raw write + fsync": ways.raw,
        "writer, all digests, fsync": lambda: ways.write_and_drop(is_durable=False),
        "the same with the journal": lambda: ways.write_and_drop(is_durable=True),
        "the same, verified and published": ways.publish_again,
    }
    compare("writing", megabytes, writing, repeat)
    old = {"old layout": ways.old, "ours": lambda: ways.write_and_drop(is_durable=True)}
    compare("writing, against the old layout", megabytes, old, 1)
    reading = {
        "contiguous, through h5py, unchecked": ways.read_contiguous,
        "ours, checked": lambda: ways.read(is_checked=True),
        "ours, through h5py, unchecked": lambda: ways.read(is_checked=False),
    }
    compare("reading random samples, page cache warm", megabytes, reading, 2 * repeat)
    old = {"old layout": ways.read_old, "ours, checked": lambda: ways.read(is_checked=True)}
    compare("reading random samples, against the old layout", megabytes, old, 1)
    verifying = {
        "blake3 of the file": ways.digest,
        "verify full": lambda: verify(ways.final),
        "verify full, values examined again": lambda: verify(ways.final, is_rescan=True),
        "verify structure": lambda: verify(ways.final, level="structure"),
        "verify light": lambda: verify(ways.final, level="light"),
    }
    compare("verifying, page cache warm", megabytes, verifying, 2 * repeat)
    report_memory(directory)


def report_memory(directory: Path) -> None:
    """Peak memory of a writer whose rows come one by one, in a process of its own."""
    child = os.fork()
    if child == 0:
        path = directory / "memory.h5"
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with TrajectoryWriter(path, header(60), is_durable=True) as writer:
            for row in stream(60):
                writer.append(row)
            writer.finish()
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        row_mb = MAX_TOKENS * LAYERS * D_MODEL * 2 / 1e6
        size_mb = path.stat().st_size / 1e6
        show(f"\nmemory while writing {size_mb:.0f} MB: {(after - before) / 1e3:.0f} MB more")
        show(f"the largest row is {row_mb:.0f} MB; up to four rows are held")
        os._exit(0)
    os.waitpid(child, 0)


def stream(n_samples: int) -> Iterator[TrajectoryRow]:
    """Rows that are made one by one."""
    rng = np.random.default_rng(2)
    return (make_row(rng, index) for index in range(n_samples))


def main() -> None:
    """Parse arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        measure(arguments.samples, arguments.repeat, Path(directory))


if __name__ == "__main__":
    main()
