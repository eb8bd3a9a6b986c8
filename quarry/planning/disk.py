"""`DiskLook`: what lies on the disk of each cell, as closely as it was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from quarry.catalog import Catalog
from quarry.costs.missing import drawn_samples
from quarry.data_directory import DataDirectory
from quarry.errors import QuarryError
from quarry.findings import Finding
from quarry.keys import TrajectoryKey
from quarry.repair.proofs import local_manifest
from quarry.semantic.verdicts import recorded_verdict
from quarry.trajectory.report import Expected
from quarry.trajectory.verification import verify


@dataclass(frozen=True)
class OnDisk:
    """What lies there of one cell.

    Args:
        has_file: whether there is a trajectory file.
        has_labels: whether there are labels.
        findings: what condemns the file; empty for nothing.
        obstacle: why it could not be looked at; empty if it could.
    """

    has_file: bool
    has_labels: bool
    findings: tuple[Finding, ...] = ()
    obstacle: str = ""

    @property
    def damage(self) -> str:
        """The first defect in a sentence; empty for none."""
        return f"{self.findings[0].what}: {self.findings[0].got}" if self.findings else ""


class DiskLook:
    """Looks at cells.

    Args:
        catalog: what a file should hold.
        directory: where the files lie.
        is_deep: read every byte, instead of sizes, header and manifest.
    """

    def __init__(self, catalog: Catalog, directory: DataDirectory, *, is_deep: bool) -> None:
        self._catalog, self._directory, self._is_deep = catalog, directory, is_deep
        # cells of one benchmark share its samples
        self._n_drawn = lru_cache(maxsize=None)(self._drawn)

    def at(self, key: TrajectoryKey) -> OnDisk:
        """What lies there of a cell."""
        try:
            return self._look(key)
        except OSError as error:
            return OnDisk(has_file=True, has_labels=False, obstacle=str(error))

    def _look(self, key: TrajectoryKey) -> OnDisk:
        """`at`, where the disk answers."""
        path = self._directory.trajectory(key)
        if not path.is_file():
            return OnDisk(has_file=False, has_labels=False)
        expected = Expected.of_key(
            key, scope=self._catalog.capture.scope, n_samples=self._n_drawn(key.task, key.n_shot)
        )
        try:
            report = verify(path, level="full" if self._is_deep else "light", expected=expected)
            findings = report.errors or self._wrong(key)
        except QuarryError as error:
            return OnDisk(has_file=True, has_labels=False, obstacle=str(error))
        if obstacle := next((one.got for one in findings if _is_unread(one)), ""):
            return OnDisk(has_file=True, has_labels=False, obstacle=obstacle)
        return OnDisk(
            has_file=True,
            has_labels=self._directory.labels(key).is_file(),
            findings=tuple(findings),
        )

    def _wrong(self, key: TrajectoryKey) -> tuple[Finding, ...]:
        """What a comparison with the model has found of this very content, whenever that was."""
        manifest = local_manifest(self._directory.trajectory(key))
        if manifest is None:
            return ()
        return recorded_verdict(self._directory.root, manifest.content_digest).wrong

    def _drawn(self, task: str, n_shot: int) -> int | None:
        """How many samples are drawn of a benchmark."""
        model = next(iter(self._catalog.models))
        return drawn_samples(self._directory.root, TrajectoryKey(model, task, n_shot))


def _is_unread(found: Finding) -> bool:
    """Whether the disk refused the file's first bytes, which says nothing of the file."""
    return (found.check, found.kind) == ("file_complete", "unreadable")
