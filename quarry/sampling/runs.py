"""Fine-tuning runs and their checkpoints: those of the catalog, and those that a folder holds.

Looks at names, sizes and pieces of the files; loads nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from quarry.catalog_evaluation import EvaluationSpec
from quarry.errors import FileMissingError, UnknownNameError
from quarry.inference.weights_identity import weights_identity
from quarry.keys import SLUG
from quarry.sampling.keys import SampledKey
from quarry.sampling.whole_checkpoint import what_is_missing

TRAINED_CHECKPOINT = "checkpoint_final"
"""The one checkpoint of a run that is trained here."""


@dataclass(frozen=True)
class FoundCheckpoint:
    """A checkpoint that can be sampled.

    Args:
        key: its run and its name.
        path: its folder.
        identity: which weights it holds, see `weights_identity`.
    """

    key: SampledKey
    path: Path
    identity: str


@dataclass(frozen=True)
class Rejected:
    """A folder that looks like a run or a checkpoint and can't be taken.

    Args:
        path: the folder.
        why: what is wrong with it, as a sentence without the full stop.
        cure: what to do.
    """

    path: Path
    why: str
    cure: str


@dataclass(frozen=True)
class FoundRuns:
    """What there is to sample, in order of the keys, and what was left out."""

    checkpoints: tuple[FoundCheckpoint, ...]
    rejected: tuple[Rejected, ...]


def trained_keys(spec: EvaluationSpec) -> list[SampledKey]:
    """The checkpoints that are trained here, whether or not they were yet."""
    return [SampledKey(run, TRAINED_CHECKPOINT) for run in spec.toy_runs]


def find_runs(spec: EvaluationSpec, data_dir: Path, base_dir: Path) -> FoundRuns:
    """All checkpoints that were made elsewhere: of the catalog's runs and of watched folders.

    Args:
        spec: runs, domains, the watched folder, which checkpoints count.
        data_dir: its folder `outputs` is watched, too.
        base_dir: where relative paths of the catalog start.
    """
    checkpoints: dict[SampledKey, FoundCheckpoint] = {}
    rejected: list[Rejected] = []
    for run, folder in _runs(spec, data_dir, base_dir, rejected):
        for found in _examined(run, folder, spec.checkpoints):
            if isinstance(found, Rejected):
                rejected.append(found)
            elif found.key in checkpoints:
                rejected.append(_second(found, checkpoints[found.key]))
            else:
                checkpoints[found.key] = found
    return FoundRuns(tuple(checkpoints[key] for key in sorted(checkpoints)), tuple(rejected))


def checkpoint_directory(
    spec: EvaluationSpec, key: SampledKey, data_dir: Path, base_dir: Path
) -> Path:
    """Where a checkpoint is.

    Raises:
        FileMissingError: it is not there, or not whole.
        UnknownNameError: no domain is known for the run.
    """
    require_domain(spec, key.run)
    path = data_dir / key.trained_path
    if key not in trained_keys(spec):
        runs = _runs(spec, data_dir, base_dir, [])
        places = [folder / key.checkpoint for run, folder in runs if run == key.run]
        there = [one for one in places if one.exists()] or places or [path]
        path = next((one for one in there if not what_is_missing(one)), there[0])
    missing = what_is_missing(path)
    if missing:
        raise FileMissingError(
            "A fine-tuned checkpoint is missing or not whole",
            where=str(path),
            expected="config.json, tokenizer.json and whole *.safetensors",
            got=missing if path.exists() else "nothing there",
            fix=f"materialise finetuned_checkpoints, partition {key.partition}, if it is trained "
            "here; else copy the checkpoint again",
        )
    return path


def require_domain(spec: EvaluationSpec, run: str) -> str:
    """The domain of a run.

    Raises:
        UnknownNameError: neither the catalog nor the run's name says it.
    """
    domain = spec.domain_name(run)
    if domain is None:
        raise UnknownNameError(
            "It is not known what a run was fine-tuned on",
            where=f"run {run!r}",
            expected=f"a name that begins with one of {', '.join(spec.domains)} and a hyphen",
            got=run,
            fix="list the run with its domain under `evaluation.runs` in the catalog",
        )
    return domain


def _runs(
    spec: EvaluationSpec, data_dir: Path, base_dir: Path, rejected: list[Rejected]
) -> Iterator[tuple[str, Path]]:
    """Names and folders of runs; those of the catalog go before those of the watched folders."""
    listed = {
        name: (base_dir / run.path).resolve()
        for name, run in spec.runs.items()
        if run.path is not None
    }
    for name, folder in listed.items():
        if folder.is_dir():
            yield name, folder
        else:
            why = f"The run {name!r} of the catalog is not there"
            rejected.append(Rejected(folder, why, f"correct evaluation.runs.{name}.path"))
    if spec.outputs is not None and not (base_dir / spec.outputs).is_dir():
        why = "The watched folder of the catalog is not there"
        cure = "correct evaluation.outputs, or make the folder"
        rejected.append(Rejected(base_dir / spec.outputs, why, cure))
    taken = {*listed.values()}
    for folder in _watched(spec, data_dir, base_dir):
        if folder.resolve() in taken or folder.name in spec.toy_runs:
            continue
        if folder.name in listed:
            why = f"The run of that name is {listed[folder.name]}, as the catalog says"
            rejected.append(Rejected(folder, why, "rename one of them, or correct the catalog"))
        elif SLUG.fullmatch(folder.name) is None:
            why = "A run's name can't be used as partition key"
            cure = "rename it to a-z 0-9 . _ -, or list it under `evaluation.runs` with its path"
            rejected.append(Rejected(folder, why, cure))
        elif spec.domain_name(folder.name) is None:
            why = f"A run's name begins with none of the domains {', '.join(spec.domains)}"
            cure = "list it under `evaluation.runs` with its domain"
            rejected.append(Rejected(folder, why, cure))
        else:
            yield folder.name, folder


def _watched(spec: EvaluationSpec, data_dir: Path, base_dir: Path) -> Iterator[Path]:
    """Folders in the watched ones; hidden ones are being written."""
    places = [data_dir / "outputs", *([base_dir / spec.outputs] if spec.outputs else [])]
    for place in dict.fromkeys(place.resolve() for place in places):
        yield from _folders(place)


def _examined(
    run: str, folder: Path, patterns: Sequence[str]
) -> Iterator[FoundCheckpoint | Rejected]:
    """Folders of a run that count as checkpoints, whether or not they can be taken."""
    try:
        fitting = [
            one
            for one in _folders(folder)
            if any(fnmatchcase(one.name, pattern) for pattern in patterns)
        ]
    except OSError as error:
        why = f"A run can't be read: {error.strerror}"
        yield Rejected(folder, why, "correct owner and permissions of the folder")
        return
    if not fitting:
        why = f"A run has no checkpoint yet: no folder {' or '.join(patterns)}"
        cure = "wait until it is trained, or name its checkpoints under evaluation.checkpoints"
        yield Rejected(folder, why, cure)
    for path in fitting:
        yield _checkpoint(run, path)


def _checkpoint(run: str, path: Path) -> FoundCheckpoint | Rejected:
    """A folder as a checkpoint, or why it can't be one."""
    try:
        key = SampledKey(run, path.name)
    except UnknownNameError as error:
        why = f"A checkpoint's name can't be used as partition key: expected {error.expected}"
        return Rejected(path, why, "rename it, or list the run under a shorter name")
    missing = what_is_missing(path)
    if missing:
        why = f"A checkpoint is not whole: {missing}"
        return Rejected(path, why, "wait until it is written, or copy it again")
    try:
        return FoundCheckpoint(key, path, weights_identity(str(path), None, None))
    except OSError as error:
        why = f"A checkpoint has a file that can't be read: {error.filename or error.strerror}"
        return Rejected(path, why, "correct owner and permissions of its files, or copy it again")


def _second(found: FoundCheckpoint, first: FoundCheckpoint) -> Rejected:
    """Why the second of two checkpoints with one name is left out."""
    why = f"Another checkpoint has the same name: {first.path}"
    return Rejected(found.path, why, "rename its run, or list it under `evaluation.runs`")


def _folders(place: Path) -> list[Path]:
    """Folders in a place, in order of their names, without hidden ones."""
    if not place.is_dir():
        return []
    return sorted(one for one in place.iterdir() if one.is_dir() and not one.name.startswith("."))
