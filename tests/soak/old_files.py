"""Files as the older pipelines wrote them, in every container that such a file may lie in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from quarry.keys import TrajectoryKey
from quarry.trajectory.describe import describe_file
from quarry.trajectory.layout import TrajectoryHeader, TrajectoryRow
from quarry.trajectory.manifest import manifest_path, write_manifest
from quarry.trajectory.report import RULES_VERSION

KEY = TrajectoryKey("olmo3_base", "gsm8k", 0)


@dataclass(frozen=True)
class Container:
    """How an old file is stored.

    Args:
        file_options: of `h5py.File`: `libver`, `userblock_size`, `fs_strategy`.
        states_options: of `create_dataset` for the activations: chunks and filters.
        string_bytes: size of texts of fixed length; None for texts of variable length.
        has_attributes: whether the root attributes of the older pipelines are there.
        is_labels_first: whether labels and texts are written before the activations.
    """

    file_options: dict[str, Any] = field(default_factory=dict[str, Any])
    states_options: dict[str, Any] = field(default_factory=dict[str, Any])
    string_bytes: int | None = None
    has_attributes: bool = True
    is_labels_first: bool = True


def write_old(
    path: Path, header: TrajectoryHeader, rows: Sequence[TrajectoryRow], how: Container
) -> Path:
    """Write rows as an older pipeline did; labels alternate."""
    path.parent.mkdir(parents=True, exist_ok=True)
    states = np.zeros((len(rows), *header.shape[1:]), dtype=np.float16)
    for index, row in enumerate(rows):
        states[index, : len(row.hidden_states)] = row.hidden_states
    with h5py.File(path, "w", **how.file_options) as file:
        if how.has_attributes:
            _write_attributes(file, header, len(rows))
        if how.is_labels_first:
            _write_columns(file, rows, how.string_bytes)
        file.create_dataset("trajectories", data=states, **how.states_options)
        if not how.is_labels_first:
            _write_columns(file, rows, how.string_bytes)
    return path


def adopt(path: Path, key: TrajectoryKey = KEY) -> Path:
    """Write manifest and table of digests beside an old file, as adoption does."""
    manifest, _ = describe_file(path, origin="adopted", cell=key, rules_version=RULES_VERSION)
    write_manifest(manifest_path(path), manifest)
    return path


def _write_attributes(file: h5py.File, header: TrajectoryHeader, n_rows: int) -> None:
    """The seven attributes of the older pipelines."""
    file.attrs["model"], file.attrs["task"] = header.model, header.task
    file.attrs["n_samples"], file.attrs["max_seq_len"] = n_rows, header.max_seq_len
    file.attrs["layers"], file.attrs["d_model"] = list(header.layers), header.d_model
    file.attrs["collection_date"] = header.collection_date


def _write_columns(
    file: h5py.File, rows: Sequence[TrajectoryRow], string_bytes: int | None
) -> None:
    """Lengths, labels and texts."""
    lengths = [len(row.hidden_states) for row in rows]
    file["sequence_lengths"] = np.asarray(lengths, dtype=np.int32)
    file["is_correct"] = np.asarray([index % 2 == 0 for index in range(len(rows))])
    texts = {
        "prompts": [row.prompt for row in rows],
        "model_outputs": [row.model_output for row in rows],
        "ground_truth": [row.ground_truth for row in rows],
    }
    text = h5py.string_dtype("utf-8", string_bytes)
    for name, values in texts.items():
        kind: Any = object if string_bytes is None else text
        given = np.asarray([one.encode("utf-8") for one in values], dtype=kind)
        file.create_dataset(name, data=given, dtype=text)
