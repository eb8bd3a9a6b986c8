"""Which cell of the grid an older file is for, by its path and by what it says of itself.

Names of files become names of cells only where the catalog has them; nothing is guessed where two
sources contradict each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from quarry.adoption.old_files import NAME_END, OldFile
from quarry.catalog import Catalog
from quarry.keys import TrajectoryKey

_SHOTS = re.compile(r"(?:.*[_-])?(?P<n>\d{1,4})[_-]?shots?", re.IGNORECASE)


@dataclass(frozen=True)
class CellGuess:
    """The cell of a file, or why there is none.

    Args:
        key: the cell; None where the file can't be mapped.
        reason: why not, or what the mapping rests on.
    """

    key: TrajectoryKey | None
    reason: str


def cell_of(file: OldFile, catalog: Catalog) -> CellGuess:
    """The cell that a file is for.

    Known are `<model>/<task>_trajectories.h5`, with a folder such as `8shot` or `old_8shot` above
    it or not, and the attributes `model` (the catalog's name or the hub id), `task` and `n_shot`.
    Without any word on shots the prompts decide, and where they don't tell either, it is 0.
    """
    if file.problem:
        return CellGuess(None, file.problem)
    model = _agreed("model", _models(file, catalog), f"catalog {catalog.name!r}")
    task = _agreed("task", _tasks(file, catalog), f"catalog {catalog.name!r}")
    n_shot = _shots(file)
    for part in (model, task, n_shot):
        if part.reason:
            return CellGuess(None, part.reason)
    shots = int(n_shot.value)
    if shots not in catalog.shots:
        known = ", ".join(map(str, catalog.shots))
        return CellGuess(None, f"{shots} shots are not in the grid of the catalog, {known} are")
    key = TrajectoryKey(model.value, task.value, shots)
    return CellGuess(key, n_shot.note)


@dataclass(frozen=True)
class _Part:
    """One part of a key: a value, or a reason why there is none."""

    value: str = ""
    reason: str = ""
    note: str = ""


Claims = Iterable[tuple[str, str, str | None]]
"""`(source, what it says, the catalog's name for it or None)`."""


def _agreed(what: str, claims: Claims, known_in: str) -> _Part:
    """What all sources say; attributes must name something known, a path may say nothing."""
    said = list(claims)
    unknown = [f"{source} says {text!r}" for source, text, name in said if name is None]
    names = {name for _, _, name in said if name is not None}
    if len(names) > 1:
        both = " but ".join(f"{source} says {text!r}" for source, text, name in said if name)
        return _Part(reason=f"the {what} is contradictory: {both}")
    if any(text.startswith("attribute") for text in unknown) or not names:
        where = "; ".join(unknown) or "neither path nor attributes name one"
        return _Part(reason=f"the {what} is not in {known_in}: {where}")
    return _Part(value=names.pop())


def _models(file: OldFile, catalog: Catalog) -> Claims:
    """What path and attribute say of the model."""
    names = {name: name for name in catalog.models}
    for name, spec in catalog.models.items():
        if spec.hub_id is not None:
            names |= {spec.hub_id: name, spec.hub_id.rpartition("/")[2]: name}
    folded = {text.casefold(): name for text, name in names.items()}
    yield (
        "the folder",
        file.path.absolute().parent.name,
        folded.get(file.path.absolute().parent.name.casefold()),
    )
    said = str(file.attributes.get("model", ""))
    if said:
        last = said.rstrip("/").rpartition("/")[2]
        yield "attribute model", said, folded.get(said.casefold()) or folded.get(last.casefold())


def _tasks(file: OldFile, catalog: Catalog) -> Claims:
    """What file name and attribute say of the task."""
    names = {task.casefold(): task for task in catalog.benchmarks}
    name = file.path.name
    task = name.removesuffix(NAME_END)
    yield "the file name", name, names.get(task.casefold()) if task != name else None
    said = str(file.attributes.get("task", ""))
    if said:
        yield "attribute task", said, names.get(said.casefold())


def _shots(file: OldFile) -> _Part:
    """The number of shots by path, attribute and prompts."""
    said = {"the path": shots_of_path(file.path.absolute()), "attribute n_shot": _attribute(file)}
    numbers = {number for number in said.values() if number is not None}
    if len(numbers) > 1:
        both = " but ".join(f"{source} says {n}" for source, n in said.items())
        return _Part(reason=f"the number of shots is contradictory: {both}")
    shown = file.n_examples
    if not numbers:
        note = "by the prompts" if shown is not None else "nothing names another number"
        return _Part(str(shown or 0), note=f"{shown or 0} shots: {note}")
    number = numbers.pop()
    # Fewer examples than said are a defect of the prompts, which verification names.
    if number == 0 and shown:
        return _Part(reason=f"path or attribute says 0 shots, but the prompts show {shown}")
    return _Part(str(number))


def shots_of_path(path: Path) -> int | None:
    """The number of shots that the nearest folder with such a name says."""
    for folder in path.parents:
        found = _SHOTS.fullmatch(folder.name)
        if found is not None:
            return int(found["n"])
    return None


def _attribute(file: OldFile) -> int | None:
    """The attribute `n_shot`, if it is a number."""
    said = str(file.attributes.get("n_shot", ""))
    return int(said) if said.isdecimal() else None
