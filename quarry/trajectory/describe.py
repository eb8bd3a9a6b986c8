"""`describe_file`: manifest and table of digests for a file that exists already.

For files that were not written by `writer`, which makes both on the way: those of older pipelines,
and our own whose table or manifest was lost. The file is read, in a guarded child, never changed.
Whether it is any good is `verification`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from quarry.errors import FileMissingError, IntegrityError
from quarry.findings import Finding
from quarry.guard.guarded import run_guarded
from quarry.keys import TrajectoryKey
from quarry.trajectory.digest_table import DigestTable, read_table
from quarry.trajectory.manifest import Manifest, Origin
from quarry.trajectory.report import LAYOUT_VALID, RECOLLECT

_CHILD = "quarry.trajectory.describe_child"
_LEAST_DEADLINE_S = 60.0
_SLOWEST_BYTES_PER_S = 20e6


def describe_file(
    path: Path,
    *,
    origin: Origin,
    cell: TrajectoryKey | None = None,
    sample_ids: Mapping[int, str] | None = None,
    rules_version: str = "",
    beside: Path | None = None,
    deadline_s: float | None = None,
) -> tuple[Manifest, DigestTable]:
    """Read a whole file and say what it is, byte for byte and row for row.

    The table is written beside the file, under a name that no other table has; the manifest is only
    returned. Reads the file three times, for values, chunks and the whole.

    Args:
        path: the file, of ours or of an older pipeline.
        origin: how it came to be.
        cell: what an older file is of; part of its data version. Our own say it themselves.
        sample_ids: ids by row, for an older file; a row without one is called `row/<number>`.
        rules_version: the rules that its values passed, if they did.
        beside: the name that it will have, where the table is written; by default its own.
        deadline_s: most seconds; by default a minute, or the time that 20 MB/s take.

    Raises:
        FileMissingError: there is no file.
        IntegrityError: it can't be read to the end, or was changed meanwhile; nothing was written.
    """
    if not path.is_file():
        raise _missing(path)
    request: dict[str, Any] = {
        "path": str(path),
        "origin": origin,
        "cell": asdict(cell) if cell else None,
        "sample_ids": {str(row): text for row, text in (sample_ids or {}).items()},
        "rules_version": rules_version,
        "beside": str(beside or path),
    }
    most_s = deadline_s or max(_LEAST_DEADLINE_S, 3 * path.stat().st_size / _SLOWEST_BYTES_PER_S)
    outcome = run_guarded(_CHILD, request, most_s)
    for message in outcome.messages:
        if "manifest" in message:
            manifest = Manifest.from_dict(message["manifest"], str(path))
            return manifest, read_table(beside or path, manifest.digests)
    told = (message["failure"] for message in outcome.messages if "failure" in message)
    raise _unreadable(path, next(told, outcome.failure or "the child told nothing"))


def _missing(path: Path) -> FileMissingError:
    """The error for a path where no file is."""
    return FileMissingError(
        "A trajectory file is missing",
        where=str(path),
        expected="a file",
        got="something else" if path.exists() else "nothing",
        fix="correct the path",
    )


def _unreadable(path: Path, got: str) -> IntegrityError:
    """The error for a file that can't be described."""
    found = Finding(
        check=LAYOUT_VALID,
        kind="unreadable",
        what="The file can't be read to the end",
        where=str(path),
        expected="a trajectory file whose columns and states can all be read",
        got=got,
        cure=RECOLLECT,
    )
    return IntegrityError("A file can't be described", where=str(path), findings=[found])
