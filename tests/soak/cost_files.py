"""Files whose verification is timed: sparse, of many small chunks, and large.

They are good files, made as cheaply as can be: rows are cut from one block of noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from quarry.trajectory.digests import HEAD_BYTES, head_digest
from quarry.trajectory.layout import LIBVER, TrajectoryHeader, TrajectoryRow
from quarry.trajectory.manifest import manifest_path, read_manifest, write_manifest
from quarry.trajectory.publication import publish
from tests.soak.corpus import Specimen, make_own
from tests.trajectory.examples import make_header, make_row, stage

_SHAPE_OF_SEED = (512, 16, 4096)


def sparse(directory: Path, size_bytes: int) -> Specimen:
    """A file whose chunks are allocated and were never written, with a manifest that fits it."""
    path, n_layers = directory / "sparse.h5", _SHAPE_OF_SEED[1]
    sample_bytes = 2 * int(np.prod(_SHAPE_OF_SEED))
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((1, 8, n_layers, _SHAPE_OF_SEED[2]))
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    with h5py.File(path, "w", libver=LIBVER) as file:
        space = h5py.h5s.create_simple((-(-size_bytes // sample_bytes), *_SHAPE_OF_SEED))
        h5py.h5d.create(file.id, b"trajectories", h5py.h5t.IEEE_F16LE, space, plan)
    with path.open("rb") as file:
        head = head_digest(file.read(HEAD_BYTES))
    manifest = read_manifest(manifest_path(make_own(directory, "model of sparse").path))
    fitting = replace(manifest, file=path.name, size_bytes=path.stat().st_size, head_digest=head)
    write_manifest(manifest_path(path), fitting)
    return Specimen("sparse", path)


def many_chunks(directory: Path, n_chunks: int) -> Specimen:
    """Many chunks of 8 KiB, 64 a sample."""
    header = make_header(layers=(0,), d_model=256, max_seq_len=1024,
                         n_samples=max(2, n_chunks // 64))  # fmt: skip
    return _published(directory / "many", header, 1024)


def large(directory: Path, size_bytes: float) -> Specimen:
    """Chunks of 1 MiB, as of a model of 7 B."""
    header = make_header(layers=tuple(range(0, 32, 2)), d_model=4096, max_seq_len=128)
    n_samples = max(2, -int(-size_bytes // (96 * header.token_bytes)))
    return _published(directory / "large", replace(header, n_samples=n_samples), 96)


def _published(directory: Path, header: TrajectoryHeader, n_tokens: int) -> Specimen:
    """A published file of rows of one length."""
    final = directory / header.key.trajectory_path
    publish(stage(directory, header, _rows(header, n_tokens)), final)
    return Specimen(directory.name, final)


def _rows(header: TrajectoryHeader, n_tokens: int) -> Iterator[TrajectoryRow]:
    """Rows cut from one block of noise, each a token further on; cheap to make, none alike."""
    rng = np.random.default_rng(22)
    shape = (n_tokens + header.n_samples, header.n_layers, header.d_model)
    noise = rng.standard_normal(shape, dtype=np.float32).astype(np.float16)
    small = replace(header, layers=(0,), d_model=1, max_seq_len=40)
    for index in range(header.n_samples):
        row = make_row(index, small)
        tokens = rng.integers(3, 300, n_tokens).astype(np.int32)
        yield replace(
            row,
            hidden_states=noise[index : index + n_tokens],
            token_ids=tokens,
            prompt_length=20,
            output_length=n_tokens - 20,
        )
