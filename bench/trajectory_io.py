"""Writing, reading and verifying a trajectory file, side by side with raw I/O and the old layout.

One run, one table, ratios at the end: `python bench/trajectory_io.py [--samples 24]`. 16 captured
layers as of a 7B model, d_model 1024 to fit a small machine; states repeat a table of 256 random
vectors, scaled by position. Everything is written into a temporary directory.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import blake3
import h5py
import numpy as np

from quarry.trajectory.layout import TrajectoryHeader, TrajectoryRow
from quarry.trajectory.publication import publish
from quarry.trajectory.reader import TrajectoryReader
from quarry.trajectory.verification import verify
from quarry.trajectory.writer import TrajectoryWriter

LAYERS, D_MODEL, MAX_TOKENS = 16, 1024, 512
OLD_CHUNKS = (32, 32, 1, 256)


def make_rows(n_samples: int) -> list[TrajectoryRow]:
    """Rows of 200 to 512 tokens with states that follow their tokens."""
    rng = np.random.default_rng(0)
    table = rng.standard_normal((256, LAYERS, D_MODEL), dtype=np.float32).astype(np.float16)
    rows: list[TrajectoryRow] = []
    for index in range(n_samples):
        length = int(rng.integers(200, MAX_TOKENS + 1))
        tokens = rng.integers(0, 256, length).astype(np.int32)
        drift = np.linspace(0.5, 1.5, length, dtype=np.float16)[:, None, None]
        rows.append(
            TrajectoryRow(
                sample_id=f"gsm8k/test/{index}",
                prompt=" ".join(map(str, tokens[:100])),
                model_output=" ".join(map(str, tokens[100:])),
                ground_truth=str(index),
                hidden_states=table[tokens] * drift,
                prompt_length=100,
                output_length=length - 100,
                token_ids=tokens,
                finish_reason="stop",
            )
        )
    return rows


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


def timed(work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def write_raw(path: Path, rows: list[TrajectoryRow]) -> None:
    """The same valid bytes into a plain file, synced."""
    with path.open("wb") as file:
        for row in rows:
            file.write(row.hidden_states.tobytes())
        file.flush()
        os.fsync(file.fileno())


def write_old(path: Path, rows: list[TrajectoryRow]) -> None:
    """The old layout: padded, gzip-4, chunks that 32 samples share."""
    padded = np.zeros((len(rows), MAX_TOKENS, LAYERS, D_MODEL), dtype=np.float16)
    for index, row in enumerate(rows):
        padded[index, : len(row.hidden_states)] = row.hidden_states
    chunks = (min(OLD_CHUNKS[0], len(rows)), *OLD_CHUNKS[1:])
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "trajectories", data=padded, chunks=chunks, compression="gzip", compression_opts=4
        )


def read_old(path: Path, order: np.ndarray, rows: list[TrajectoryRow]) -> None:
    """Random samples of the old layout."""
    with h5py.File(path) as file:
        for index in order:
            _ = file["trajectories"][index, : len(rows[index].hidden_states)]


def read_ours(path: Path, order: np.ndarray) -> None:
    """Random samples through the reader."""
    with TrajectoryReader(path) as reader:
        for index in order:
            reader.hidden_states(int(index))


def measure(n_samples: int, directory: Path) -> None:
    """Run everything once and print the table."""
    rows = make_rows(n_samples)
    megabytes = sum(row.hidden_states.nbytes for row in rows) / 1e6
    order = np.random.default_rng(1).permutation(n_samples)
    raw, old, final = (directory / name for name in ("raw.bin", "old.h5", "final.h5"))
    staged = []

    def collect() -> None:
        with TrajectoryWriter(directory / "staged.h5", header(n_samples)) as writer:
            for row in rows:
                writer.append(row)
            staged.append(writer.finish())

    times = {
        "raw write + fsync": timed(lambda: write_raw(raw, rows)),
        "write, with all digests": timed(collect),
        "publish (verify + sync + rename)": timed(lambda: publish(staged[0], final)),
        "old layout, write": timed(lambda: write_old(old, rows)),
        "read random samples": timed(lambda: read_ours(final, order)),
        "old layout, read random samples": timed(lambda: read_old(old, order, rows)),
        "verify light": timed(lambda: verify(final, level="light")),
        "verify structure": timed(lambda: verify(final, level="structure")),
        "verify full": timed(lambda: verify(final, level="full")),
        "blake3 of the file": timed(lambda: blake3.blake3(final.read_bytes()).digest()),
    }
    out = sys.stdout.write
    out(f"{n_samples} samples, {megabytes:.0f} MB of valid states\n")
    for name, seconds in times.items():
        out(f"  {name:<34} {seconds:8.3f} s  {megabytes / seconds:10.0f} MB/s\n")
    write_s = times["write, with all digests"]
    out(f"write vs raw + fsync    {times['raw write + fsync'] / write_s:6.2f} x\n")
    out(f"write vs old layout     {times['old layout, write'] / write_s:6.1f} x\n")
    read_s = times["read random samples"]
    out(f"read vs old layout      {times['old layout, read random samples'] / read_s:6.1f} x\n")
    out(f"full verify vs blake3   {times['blake3 of the file'] / times['verify full']:6.2f} x\n")


def main() -> None:
    """Parse arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=24)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        measure(arguments.samples, Path(directory))


if __name__ == "__main__":
    main()
