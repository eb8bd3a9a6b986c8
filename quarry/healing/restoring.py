"""`restore`: makes a cell's file whole beside its place, proves it, and puts it there.

    look        a sound file is never touched
    seed        a second name of the damaged file beside it; its bytes are copied before a change
    mend        damaged ranges from each copy of one version in turn, then of the next version
    prove       full verification, and that the file is this cell's
    swap        see `swapping`; the damaged file goes aside

If anything fails, nothing has changed at the final name. An older version may take the place of a
newer one of which no good copy is known: that is told, and the newer one goes aside. The damaged
file's manifest is one claim among others: where it lies in another cell's place, the proof turns
that version down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from quarry.errors import CopyUnusableError, QuarryError, UsageError
from quarry.healing.mending import CountedCopy, Refusals, Version, mend_version, versions_of
from quarry.healing.swapping import OnStep, PlaceChangedError, Step, state_of, swap_in
from quarry.healing.work_file import sweep_left, work_file
from quarry.keys import TrajectoryKey
from quarry.repair.good_copy import GoodCopy
from quarry.repair.proofs import local_manifest
from quarry.repair.repairing import RepairResult
from quarry.salvage.result import renamed
from quarry.trajectory.manifest import Manifest, manifest_path, read_manifest
from quarry.trajectory.publication import recover
from quarry.trajectory.report import Expected, Report
from quarry.trajectory.space import disk_named
from quarry.trajectory.verification import verify

WRONG_PARTITION = "wrong_partition"
"""The finding of verification for a file of another cell."""

How = Literal["none needed", "ranges", "file"]
"""`ranges`: damaged ones of the file that was here; `file`: all of it was fetched."""


@dataclass(frozen=True)
class Restoration:
    """What was done for a cell's file, which is whole now.

    Args:
        path: the file.
        how: how it came to be whole.
        sources: names of the copies that gave bytes; none where the file proved itself.
        bytes_fetched: bytes that came over the network, tables included and manifests not.
        kept_aside: where the damaged file is now; None where there was none, or where its bytes
            were right and only its proofs were lost.
        manifest: what the file is; None for an older file that has none.
        report: full verification of the file.
        is_older: whether it is an older version than the one that was here, as far as the manifest
            that lay beside it tells.
    """

    path: Path
    how: How
    sources: tuple[str, ...]
    bytes_fetched: int
    kept_aside: Path | None
    manifest: Manifest | None
    report: Report
    is_older: bool = False


@dataclass(frozen=True)
class _Job:
    """What the steps of one restoration share."""

    path: Path
    key: TrajectoryKey
    expected: Expected
    aside: Path
    why: str
    log: Callable[[str], None]
    deadline_s: float | None
    tell: OnStep


def restore(
    path: Path,
    expected: Expected,
    sources: Sequence[GoodCopy],
    aside: Path,
    *,
    log: Callable[[str], None],
    deadline_s: float | None = None,
    on_step: OnStep | None = None,
) -> Restoration:
    """Make a cell's file whole, from damaged ranges only where it is here at all.

    Can be interrupted and run again; what a killed process fetched is used.

    Args:
        path: the file's place; it may be missing.
        expected: what the cell should hold; model, task and number of shots must be given.
        sources: good copies, cheapest first; see `local_copies.good_copies`.
        aside: folder for damaged files that are replaced.
        log: takes a line about each thing that is done.
        deadline_s: most seconds that each verification may take; see `verify`.
        on_step: called after each step, for tests of interruption.

    Raises:
        CopyUnusableError: no copy can give the bytes; nothing has changed.
        StorageError: a store that may have them could not be asked; nothing has changed, and what
            it gave is kept in a hidden folder for the next process.
        StorageFullError: there is no room to work beside the file; nothing has changed.
        DiskError: a folder or a file can't be read or written; nothing has changed.
        IntegrityError: all bytes are right, and still the file could not be read to the end.
        UsageError: `expected` does not say which cell it is.
    """
    with disk_named(path):
        return _restore(path, expected, sources, aside, log, deadline_s, on_step or _silent)


def _restore(
    path: Path,
    expected: Expected,
    sources: Sequence[GoodCopy],
    aside: Path,
    log: Callable[[str], None],
    deadline_s: float | None,
    on_step: OnStep,
) -> Restoration:
    """`restore`, whose arguments these are."""
    key = _key_of(expected)
    recover(path)
    before = state_of(path)
    report = verify(path, expected=expected, deadline_s=deadline_s)
    if report.is_clean:
        sweep_left(path, has_proof=True)
        log(f"{path.name} is sound: nothing is done")
        return Restoration(path, "none needed", (), 0, None, _manifest_of(path), report)
    defect = report.errors[0]
    log(f"{path.name} is to be restored: {defect.what}: {defect.got}")
    path.parent.mkdir(parents=True, exist_ok=True)
    job = _Job(path, key, expected, aside, defect.kind, log, deadline_s, on_step)
    refusals, copies = Refusals(), [CountedCopy(one) for one in sources]
    is_misplaced = WRONG_PARTITION in report.kinds()
    own = None if is_misplaced else local_manifest(path)
    try:
        for version in versions_of(own, copies, refusals):
            with work_file(path, lambda: bool(refusals.unreachable)) as work:
                job.tell("seeded")
                result = mend_version(work, path, version, refusals, deadline_s)
                if result is not None and _fits(work, job, version, refusals):
                    job.tell("mended")
                    kept = swap_in(work, path, key, aside, job.why, before=before, tell=job.tell)
                    return _done(job, result, kept, copies, own)
    except PlaceChangedError:
        log(f"{path.name} was replaced meanwhile: looking again")
        return _restore(path, expected, sources, aside, log, deadline_s, on_step)
    if refusals.unreachable:
        raise refusals.unreachable[0]
    raise _unusable(job, refusals)


def _fits(work: Path, job: _Job, version: Version, refusals: Refusals) -> bool:
    """Whether a whole file is the cell's."""
    report = verify(work, level="structure", expected=job.expected, deadline_s=job.deadline_s)
    if report.is_clean:
        return True
    defect = report.errors[0]
    names = ", ".join(str(copy) for copy in version.copies) or "the file here"
    refusals.unusable.append(f"{names}: {defect.what}: {defect.got}")
    return False


def _done(
    job: _Job,
    result: RepairResult,
    kept: Path | None,
    copies: Sequence[CountedCopy],
    own: Manifest | None,
) -> Restoration:
    """What is said about a file that was restored."""
    manifest = read_manifest(manifest_path(job.path))
    n_damaged = sum(size for _, size in result.damaged)
    is_new = kept is None and n_damaged > 0
    how: How = "file" if is_new or n_damaged >= manifest.size_bytes else "ranges"
    n_fetched = sum(copy.bytes_fetched for copy in copies)
    sources = tuple(str(copy) for copy in copies if copy.is_used)
    job.log(
        f"{job.path.name} is whole again, by {how}: {n_fetched:,} bytes over the network, from "
        f"{', '.join(sources) or 'itself'}"
    )
    is_older = own is not None and _time_of(manifest) < _time_of(own)
    if own is not None and is_older:
        job.log(
            f"it is an older version: made at {manifest.created_at}, the damaged one at "
            f"{own.created_at}, of which no good copy is known"
        )
    if kept is not None:
        job.log(f"the damaged file is kept in {kept.parent}")
    report = renamed(result.report, job.path)
    return Restoration(job.path, how, sources, n_fetched, kept, manifest, report, is_older)


def _time_of(manifest: Manifest) -> datetime:
    """When a version was made."""
    return datetime.fromisoformat(manifest.created_at)


def _key_of(expected: Expected) -> TrajectoryKey:
    """The cell that is meant."""
    if expected.model is None or expected.task is None or expected.n_shot is None:
        raise UsageError(
            "A file can't be restored without its cell",
            where="the expected file",
            expected="model, task and number of shots",
            got=repr(expected.as_dict()),
            fix="take `quarry.collection.expected_file`",
        )
    return TrajectoryKey(expected.model, expected.task, expected.n_shot)


def _manifest_of(path: Path) -> Manifest | None:
    """The manifest beside a file, where there is one."""
    try:
        return read_manifest(manifest_path(path))
    except QuarryError:
        return None


def _unusable(job: _Job, refusals: Refusals) -> CopyUnusableError:
    """The error when every copy was asked in vain."""
    return CopyUnusableError(
        "No copy can give the bytes of a file",
        where=f"{job.path}, {job.key}",
        expected="a good copy, here or in the store",
        got="; ".join(refusals.unusable) or "no copy is known",
        fix="collect the partition again: intact rows of the damaged file are salvaged first",
    )


def _silent(step: Step) -> None:
    """The hook of a caller that has none."""
