"""How many samples of a cell would have to be run, as far as that can be told cheaply.

Looked at are the journals and tables of staging and what verification has found; nothing is
verified or locked for it, so that a collection may find more rows lost than is said here.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from quarry.catalog import Catalog
from quarry.costs.estimate import Missing
from quarry.errors import QuarryError
from quarry.findings import Finding
from quarry.keys import TrajectoryKey, samples_path
from quarry.trajectory.digest_table import read_table
from quarry.trajectory.journal import decode_line, journal_path
from quarry.trajectory.manifest import manifest_path, read_manifest
from quarry.trajectory.staging import staged_files
from quarry.unchanged_files import UnchangedFiles

ROW_KIND = "states_changed"
"""The finding that condemns one row and says which; 20 at most are kept of a kind."""
_MOST_NAMED = 20
_drawn: UnchangedFiles[int | None] = UnchangedFiles()
"""All cells of a benchmark share its samples."""


def missing_samples(
    key: TrajectoryKey, catalog: Catalog, data_dir: Path, findings: Sequence[Finding] = ()
) -> Missing:
    """What a collection of a cell has to run.

    Args:
        key: the cell.
        catalog: how many samples are drawn at most.
        data_dir: the platform's data directory.
        findings: what verification found in the cell's file.
    """
    n_total = drawn_samples(data_dir, key) or catalog.samples_of(key.task)
    n_there = max(len(_in_staging(data_dir, key)), n_total - _lost(findings, n_total))
    return Missing(max(n_total - n_there, 0), n_total)


def drawn_samples(data_dir: Path, key: TrajectoryKey) -> int | None:
    """How many samples were drawn for a cell's benchmark, where the drawn samples are at hand.

    The catalog alone can't tell: HumanEval has 164 problems however many are asked for.
    """
    path = data_dir / samples_path(key.task, key.n_shot)
    return _drawn.answer(
        (path,), lambda: _graded(path), keeps=lambda n: n is not None or not path.exists()
    )


def _graded(path: Path) -> int | None:
    """The number of graded samples in a table; None if it can't be read."""
    import pandas as pd

    try:
        roles = pd.read_parquet(path, columns=["role"])
    except (OSError, ValueError):
        return None
    return [str(role) for role in roles["role"]].count("graded")


def _lost(findings: Sequence[Finding], n_total: int) -> int:
    """Rows that salvage can't keep; all of them where that is not known."""
    errors = [found for found in findings if found.severity == "error"]
    names = {found.sample_id for found in errors}
    is_known = 0 < len(errors) <= _MOST_NAMED and {one.kind for one in errors} == {ROW_KIND}
    return len(names) if is_known and None not in names else n_total


def _in_staging(data_dir: Path, key: TrajectoryKey) -> set[str]:
    """Ids of the rows that earlier work left."""
    found: set[str] = set()
    for path in staged_files(data_dir, key):
        try:
            found |= _journalled(path) or _salvaged(path)
        except (OSError, QuarryError, ValueError):  # gone meanwhile, or damaged
            continue
    return found


def _journalled(path: Path) -> set[str]:
    """Ids of the rows of a half-written file."""
    journal = journal_path(path)
    if not journal.exists():
        return set()
    lines = map(decode_line, journal.read_bytes().split(b"\n"))
    return {str(line["sample_id"]) for line in lines if line is not None and "sample_id" in line}


def _salvaged(path: Path) -> set[str]:
    """Ids of the rows of a salvaged file."""
    if not manifest_path(path).exists():
        return set()
    return set(read_table(path, read_manifest(manifest_path(path)).digests).sample_ids)
