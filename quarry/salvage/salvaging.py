"""`salvage`: keeps the intact rows of a damaged file of which there is no good copy.

    survey   each row proven by its digest, or judged where there is no table; in a guarded child,
             which is asked again after a row on which HDF5 hung or crashed
    write    the kept rows into a new file, marked as partial; never under a published file's name
    verify   the new file; then it gets its name

The damaged file is only ever read. Collecting what is missing is `quarry.collection`'s business,
which finds salvaged files in staging by their name. With a good copy there is `repair`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

from quarry.errors import FileMissingError, IntegrityError, UsageError
from quarry.guard.guarded import run_guarded
from quarry.keys import TrajectoryKey
from quarry.repair.proofs import local_manifest
from quarry.salvage.result import (
    LostRow,
    SalvageResult,
    Survey,
    renamed,
    stopped,
    unsound,
)
from quarry.trajectory.describe import describe_file
from quarry.trajectory.digest_table import read_table, sweep_tables, table_path
from quarry.trajectory.digests import file_digest
from quarry.trajectory.manifest import Manifest, manifest_path, write_manifest
from quarry.trajectory.report import Report
from quarry.trajectory.staging import SALVAGED_VIEW, cell_name, owner_mark
from quarry.trajectory.verification import verify

__all__ = ["LostRow", "SalvageResult", "salvage", "salvaged_path"]

_CHILD = "quarry.salvage.child"
_MOST_RESTARTS = 20
_LEAST_DEADLINE_S = 600.0
_SLOWEST_BYTES_PER_S = 2e6
_LEAST_CPU_S = 60.0
_LEAST_CPU_BYTES_PER_S = 1e8
_FINAL_NAMES = "_trajectories.h5"


def salvaged_path(data_dir: Path, key: TrajectoryKey) -> Path:
    """A new path for what is salvaged of a grid cell; `staging.staged_files` finds it.

    Args:
        data_dir: the platform's data directory.
        key: the grid cell.
    """
    name = f"{cell_name(key)}.{SALVAGED_VIEW}-{uuid.uuid4().hex[:8]}.h5"
    return data_dir / "staging" / name


def salvage(
    path: Path, output: Path, *, deadline_s: float | None = None, cpu_s: float | None = None
) -> SalvageResult:
    """Copy the rows of a damaged file that are whole into a new file.

    Args:
        path: the damaged file: cut, holed, changed, or never closed. It is not changed.
        output: a new path; manifest and table of digests are written beside it.
        deadline_s: most seconds for all of it; by default ten minutes, or the time of 2 MB/s.
        cpu_s: most CPU seconds for a row, or for rows that share chunks, before it counts as one
            on which HDF5 hangs; by default 60, or one per 100 MB of the file.

    Raises:
        FileMissingError: there is no file.
        UsageError: the output exists or has a published file's name, or the file is being written.
    """
    _check_use(path, output)
    size_bytes = path.stat().st_size
    end_s = time.monotonic() + (
        deadline_s or max(_LEAST_DEADLINE_S, size_bytes / _SLOWEST_BYTES_PER_S)
    )
    manifest = local_manifest(path)
    digests = _digests(path, manifest)
    survey = Survey(path, n_rows=manifest.n_samples if manifest else 0)
    request: dict[str, Any] = {"path": str(path), "digests": digests, "output": None}
    request["cpu_s"] = cpu_s or max(_LEAST_CPU_S, size_bytes / _LEAST_CPU_BYTES_PER_S)
    for _ in range(_MOST_RESTARTS):
        outcome = run_guarded(_CHILD, request | survey.known(), end_s - time.monotonic())
        if not survey.absorb(outcome) or time.monotonic() > end_s:
            break
    survey.close()
    if not survey.kept:
        return survey.result(None, None, is_proven=digests is not None)
    output.parent.mkdir(parents=True, exist_ok=True)
    report = _write(survey, request, output, end_s)
    made = output if report is not None else None
    return survey.result(made, report, is_proven=digests is not None)


def _check_use(path: Path, output: Path) -> None:
    """Refuse what would put a partial file where a whole one belongs, or copy a moving target."""
    if not path.is_file():
        raise FileMissingError(
            "There is nothing to salvage",
            where=str(path),
            expected="a damaged trajectory file",
            got="a directory" if path.is_dir() else "no file",
            fix="correct the path",
        )
    if output.exists() or output.name.endswith(_FINAL_NAMES):
        raise UsageError(
            "Salvaged rows can't be written there",
            where=str(output),
            expected=f"a new path that does not end in {_FINAL_NAMES}, as published files do",
            got="a file that exists" if output.exists() else "a published file's name",
            fix="name another output",
        )
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                "The file is being written",
                where=str(path),
                expected="a file that nobody writes to",
                got="its writer's lock",
                fix="wait for its writer, or end it",
            ) from error
        except OSError:
            return  # no locks on this file system


def _digests(path: Path, manifest: Manifest | None) -> str | None:
    """Name of the table that proves rows, if it is there and whole."""
    if manifest is None:
        return None
    try:
        read_table(path, manifest.digests)
    except (FileMissingError, IntegrityError):
        return None
    return manifest.digests


def _write(survey: Survey, request: dict[str, Any], output: Path, end_s: float) -> Report | None:
    """Write, verify and name the new file; None if that failed, which the survey then says."""
    temporary = output.with_name(f".{output.stem}{owner_mark()}h5")
    known = survey.known() | {"output": str(temporary)}
    try:
        outcome = run_guarded(_CHILD, request | known, max(1.0, end_s - time.monotonic()))
        written = [one["written"] for one in outcome.messages if "written" in one]
        if not written or outcome.failure is not None:
            survey.findings.append(stopped(survey.path, output, outcome))
            return None
        manifest = Manifest.from_dict(written[0], str(temporary)) if written[0] else None
        report = verify(temporary, manifest=manifest)
        wrong = unsound(report)
        if wrong:
            survey.findings += wrong
            return None
        _name(
            temporary, output, manifest or _describe(temporary, output, survey, request["digests"])
        )
        return renamed(report, output)
    finally:
        temporary.unlink(missing_ok=True)
        sweep_tables(temporary, "")


def _describe(temporary: Path, output: Path, survey: Survey, digests: str | None) -> Manifest:
    """Manifest and table of a file in an old layout; its rows keep the ids that they had."""
    known = read_table(survey.path, digests).sample_ids if digests else None
    ids = {
        place: known[row] if known else f"row/{row}"
        for place, row in enumerate(sorted(survey.kept))
    }
    return describe_file(temporary, origin="salvaged", sample_ids=ids)[0]


def _name(temporary: Path, output: Path, manifest: Manifest) -> None:
    """Give a complete file its name; manifest and table first, so that it never lacks them."""
    blake3 = manifest.blake3 or file_digest(temporary)
    whole = replace(manifest, file=output.name, blake3=blake3, origin="salvaged")
    table_path(temporary, manifest.digests).replace(table_path(output, manifest.digests))
    write_manifest(manifest_path(output), whole)
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(output)
    with contextlib.suppress(OSError):  # no directory can be synced on some network file systems
        directory = os.open(output.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
