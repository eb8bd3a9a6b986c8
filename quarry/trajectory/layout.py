"""What a trajectory file holds: names, types, the chunk rule, its header and its rows.

Nothing here opens a file. The six legacy datasets lie at the root, so that plain h5py reads them
as it read the files of the older pipelines; what is new lies in the group `samples`.

    /trajectories      (n_samples, max_seq_len, n_layers, d_model) float16, valid rows first
    /sequence_lengths  (n_samples,) int32, valid token rows of each sample
    /prompts /model_outputs /ground_truth   (n_samples,) UTF-8
    /is_correct        external link to the labelled view, so that labels are always the newest
    /samples/          ids, prompt_lengths, output_lengths, finish_reasons, exemplar_ids, tokens
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from quarry.errors import TrajectoryFormatError
from quarry.inference.engine import FinishReason, Scope
from quarry.keys import TrajectoryKey

FORMAT_VERSION = 1
LIBVER = ("v110", "v110")
"""From this HDF5 version on, a file that its writer did not close is refused by readers."""

TRAJECTORIES = "trajectories"
SEQUENCE_LENGTHS = "sequence_lengths"
PROMPTS = "prompts"
MODEL_OUTPUTS = "model_outputs"
GROUND_TRUTH = "ground_truth"
IS_CORRECT = "is_correct"
TEXTS = (PROMPTS, MODEL_OUTPUTS, GROUND_TRUTH)
LEGACY_DATASETS = (TRAJECTORIES, SEQUENCE_LENGTHS, IS_CORRECT, *TEXTS)

SAMPLES = "samples"
IDS = "samples/ids"
PROMPT_LENGTHS = "samples/prompt_lengths"
OUTPUT_LENGTHS = "samples/output_lengths"
FINISH_REASONS = "samples/finish_reasons"
EXEMPLAR_IDS = "samples/exemplar_ids"
TOKEN_IDS = "samples/token_ids"
TOKEN_OFFSETS = "samples/token_offsets"
SAMPLE_TEXTS = (IDS, FINISH_REASONS, EXEMPLAR_IDS)
SAMPLE_LENGTHS = (PROMPT_LENGTHS, OUTPUT_LENGTHS)

STATE_DTYPE = np.dtype("<f2")
LENGTH_DTYPE = np.dtype("<i4")
OFFSET_DTYPE = np.dtype("<i8")

MIB = 1 << 20
_CHUNK_BYTES = MIB
_SMALL_CHUNK_BYTES = 8 << 10
_CHUNK_TOKENS = 16

States = npt.NDArray[np.float16]
"""`(n_tokens, n_layers, d_model)` float16."""


def block_tokens(n_layers: int, d_model: int) -> int:
    """How many tokens of one sample one digest covers.

    A block is about 1 MiB, but not more than 16 tokens (or 8 KiB). It depends on nothing but the
    size of a token, so that a sample's digest stays what it is however a file is laid out.
    """
    token_bytes = n_layers * d_model * STATE_DTYPE.itemsize
    small = max(_CHUNK_TOKENS, _SMALL_CHUNK_BYTES // token_bytes)
    return max(1, min(_CHUNK_BYTES // token_bytes, small))


def chunk_tokens(max_seq_len: int, n_layers: int, d_model: int) -> int:
    """How many tokens of one sample lie in one chunk: a block of digests.

    One sample is so read in few pieces; what a chunk holds beyond a sample's last token is stored
    padding, on average half a chunk a sample.
    """
    return min(block_tokens(n_layers, d_model), max_seq_len)


def storable_text(text: str) -> str:
    """The text as HDF5 can hold it: NUL becomes U+2400, a lone surrogate U+FFFD.

    HDF5 ends strings at NUL. The exact output stays in the token ids.
    """
    return text.replace("\0", "\u2400").encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def relative_link(source: PurePosixPath, target: PurePosixPath) -> str:
    """The path of `target` as seen from the folder of `source`, both below the data directory."""
    return "/".join([".."] * (len(source.parts) - 1) + list(target.parts))


@dataclass(frozen=True)
class TrajectoryHeader:
    """What a whole file has in common; stored as attributes of the root group.

    Args:
        model: name of the model in the catalog.
        model_source: hub id, path or recipe that the weights come from.
        model_revision: commit of the hub repository, or digest of a checkpoint; empty if unknown.
        task: name of the benchmark in the catalog, such as `gsm8k`.
        n_shot: worked examples in each prompt.
        benchmark: the `benchmark` partition key, such as `gsm8k-8shot`.
        scope: the tokens whose states are stored.
        layers: decoder blocks captured, counted from 0; their output, before any final norm.
        d_model: width of the residual stream.
        max_seq_len: most token rows that a sample may have.
        n_samples: number of samples that the finished file holds.
        seed: seed of the draw and of generation.
        generation: generation parameters, plain JSON values.
        prompt_style: `raw` or `chat`.
        engine: what ran the model, plain JSON values.
        code_version: version of the code that collected.
        collection_date: ISO 8601 with time zone UTC.
        partial_of: number of samples that the whole file would hold, where this one is what could
            be salvaged of it; 0 for a whole file.
    """

    model: str
    model_source: str
    model_revision: str
    task: str
    n_shot: int
    benchmark: str
    scope: Scope
    layers: tuple[int, ...]
    d_model: int
    max_seq_len: int
    n_samples: int
    seed: int
    generation: Mapping[str, Any]
    prompt_style: str
    engine: Mapping[str, Any]
    code_version: str
    collection_date: str
    partial_of: int = 0

    def __post_init__(self) -> None:
        """Refuse what could not be stored or would make no readable file."""
        wrong = self._problems()
        if wrong:
            raise TrajectoryFormatError(
                "A trajectory header is wrong",
                where=f"header of {self.model!r}, {self.benchmark!r}",
                expected="the values described in TrajectoryHeader",
                got="; ".join(wrong),
                fix="correct the caller",
            )

    def _problems(self) -> list[str]:
        """All that is wrong, each with its value."""
        wrong = [
            f"{name} is {getattr(self, name)}"
            for name in ("d_model", "max_seq_len", "n_samples")
            if getattr(self, name) < 1
        ]
        if not self.layers or min(self.layers) < 0 or len(set(self.layers)) != len(self.layers):
            wrong.append(f"layers are {self.layers}")
        if self.scope not in get_args(Scope):
            wrong.append(f"scope is {self.scope!r}")
        if not _is_utc(self.collection_date):
            wrong.append(f"collection_date is {self.collection_date!r}, not ISO 8601 in UTC")
        try:
            json.dumps([self.generation, self.engine])
        except (TypeError, ValueError) as error:
            wrong.append(f"generation or engine is no plain JSON: {error}")
        return wrong

    @property
    def key(self) -> TrajectoryKey:
        """The grid cell that this file belongs to."""
        return TrajectoryKey(self.model, self.task, self.n_shot)

    @property
    def n_layers(self) -> int:
        """Number of captured layers."""
        return len(self.layers)

    @property
    def token_bytes(self) -> int:
        """Size in bytes of one stored token: all layers, all dimensions."""
        return self.n_layers * self.d_model * STATE_DTYPE.itemsize

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of `trajectories`: `(n_samples, max_seq_len, n_layers, d_model)`."""
        return (self.n_samples, self.max_seq_len, self.n_layers, self.d_model)

    @property
    def chunk_shape(self) -> tuple[int, int, int, int]:
        """Shape of a chunk of `trajectories`: one sample, some tokens."""
        tokens = chunk_tokens(self.max_seq_len, self.n_layers, self.d_model)
        return (1, tokens, self.n_layers, self.d_model)

    @property
    def block_tokens(self) -> int:
        """Tokens that one digest covers."""
        return block_tokens(self.n_layers, self.d_model)

    @property
    def labels_link(self) -> str:
        """Path of the labelled view as seen from the published trajectory file."""
        return relative_link(self.key.trajectory_path, self.key.labelled_path)


def _is_utc(text: str) -> bool:
    """Whether a text is a date and time in UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return False
    offset = moment.utcoffset()
    return offset is not None and not offset


@dataclass(frozen=True)
class TrajectoryRow:
    """One sample as it is stored.

    Args:
        sample_id: id of the sample, such as `gsm8k/test/17`.
        prompt: the prompt as the model saw it, chat template applied.
        model_output: decoded output, cut before the stop string.
        ground_truth: the gold answer.
        hidden_states: `(n_tokens, n_layers, d_model)` float16; n_tokens as the scope says.
        prompt_length: tokens of the prompt.
        output_length: tokens of the output.
        token_ids: `(prompt_length + output_length,)` int32, prompt first.
        finish_reason: `stop` or `length`.
        exemplar_ids: ids of the worked examples in the prompt, in order.
    """

    sample_id: str
    prompt: str
    model_output: str
    ground_truth: str
    hidden_states: States
    prompt_length: int
    output_length: int
    token_ids: npt.NDArray[np.int32]
    finish_reason: FinishReason
    exemplar_ids: tuple[str, ...] = field(default=())


def states_of_scope(scope: Scope, prompt_length: int, output_length: int) -> int:
    """How many token rows a sample has under a capture scope."""
    lengths = {"prompt": prompt_length, "output": output_length}
    return lengths.get(scope, prompt_length + output_length)
