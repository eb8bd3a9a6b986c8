"""Files whose structure is right and whose values are not: one function a kind.

As in `wrong_layouts`, each returns what the finding has to name.
"""

from __future__ import annotations

import h5py
import numpy as np

from quarry.trajectory.layout import States
from tests.soak.corpus import drawn
from tests.soak.wrong_layouts import Draw


def zero_sample(file: h5py.File, rng: Draw) -> str:
    """The capture buffers were never flushed for one sample."""
    row, states = _states(file, rng)
    return _store(file, row, np.zeros_like(states))


def non_finite_row(file: h5py.File, rng: Draw) -> str:
    """NaN or infinity in one place of one token row."""
    row, states = _states(file, rng)
    place = tuple(int(rng.integers(size)) for size in states.shape)
    states[place] = drawn(rng, [np.nan, np.inf, -np.inf])
    return _store(file, row, states)


def zero_layer(file: h5py.File, rng: Draw) -> str:
    """One layer of one token row is missing."""
    row, states = _states(file, rng)
    states[int(rng.integers(len(states))), int(rng.integers(states.shape[1]))] = 0
    return _store(file, row, states)


def padding_in_front(file: h5py.File, rng: Draw) -> str:
    """Left padding was stored and as many last rows lost: states of padding are all alike."""
    lengths = file["sequence_lengths"][:]
    n_layers, d_model = file["trajectories"].shape[2:]
    pad = rng.standard_normal((n_layers, d_model)).astype(np.float16)
    for row, length in enumerate(lengths.tolist()):
        states = file["trajectories"][row, :length]
        n_pad = min(int(rng.integers(2, 6)), length - 1)
        states[n_pad:] = states[: length - n_pad].copy()
        states[:n_pad] = pad
        file["trajectories"][row, :length] = states
    return ""


def padding_behind(file: h5py.File, rng: Draw) -> str:
    """A length that reaches into padding."""
    row, states = _states(file, rng)
    states[-int(rng.integers(1, max(2, len(states) // 2))) :] = 0
    return _store(file, row, states)


def maximal_lengths(file: h5py.File, rng: Draw) -> str:
    """The length of all samples was set to the maximum."""
    file["sequence_lengths"][:] = file["trajectories"].shape[1]
    return "sequence_lengths"


def other_length(file: h5py.File, rng: Draw) -> str:
    """One sample has fewer rows than tokens."""
    row, _ = _states(file, rng)
    file["sequence_lengths"][row] -= 1
    return f"row {row}"


def impossible_length(file: h5py.File, rng: Draw) -> str:
    """A length beyond the array, or below nothing."""
    row, _ = _states(file, rng)
    most = file["trajectories"].shape[1]
    file["sequence_lengths"][row] = drawn(rng, [-1, most + 1, most + 100_000])
    return f"row {row}"


def duplicate_id(file: h5py.File, rng: Draw) -> str:
    """One sample is there twice."""
    left, right = _two(file, rng)
    file["samples/ids"][right] = file["samples/ids"][left]
    return _id(file, left)


def duplicate_states(file: h5py.File, rng: Draw) -> str:
    """The activations of one sample are stored for another one, too."""
    left, right = _two(file, rng)
    file["sequence_lengths"][right] = file["sequence_lengths"][left]
    file["trajectories"][right] = file["trajectories"][left]
    return _id(file, max(left, right))


def phantom_row(file: h5py.File, rng: Draw) -> str:
    """A row of an array that was made too large."""
    row, _ = _states(file, rng)
    file["sequence_lengths"][row], file["prompts"][row] = 0, ""
    return _id(file, row)


def error_row(file: h5py.File, rng: Draw) -> str:
    """A failed sample stored as if the model had said so."""
    row, _ = _states(file, rng)
    file["model_outputs"][row] = drawn(rng, ["ERROR: CUDA out of memory", "ERROR: timeout"])
    return _id(file, row)


def same_prompts(file: h5py.File, rng: Draw) -> str:
    """All samples were asked the same."""
    file["prompts"][:] = file["prompts"][_two(file, rng)[0]]
    return "prompts"


def cut_prompt(file: h5py.File, rng: Draw) -> str:
    """One prompt ends before its question does."""
    row, _ = _states(file, rng)
    file["prompts"][row] = file["prompts"][row].decode()[: -int(rng.integers(8, 16))]
    return _id(file, row)


def shifted_tokens(file: h5py.File, rng: Draw) -> str:
    """Token ids that begin in the middle of another sample's."""
    row = int(rng.integers(1, len(file["sequence_lengths"])))
    file["samples/token_offsets"][row] += drawn(rng, [-1, 1])
    return f"row {row}"


def _states(file: h5py.File, rng: Draw) -> tuple[int, States]:
    """Any row and its activations."""
    row = int(rng.integers(len(file["sequence_lengths"])))
    return row, file["trajectories"][row, : int(file["sequence_lengths"][row])]


def _store(file: h5py.File, row: int, states: States) -> str:
    """Put a row's activations back; returns its id."""
    file["trajectories"][row, : len(states)] = states
    return _id(file, row)


def _two(file: h5py.File, rng: Draw) -> tuple[int, int]:
    """Two different rows."""
    left, right = rng.choice(len(file["sequence_lengths"]), 2, replace=False).tolist()
    return left, right


def _id(file: h5py.File, row: int) -> str:
    """The id of a row."""
    return file["samples/ids"][row].decode()
