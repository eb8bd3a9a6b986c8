"""The survey: open every cell's file and labels, and make the audit of what is found.

The only module of the audit that touches the disk besides `labels`. How a file is examined lives
in `quarry.trajectory`.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from quarry.audit.cell import AuditCell, LabelCounts, decide
from quarry.audit.labels import count_labels
from quarry.audit.report import Audit
from quarry.catalog import Catalog
from quarry.errors import FileMissingError, IntegrityError
from quarry.grading.grader import GRADER_VERSIONS
from quarry.keys import TrajectoryKey, samples_path
from quarry.trajectory.digest_table import read_table
from quarry.trajectory.manifest import manifest_path, read_manifest
from quarry.trajectory.report import Expected, Level, Report
from quarry.trajectory.verification import verify

Progress = Callable[[int, int, str], None]
"""Called with cells done, cells in all and the cell being examined."""


def survey(
    catalog: Catalog,
    data_dir: Path,
    *,
    level: Level = "full",
    proven: Collection[TrajectoryKey] = (),
    progress: Progress | None = None,
) -> Audit:
    """Examine every cell of a catalog's grid.

    Args:
        catalog: which cells exist, and their thresholds.
        data_dir: the directory that holds `trajectories/` and `labels/`.
        level: how deeply files are verified; `full` reads every byte.
        proven: cells whose file passed its checks as it is now, for which a light look is enough.
        progress: told about each cell before it is examined.
    """
    keys = catalog.cells()
    cells: list[AuditCell] = []
    for done, key in enumerate(keys):
        if progress is not None:
            progress(done, len(keys), str(key))
        depth = "light" if key in proven else level
        cells.append(examine(key, catalog, data_dir, level=depth))
    return Audit(
        catalog=catalog.name,
        cells=tuple(cells),
        level=f"{level}, light for {len(proven)} proven by checks" if proven else level,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        thresholds=catalog.thresholds,
        effort=catalog.effort,
    )


def examine(
    key: TrajectoryKey, catalog: Catalog, data_dir: Path, *, level: Level = "full"
) -> AuditCell:
    """The state of one cell."""
    path = data_dir / key.trajectory_path
    if not path.is_file():
        return decide(key, size_bytes=None)
    size_bytes = path.stat().st_size
    expected = Expected.of_key(key, scope=catalog.capture.scope, n_samples=_drawn(data_dir, key))
    report = verify(path, level=level, expected=expected)
    if not report.is_clean:
        return decide(key, size_bytes=size_bytes, findings=report.findings)
    labels, n_samples = _labels(key, catalog, data_dir, report)
    return decide(
        key,
        size_bytes=size_bytes,
        findings=report.findings,
        n_samples=n_samples,
        labels=labels,
        thresholds=catalog.thresholds,
    )


def _labels(
    key: TrajectoryKey, catalog: Catalog, data_dir: Path, report: Report
) -> tuple[LabelCounts | None, int | None]:
    """Counted labels and number of rows of a file that verified.

    Ids come from the table of digests, so that HDF5 is opened nowhere but in the verifier's child.
    """
    try:
        manifest = read_manifest(manifest_path(report.path))
        sample_ids = read_table(report.path, manifest.digests).sample_ids
    except (FileMissingError, IntegrityError):
        problem = "the file has no manifest and digests, so labels can't be matched to its rows"
        return LabelCounts(problem=problem), report.facts.get("n_samples")
    grader_version = GRADER_VERSIONS[catalog.benchmark(key.task).format]
    counts = count_labels(
        data_dir / key.labels_path,
        sample_ids=sample_ids,
        grader_version=grader_version,
        content_digest=manifest.content_digest,
    )
    return counts, len(sample_ids)


def _drawn(data_dir: Path, key: TrajectoryKey) -> int | None:
    """How many samples were drawn for this benchmark, where the drawn samples are at hand.

    The catalog alone can't tell: HumanEval has 164 problems however many are asked for.
    """
    try:
        roles = pd.read_parquet(data_dir / samples_path(key.task, key.n_shot), columns=["role"])
    except (OSError, ValueError):
        return None
    return [str(role) for role in roles["role"]].count("graded")
