"""Ways to damage a published file, each as a function of its path.

Those that edit through HDF5 leave a file that opens and reads without any error.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from quarry.trajectory.chunk_map import read_chunk_map
from quarry.trajectory.manifest import manifest_path
from tests.trajectory.examples import publish_example

Damage = Callable[[Path], None]


def edit(change: Callable[[h5py.File], None]) -> Damage:
    def damage(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            change(file)

    return damage


def bytes_of_chunk(path: Path, sample: int) -> tuple[int, int]:
    with h5py.File(path, "r") as file:
        return read_chunk_map(file["trajectories"]).extents_of(sample)[0]


def overwrite(path: Path, start: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(data)


def flip_bit(path: Path, position: int, bit: int = 0) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ (1 << bit)]))


def zero_page(path: Path) -> None:
    start, end = bytes_of_chunk(path, 2)
    overwrite(path, start + 512, bytes(min(4096, end - start - 512)))


def zero_chunk(path: Path) -> None:
    start, end = bytes_of_chunk(path, 2)
    overwrite(path, start, bytes(end - start))


def flip_text(path: Path) -> None:
    position = path.read_bytes().index(b"Question: ")
    flip_bit(path, position)


def flip_state(path: Path) -> None:
    flip_bit(path, bytes_of_chunk(path, 4)[0] + 100)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def append_bytes(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"trailing")


def damage_manifest(path: Path) -> None:
    values = json.loads(manifest_path(path).read_text())
    values["n_samples"] = 13
    manifest_path(path).write_text(json.dumps(values))


def cut_manifest(path: Path) -> None:
    os.truncate(manifest_path(path), 700)


def swap_partition(path: Path) -> None:
    data_dir = path.parents[3] / "other"
    other, _ = publish_example(data_dir, task="logiqa", benchmark="logiqa-0shot")
    shutil.copy(other, path)
    manifest_path(path).unlink()


def missing_chunk(path: Path) -> None:
    """A chunk that was never written: only possible in a new file."""
    with h5py.File(path, "r+") as file:
        old = file["trajectories"]
        states, chunks = old[:], old.chunks
        lengths = file["sequence_lengths"][:]
        del file["trajectories"]
        new = file.create_dataset("trajectories", states.shape, states.dtype, chunks=chunks)
        for row, length in enumerate(lengths):
            if row != 5:
                new[row, :length] = states[row, :length]


def set_states(row: int, value: float, tokens: slice = slice(None)) -> Damage:
    def change(file: h5py.File) -> None:
        length = int(file["sequence_lengths"][row])
        states = file["trajectories"][row, :length]
        states[tokens] = value
        file["trajectories"][row, :length] = states

    return edit(change)


def zero_one_layer(file: h5py.File) -> None:
    file["trajectories"][3, 2, 1] = 0


def left_padded(file: h5py.File) -> None:
    """Rows of padding, all alike, stored in front; as many last rows lost."""
    pad = np.random.default_rng(1).standard_normal((3, 64)).astype(np.float16)
    for row, length in enumerate(file["sequence_lengths"][:]):
        states = file["trajectories"][row, :length]
        n_pad = min(4, length - 1)
        states[n_pad:] = states[: length - n_pad].copy()
        states[:n_pad] = pad
        file["trajectories"][row, :length] = states


def one_pad_row(file: h5py.File) -> None:
    """One row of padding per sample: all samples begin alike for longer than their tokens do."""
    pad = np.random.default_rng(1).standard_normal((3, 3, 64)).astype(np.float16)
    for row in range(12):
        file["trajectories"][row, :3] = pad


def constant_states(file: h5py.File) -> None:
    length = int(file["sequence_lengths"][6])
    file["trajectories"][6, :length] = file["trajectories"][6, 3]


def same_states_twice(file: h5py.File) -> None:
    file["sequence_lengths"][7] = file["sequence_lengths"][8]
    file["trajectories"][7] = file["trajectories"][8]


def maximal_lengths(file: h5py.File) -> None:
    file["sequence_lengths"][:] = 60


def one_length(file: h5py.File) -> None:
    file["sequence_lengths"][:] = int(file["sequence_lengths"][:].min())


def impossible_length(file: h5py.File) -> None:
    file["sequence_lengths"][1] = 61


def empty_row(file: h5py.File) -> None:
    file["sequence_lengths"][9] = 0
    file["prompts"][9] = ""


def error_output(file: h5py.File) -> None:
    file["model_outputs"][2] = "ERROR: CUDA out of memory"


def doubled_id(file: h5py.File) -> None:
    file["samples/ids"][4] = file["samples/ids"][3]


def same_prompts(file: h5py.File) -> None:
    file["prompts"][:] = file["prompts"][0]


def cut_prompt(file: h5py.File) -> None:
    file["prompts"][3] = file["prompts"][3].decode()[:-12]


def cut_tokens(file: h5py.File) -> None:
    """Every prompt cut on the right to the same three tokens."""
    offsets = file["samples/token_offsets"][:]
    lengths = file["samples/prompt_lengths"][:]
    tokens = file["samples/token_ids"][:]
    for start in offsets[:-1]:
        tokens[start : start + 3] = (1, 2, 2)
    file["samples/token_ids"][:] = tokens
    file["samples/output_lengths"][:] += lengths - 3
    file["samples/prompt_lengths"][:] = 3


def shifted_tokens(file: h5py.File) -> None:
    file["samples/token_offsets"][3] += 1


def half_precision_lost(file: h5py.File) -> None:
    states = file["trajectories"][:]
    del file["trajectories"]
    file["trajectories"] = states.astype(np.float32)


def wrong_number_of_labels(file: h5py.File) -> None:
    prompts = file["prompts"][:-1]
    del file["prompts"]
    file.create_dataset("prompts", data=prompts, dtype=h5py.string_dtype())


def delete(name: str) -> Damage:
    def change(file: h5py.File) -> None:
        del file[name]

    return edit(change)


def delete_attribute(file: h5py.File) -> None:
    del file.attrs["scope"]


def wrong_layers(file: h5py.File) -> None:
    file.attrs["layers"] = [0, 2]


def unfinished(file: h5py.File) -> None:
    file.attrs["complete"] = False


def flip_length(file: h5py.File) -> None:
    file["samples/output_lengths"][3] += 1


DAMAGES: dict[str, tuple[Damage, str, str]] = {
    "deleted file": (Path.unlink, "file_complete", "missing"),
    "emptied file": (lambda path: os.truncate(path, 0), "file_complete", "empty"),
    "truncated file": (truncate, "file_complete", "truncated"),
    "trailing bytes": (append_bytes, "file_complete", "trailing_bytes"),
    "overwritten head": (
        lambda path: overwrite(path, 0, bytes(16)),
        "file_complete",
        "no_signature",
    ),
    "set open flag": (lambda path: overwrite(path, 11, b"\1"), "file_complete", "open_for_write"),
    "changed manifest": (damage_manifest, "file_complete", "manifest_damaged"),
    "cut manifest": (cut_manifest, "file_complete", "manifest_damaged"),
    "deleted manifest": (
        lambda path: manifest_path(path).unlink(),
        "file_complete",
        "manifest_missing",
    ),
    "zeroed page": (zero_page, "chunks_intact", "states_changed"),
    "zeroed chunk": (zero_chunk, "chunks_intact", "states_changed"),
    "flipped state bit": (flip_state, "chunks_intact", "states_changed"),
    "flipped text bit": (flip_text, "chunks_intact", "dataset_changed"),
    "changed lengths": (edit(flip_length), "chunks_intact", "dataset_changed"),
    "missing chunk": (missing_chunk, "layout_valid", "missing_chunk"),
    "impossible length": (edit(impossible_length), "layout_valid", "wrong_length"),
    "float32 states": (edit(half_precision_lost), "layout_valid", "wrong_type"),
    "a prompt too few": (edit(wrong_number_of_labels), "layout_valid", "wrong_shape"),
    "no outputs": (delete("model_outputs"), "layout_valid", "dataset_missing"),
    "no ids": (delete("samples/ids"), "layout_valid", "dataset_missing"),
    "no label link": (delete("is_correct"), "layout_valid", "dataset_missing"),
    "no scope": (edit(delete_attribute), "layout_valid", "attribute_missing"),
    "wrong layers": (edit(wrong_layers), "layout_valid", "attribute_mismatch"),
    "unfinished": (edit(unfinished), "layout_valid", "not_finished"),
    "another partition": (swap_partition, "layout_valid", "wrong_partition"),
    "NaN row": (set_states(3, np.nan, slice(4, 5)), "activations_sane", "non_finite"),
    "infinite row": (set_states(3, np.inf, slice(4, 5)), "activations_sane", "non_finite"),
    "zero sample": (set_states(3, 0), "activations_sane", "all_zero"),
    "zero row": (set_states(3, 0, slice(4, 5)), "activations_sane", "zero_row"),
    "zero prefix": (set_states(3, 0, slice(0, 2)), "activations_sane", "pad_prefix"),
    "zero tail": (set_states(3, 0, slice(-2, None)), "activations_sane", "zero_tail"),
    "zero layer": (edit(zero_one_layer), "activations_sane", "zero_layer"),
    "left padding": (edit(left_padded), "activations_sane", "pad_prefix"),
    "one pad row": (edit(one_pad_row), "activations_sane", "pad_prefix"),
    "constant states": (edit(constant_states), "activations_sane", "constant"),
    "doubled states": (edit(same_states_twice), "activations_sane", "duplicate_states"),
    "maximal lengths": (edit(maximal_lengths), "lengths_plausible", "constant_at_maximum"),
    "one length": (edit(one_length), "lengths_plausible", "constant"),
    "other lengths": (edit(one_length), "lengths_plausible", "scope_mismatch"),
    "same prompts": (edit(same_prompts), "lengths_plausible", "prompts_identical"),
    "one prompt cut": (edit(cut_prompt), "lengths_plausible", "question_cut"),
    "all prompts cut": (edit(cut_tokens), "lengths_plausible", "question_cut"),
    "phantom row": (edit(empty_row), "rows_complete", "phantom_row"),
    "row missing": (edit(empty_row), "rows_complete", "row_count"),
    "error row": (edit(error_output), "rows_complete", "error_row"),
    "doubled id": (edit(doubled_id), "rows_complete", "duplicate_id"),
    "shifted tokens": (edit(shifted_tokens), "rows_complete", "token_count"),
}
