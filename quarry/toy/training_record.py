"""`TrainingRecord`: what lies beside a trained toy checkpoint, by which a finished one is found.

What else each kind of training records is declared in `models` and `codi`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import blake3

from quarry.samples import Sample

WEIGHTS = "model.safetensors"

_RECORD = "training.json"
_CURVE_POINTS = 50


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """How a checkpoint came about; stored beside it as `training.json`.

    Args:
        seed: the seed.
        version: of the training code.
        budget: what was spent.
        data_digest: blake3 of the training samples.
        parent_digest: blake3 of the parent's weights; None for a model without parent.
        digest: blake3 of the weights.
        wall_s: seconds it took.
        loss_curve: mean loss of equal parts of the run, in order.
    """

    seed: int
    version: int
    budget: dict[str, int]
    data_digest: str
    parent_digest: str | None
    digest: str
    wall_s: float
    loss_curve: list[float]


Record = TypeVar("Record", bound=TrainingRecord)


def read_record(directory: Path, kind: type[Record]) -> Record | None:
    """The record of a finished checkpoint whose weights are unchanged; None for anything else."""
    try:
        record = kind(**json.loads((directory / _RECORD).read_text(encoding="utf-8")))
        is_whole = file_digest(directory / WEIGHTS) == record.digest
    except (OSError, ValueError, TypeError):
        return None
    return record if is_whole else None


def write_record(directory: Path, record: TrainingRecord) -> None:
    """Write a record beside the weights."""
    (directory / _RECORD).write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")


def finished_as(directory: Path, kind: type[Record], wanted: Mapping[str, Any]) -> Record | None:
    """The record of a finished checkpoint that came about just as `wanted`; None without one."""
    record = read_record(directory, kind)
    if record is None or not wanted.items() <= asdict(record).items():
        return None
    return record


def data_digest(samples: Mapping[str, Sequence[Sample]]) -> str:
    """Digest of all that training sees of the samples."""
    hasher = blake3.blake3()
    for format, pool in samples.items():
        for sample in pool:
            row = [format, sample.id, sample.input, sample.target, sample.choices]
            hasher.update(json.dumps(row).encode())
    return hasher.hexdigest()


def file_digest(path: Path) -> str:
    """Blake3 of a file."""
    return blake3.blake3(path.read_bytes()).hexdigest()


def curve(losses: Sequence[float]) -> list[float]:
    """The losses as the means of at most 50 equal parts."""
    width = max(1, -(-len(losses) // _CURVE_POINTS))
    parts = [losses[start : start + width] for start in range(0, len(losses), width)]
    return [round(sum(part) / len(part), 4) for part in parts]
