"""Files that are wrong in their structure though HDF5 reads them: one function a kind.

Each damages a copy of a good file at a place drawn anew and returns what the finding has to name:
a row, a dataset, an attribute, or nothing in particular. Wrong values are in `wrong_values`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from quarry.trajectory.layout import LIBVER
from quarry.trajectory.row_store import create_datasets
from tests.soak.corpus import drawn, speak
from tests.soak.old_files import Container, write_old
from tests.trajectory.examples import make_header, publish_example

Draw = np.random.Generator
Wrong = Callable[[Path, Draw], str]
Edit = Callable[[h5py.File, Draw], str]


def edited(change: Edit) -> Wrong:
    """The damage that an edit through HDF5 does."""

    def damage(path: Path, rng: Draw) -> str:
        with h5py.File(path, "r+") as file:
            return change(file, rng)

    return damage


def missing_chunk(file: h5py.File, rng: Draw) -> str:
    """One chunk was never written."""
    row, step = _row(file, rng), file["trajectories"].chunks[1]
    first = step * int(rng.integers(-(-int(file["sequence_lengths"][row]) // step)))
    _write_but(file, row, range(first, first + step))
    return f"row {row}"


def skipped_row(file: h5py.File, rng: Draw) -> str:
    """The activations of one sample were never written."""
    row = _row(file, rng)
    _write_but(file, row, range(file["trajectories"].shape[1]))
    return f"row {row}"


def half_flushed(path: Path, rng: Draw) -> str:
    """What lies on the disk when our format is flushed midway and the writer dies."""
    header = make_header()
    part = path.with_name("part.h5")
    with h5py.File(part, "w", libver=LIBVER) as file:
        create_datasets(file, header, {})
        file["trajectories"][: int(rng.integers(1, header.n_samples))] = 1
        file.flush()
        shutil.copyfile(part, path)
    part.unlink()
    return "never closed"


def half_flushed_old(path: Path, rng: Draw) -> str:
    """The same of an older pipeline: it opens cleanly, and later rows were never written."""
    header, rows = speak(n_samples=12, seed=int(rng.integers(1000)))
    n_written = int(rng.integers(1, len(rows)))
    part = write_old(path.with_name("part.h5"), header, rows, Container({"libver": "earliest"}))
    with h5py.File(part, "r+") as file:
        states = file["trajectories"][:n_written]
        del file["trajectories"]
        chunks = (1, 16, header.n_layers, header.d_model)
        file.create_dataset("trajectories", header.shape, "f2", chunks=chunks)[:n_written] = states
        file.flush()
        shutil.copyfile(part, path)
    part.unlink()
    return f"row {n_written}"


def swapped_partition(path: Path, rng: Draw) -> str:
    """Another cell's file, good in itself."""
    changes = {
        "model": {"model": "demo_chat"},
        "task": {"task": "logiqa", "benchmark": "logiqa-0shot"},
        "n_shot": {"n_shot": 8, "benchmark": "gsm8k-8shot"},
        "n_samples": {"n_samples": 5},
    }
    name = drawn(rng, list(changes))
    folder = path.with_name("other")
    other, _ = publish_example(folder, int(rng.integers(1000)), **changes[name])
    shutil.copyfile(other, path)
    shutil.rmtree(folder)
    return name


def wrong_dtype(file: h5py.File, rng: Draw) -> str:
    """A dataset of another type."""
    choices = [("trajectories", "f4"), ("trajectories", "f8"), ("trajectories", "u2"),
               ("sequence_lengths", "f4"), ("samples/token_ids", "f8")]  # fmt: skip
    name, dtype = drawn(rng, choices)
    values = file[name][:]
    del file[name]
    file[name] = values.astype(dtype)
    return name


def wrong_shape(file: h5py.File, rng: Draw) -> str:
    """A column with a row too few, too many, or with none."""
    name = drawn(rng, ["prompts", "model_outputs", "ground_truth", "samples/ids",
                       "samples/exemplar_ids", "sequence_lengths"])  # fmt: skip
    values, dtype = file[name][:], file[name].dtype
    other = drawn(rng, [values[:-1], np.concatenate([values, values[:1]]), values[:0]])
    del file[name]
    file.create_dataset(name, data=other, dtype=dtype)
    return name


def trailing_bytes(path: Path, rng: Draw) -> str:
    """Bytes behind the end."""
    data = rng.bytes(int(rng.integers(1, 20_000)))
    with path.open("ab") as file:
        file.write(drawn(rng, [data, bytes(len(data))]))
    return f"{len(data):,} bytes follow"


def dataset_missing(file: h5py.File, rng: Draw) -> str:
    """A dataset, or the link to the labels, is gone."""
    name = drawn(rng, ["trajectories", "prompts", "model_outputs", "ground_truth", "is_correct",
                       "sequence_lengths", "samples/ids", "samples/token_ids"])  # fmt: skip
    del file[name]
    return name


def attribute_missing(file: h5py.File, rng: Draw) -> str:
    """An attribute that every file has is gone."""
    name = drawn(rng, ["model", "task", "scope", "layers", "d_model", "n_shot", "generation"])
    del file.attrs[name]
    return name


def attribute_contradicts(file: h5py.File, rng: Draw) -> str:
    """An attribute says another shape than the data has."""
    name = drawn(rng, ["layers", "d_model", "max_seq_len", "n_samples"])
    value = file.attrs[name]
    file.attrs[name] = [*value, 99] if name == "layers" else int(value) + drawn(rng, [-1, 1, 500])
    return name


def never_finished(file: h5py.File, rng: Draw) -> str:
    """Closed by its writer before it was complete."""
    file.attrs["complete"] = False
    return "complete"


def _row(file: h5py.File, rng: Draw) -> int:
    """Any row."""
    return int(rng.integers(len(file["sequence_lengths"])))


def _write_but(file: h5py.File, row: int, skipped: range) -> None:
    """The same activations in a new dataset, in which some tokens of a row were never written."""
    old = file["trajectories"]
    states, chunks, lengths = old[:], old.chunks, file["sequence_lengths"][:]
    del file["trajectories"]
    new = file.create_dataset("trajectories", states.shape, states.dtype, chunks=chunks)
    for index, length in enumerate(lengths.tolist()):
        for token in range(0, length, chunks[1]):
            if index != row or token not in skipped:
                end = min(length, token + chunks[1])
                new[index, token:end] = states[index, token:end]
