"""The per-sample columns of a file, read whole: texts, lengths, ids and tokens, not activations.

Used by the reader and by verification, so that a column is read in one way. Files of the older
pipelines have no group `samples`; what they lack is None.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import h5py
import numpy as np
import numpy.typing as npt

from quarry.errors import TrajectoryFormatError
from quarry.trajectory.layout import (
    EXEMPLAR_IDS,
    FINISH_REASONS,
    GROUND_TRUTH,
    IDS,
    LENGTH_DTYPE,
    MODEL_OUTPUTS,
    OUTPUT_LENGTHS,
    PROMPT_LENGTHS,
    PROMPTS,
    SAMPLES,
    SEQUENCE_LENGTHS,
    TOKEN_IDS,
    TOKEN_OFFSETS,
)

Lengths = npt.NDArray[np.int32]


@dataclass(frozen=True)
class SampleColumns:
    """The group `samples`, one entry a sample.

    Args:
        ids: sample ids.
        prompt_lengths: `(n_samples,)` int32, tokens.
        output_lengths: `(n_samples,)` int32, tokens.
        finish_reasons: `stop` or `length`.
        exemplar_ids: JSON lists of sample ids.
        token_ids: `(n_all_tokens,)` int32, prompt and output of every sample, end to end.
        token_offsets: `(n_samples + 1,)` int64, where each sample's tokens begin.
    """

    ids: list[str]
    prompt_lengths: Lengths
    output_lengths: Lengths
    finish_reasons: list[str]
    exemplar_ids: list[str]
    token_ids: Lengths
    token_offsets: npt.NDArray[np.int64]

    def tokens_of(self, index: int) -> Lengths:
        """Token ids of one sample, prompt first: `(prompt_length + output_length,)` int32."""
        return self.token_ids[self.token_offsets[index] : self.token_offsets[index + 1]]

    def exemplars_of(self, index: int) -> tuple[str, ...]:
        """Ids of the worked examples in one sample's prompt."""
        return tuple(json.loads(self.exemplar_ids[index]))


@dataclass(frozen=True)
class Columns:
    """All columns but the activations.

    Args:
        sequence_lengths: `(n_samples,)` int32, valid token rows.
        prompts: prompts as the model saw them.
        model_outputs: decoded outputs.
        ground_truth: gold answers.
        samples: the group `samples`; None in files of the older pipelines.
    """

    sequence_lengths: Lengths
    prompts: list[str]
    model_outputs: list[str]
    ground_truth: list[str]
    samples: SampleColumns | None

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.sequence_lengths)

    def id_of(self, index: int) -> str:
        """The sample's id, or `row 17` in a file that stores none."""
        return self.samples.ids[index] if self.samples else f"row {index}"

    def cells_of(self, index: int) -> dict[str, bytes]:
        """One row's columns as bytes, as `digests.row_digest` takes them."""
        return {name: rows[index] for name, rows in self.rows.items()}

    @cached_property
    def rows(self) -> dict[str, list[bytes]]:
        """Each column as rows of bytes, as `digests.column_digest` takes them."""
        texts = {PROMPTS: self.prompts, MODEL_OUTPUTS: self.model_outputs}
        texts[GROUND_TRUTH] = self.ground_truth
        numbers = {SEQUENCE_LENGTHS: self.sequence_lengths}
        made: dict[str, list[bytes]] = {}
        if self.samples is not None:
            texts[IDS] = self.samples.ids
            texts[FINISH_REASONS] = self.samples.finish_reasons
            texts[EXEMPLAR_IDS] = self.samples.exemplar_ids
            numbers[PROMPT_LENGTHS] = self.samples.prompt_lengths
            numbers[OUTPUT_LENGTHS] = self.samples.output_lengths
            made[TOKEN_IDS] = [
                self.samples.tokens_of(index).tobytes() for index in range(self.n_samples)
            ]
        made |= {name: [text.encode("utf-8") for text in rows] for name, rows in texts.items()}
        return made | {name: [length_bytes(n) for n in rows] for name, rows in numbers.items()}


def length_bytes(length: int) -> bytes:
    """A length as its column's digest takes it: int32, little-endian."""
    return int(length).to_bytes(LENGTH_DTYPE.itemsize, "little", signed=True)


def dataset(file: h5py.Group, name: str) -> h5py.Dataset:
    """A dataset by name.

    Raises:
        TrajectoryFormatError: it is missing or no dataset.
    """
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise TrajectoryFormatError(
            "A dataset is missing",
            where=f"{file.file.filename}, dataset {name!r}",
            expected="a dataset",
            got="nothing" if found is None else type(found).__name__,
            fix="verify the file with `quarry verify`",
        )
    return found


def read_texts(file: h5py.Group, name: str) -> list[str]:
    """A column of UTF-8 strings, fixed or variable length."""
    raw = cast("list[bytes | str]", dataset(file, name)[:].tolist())
    return [row.decode("utf-8") if isinstance(row, bytes) else row for row in raw]


def read_lengths(file: h5py.Group, name: str) -> Lengths:
    """A column of lengths as int32."""
    return dataset(file, name)[:].astype(LENGTH_DTYPE)


def read_columns(file: h5py.Group) -> Columns:
    """Read all columns.

    Raises:
        TrajectoryFormatError: one is missing.
    """
    return Columns(
        sequence_lengths=read_lengths(file, SEQUENCE_LENGTHS),
        prompts=read_texts(file, PROMPTS),
        model_outputs=read_texts(file, MODEL_OUTPUTS),
        ground_truth=read_texts(file, GROUND_TRUTH),
        samples=_read_samples(file) if SAMPLES in file else None,
    )


def _read_samples(file: h5py.Group) -> SampleColumns:
    """Read the group `samples`."""
    return SampleColumns(
        ids=read_texts(file, IDS),
        prompt_lengths=read_lengths(file, PROMPT_LENGTHS),
        output_lengths=read_lengths(file, OUTPUT_LENGTHS),
        finish_reasons=read_texts(file, FINISH_REASONS),
        exemplar_ids=read_texts(file, EXEMPLAR_IDS),
        token_ids=read_lengths(file, TOKEN_IDS),
        token_offsets=dataset(file, TOKEN_OFFSETS)[:].astype(np.int64),
    )
