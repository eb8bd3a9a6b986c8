"""Finding files of older pipelines below a directory, and asking each what it says of itself.

Which cell of the grid a file is for is decided in `cells`; HDF5 is opened in `introduce_child`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quarry.guard.guarded import run_guarded
from quarry.trajectory.layout import TRAJECTORIES
from quarry.trajectory.verify_light import check_light

NAME_END = "_trajectories.h5"
_ENDINGS = (".h5", ".hdf5")
_CHILD = "quarry.adoption.introduce_child"
_DEADLINE_S = 120.0
_UNSUITED = {"no_signature", "empty", "bad_superblock", "not_a_file", "missing"}


@dataclass(frozen=True)
class OldFile:
    """One file and what it says of itself.

    Args:
        path: the file.
        attributes: those root attributes that name a cell, plain values; none in a file that can't
            be opened.
        n_examples: worked examples in nearly every prompt; None where prompts don't tell.
        questions: what each row asks, folded as by `prompt_parts.folded`; empty if unknown.
        problem: why this is no trajectory file at all; empty if it may be one.
    """

    path: Path
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    n_examples: int | None = None
    questions: tuple[str, ...] = ()
    problem: str = ""


def find_files(folder: Path, data_dir: Path) -> list[Path]:
    """All files that may be trajectories, by name, in order.

    Hidden files are left out, and of the platform's own directory all but published trajectories.
    """
    own = data_dir.resolve()
    found = [path for path in folder.rglob("*") if path.name.endswith(_ENDINGS) and path.is_file()]
    return sorted(path for path in found if _may_be(path, folder, own))


def introduce(path: Path) -> OldFile:
    """Ask a file what it says of itself; one that can't be opened says nothing."""
    light = check_light(path)
    unsuited = [found for found in light.findings if found.kind in _UNSUITED]
    if unsuited:
        return OldFile(path, problem=f"{unsuited[0].what}: {unsuited[0].got}")
    if not light.can_be_opened:
        return OldFile(path)
    outcome = run_guarded(_CHILD, {"path": str(path)}, _DEADLINE_S)
    told: dict[str, Any] = {}
    for message in outcome.messages:
        told |= message
    if told.get("is_trajectory") is False:
        return OldFile(path, problem=f"the file has no dataset {TRAJECTORIES!r}")
    return OldFile(
        path,
        told.get("attributes", {}),
        told.get("n_examples"),
        tuple(told.get("questions", ())),
    )


def _may_be(path: Path, folder: Path, own: Path) -> bool:
    """Whether a path below a folder is looked at."""
    if any(part.startswith(".") for part in path.relative_to(folder).parts):
        return False
    real = path.resolve()
    return not real.is_relative_to(own) or real.is_relative_to(own / TRAJECTORIES)
