"""The survey: open every cell's file and labels, and make the audit of what is found.

The only module of the audit that touches the disk besides `labels`. How a file is examined lives
in `quarry.trajectory`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

from quarry.audit.cell import AuditCell, LabelCounts, decide
from quarry.audit.labels import count_labels
from quarry.audit.plan import is_collected
from quarry.audit.report import Audit
from quarry.catalog import Catalog
from quarry.costs.grid import GridCosts
from quarry.costs.missing import drawn_samples
from quarry.errors import FileMissingError, IntegrityError
from quarry.findings import Finding
from quarry.grading.grader import GRADER_VERSIONS
from quarry.keys import TrajectoryKey
from quarry.progress import ProgressLog
from quarry.semantic.verdicts import recorded_verdict
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
    costs = GridCosts(catalog, data_dir)
    return Audit(
        catalog=catalog.name,
        cells=tuple(cells),
        level=f"{level}, light for {len(proven)} proven by checks" if proven else level,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        thresholds=catalog.thresholds,
        effort=catalog.effort,
        estimates={one.key: costs.of(one.key, one.findings) for one in cells if is_collected(one)},
        cost_remark=costs.remark,
    )


def logged(log: Callable[[str], None], catalog: Catalog) -> Progress:
    """Progress of a survey as lines in a log, with the remaining time.

    Args:
        log: takes one line.
        catalog: whose grid is surveyed.
    """
    lines = ProgressLog(log, len(catalog.cells()), "cells")
    return lambda done, total, name: lines.update(done)


def examine(
    key: TrajectoryKey, catalog: Catalog, data_dir: Path, *, level: Level = "full"
) -> AuditCell:
    """The state of one cell."""
    path = data_dir / key.trajectory_path
    if not path.is_file():
        return decide(key, size_bytes=None)
    size_bytes = path.stat().st_size
    expected = Expected.of_key(
        key, scope=catalog.capture.scope, n_samples=drawn_samples(data_dir, key)
    )
    report = verify(path, level=level, expected=expected)
    findings = [*report.findings, *_semantic_findings(path, data_dir)]
    if any(found.severity == "error" for found in findings):
        return decide(key, size_bytes=size_bytes, findings=findings)
    labels, n_samples = _labels(key, catalog, data_dir, report)
    return decide(
        key,
        size_bytes=size_bytes,
        findings=findings,
        n_samples=n_samples,
        labels=labels,
        thresholds=catalog.thresholds,
    )


def _semantic_findings(path: Path, data_dir: Path) -> tuple[Finding, ...]:
    """What a comparison with the model has found of this very content, whenever that was."""
    try:
        manifest = read_manifest(manifest_path(path))
    except (FileMissingError, IntegrityError):
        return ()
    return recorded_verdict(data_dir, manifest.content_digest).wrong


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
