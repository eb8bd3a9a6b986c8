"""The guarded child: opens the file as HDF5, runs the checks and tells what they find.

Run by `verification` through `guarded.run_guarded`; never called in the caller's own process.
Messages are `{"begin": check}`, `{"findings": [...]}`, `{"end": check}`, `{"facts": {...}}`, each
told as soon as it is known, so that a file that kills this process has still told what was found.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py

from quarry.errors import READ_ERRORS
from quarry.findings import Finding
from quarry.trajectory.columns import Columns, read_columns
from quarry.trajectory.digest_table import DigestTable
from quarry.trajectory.extents import damaged_extents
from quarry.trajectory.manifest import Manifest
from quarry.trajectory.report import (
    ACTIVATIONS_SANE,
    CHUNKS_INTACT,
    LAYOUT_VALID,
    LENGTHS_PLAUSIBLE,
    RECOLLECT,
    ROWS_COMPLETE,
    RULES_VERSION,
    Expected,
    condense,
)
from quarry.trajectory.sample_scans import scan_samples
from quarry.trajectory.verify_chunks import check_chunks
from quarry.trajectory.verify_digests import (
    column_findings,
    content_finding,
    extent_findings,
    load_table,
    sample_findings_of,
)
from quarry.trajectory.verify_legacy import CutPrompts, attribute_findings, legacy_findings
from quarry.trajectory.verify_lengths import length_findings
from quarry.trajectory.verify_rows import row_findings
from quarry.trajectory.verify_structure import Layout, check_layout
from quarry.trajectory.verify_values import NeighbourRules, sample_findings

Tell = Callable[[dict[str, Any]], None]


class UnreadableError(Exception):
    """HDF5 refused to read; already reported."""


def examine(request: dict[str, Any], tell: Tell) -> None:
    """Run the checks of one file.

    Args:
        request: `path`, `level`, `expected`, `manifest`, `is_rescan` and `can_be_opened`, as
            `verification` makes them.
        tell: sends one message to the caller at once.
    """
    manifest = request["manifest"] and Manifest.from_dict(request["manifest"], request["path"])
    checker = Checker(Path(request["path"]), Expected(**request["expected"]), manifest, tell)
    with contextlib.suppress(UnreadableError):
        if request["level"] == "full":
            checker.compare_bytes(is_rescan=request["is_rescan"])
        if request["can_be_opened"]:
            checker.run(is_full=request["level"] == "full")


class Checker:
    """Runs the checks of one file in order of what they need.

    Args:
        path: the file.
        expected: what the caller knows about it.
        manifest: what it should be, where there is one.
        tell: sends one message to the caller at once.
    """

    def __init__(
        self, path: Path, expected: Expected, manifest: Manifest | None, tell: Tell
    ) -> None:
        self.path = path
        self.where = str(path)
        self.expected = expected
        self.manifest = manifest
        self.tell = tell
        self._table: DigestTable | None = None
        self._damaged_rows: set[int] = set()
        self._is_proven = False

    def compare_bytes(self, *, is_rescan: bool) -> None:
        """Every extent against its digest; needs no HDF5, so a hang of it comes later.

        What digests prove need not be examined again: the values of a file whose bytes are those
        that passed the present rules pass them still.
        """
        if self.manifest is None:
            return
        with self._check(CHUNKS_INTACT):
            self._table, found = load_table(self.path, self.manifest)
            self._say(findings=found)
            if self._table is None:
                return
            damaged = damaged_extents(self.path, self._table.extents)
            self._damaged_rows = set(self._table.extents["row"][damaged].tolist())
            self._say(findings=extent_findings(self.path, self._table, damaged, self.manifest))
            is_examined = self.manifest.rules_version == RULES_VERSION
            self._is_proven = is_examined and not damaged and not is_rescan
            self.tell({"facts": {"values_proven_by_digests": self._is_proven}})

    def run(self, *, is_full: bool) -> None:
        """Structure, then what the file holds."""
        with self._check(LAYOUT_VALID), h5py.File(self.path, "r") as file:
            layout = check_layout(file, self.where, self.expected)
            self._say(findings=layout.findings)
            if layout.is_legacy:
                self._say(findings=attribute_findings(dict(file.attrs), self.where))
            self.tell({"facts": layout.facts})
            if layout.is_readable:
                found = check_chunks(file, self.where, self.path.stat().st_size)
                layout.is_readable = all(finding.kind != "wrong_length" for finding in found)
                self._say(findings=found)
        if is_full and layout.is_readable:
            with h5py.File(self.path, "r") as file:
                self._run_full(file, layout)

    def _run_full(self, file: h5py.File, layout: Layout) -> None:
        """Columns, then states; at last what the digests say of both."""
        scope = layout.header.scope if layout.header else None
        with self._check(ROWS_COMPLETE):
            columns = read_columns(file)
            n_expected = layout.header.n_samples if layout.header else self.expected.n_samples
            self._say(findings=row_findings(columns, self.where, n_expected))
        with self._check(LENGTHS_PLAUSIBLE):
            max_seq_len = layout.facts["max_seq_len"]
            self._say(findings=length_findings(columns, self.where, max_seq_len, scope))
            if layout.is_legacy:
                task = self.expected.task or str(file.attrs.get("task", ""))
                self._say(findings=legacy_findings(columns, self.where, max_seq_len, task))
        digests: dict[int, str] = {}
        with self._check(ACTIVATIONS_SANE):
            if not self._is_proven:
                rules = NeighbourRules(self.where, columns, scope)
                self._say(findings=self._state_findings(file, columns, rules, digests))
        if self.manifest is not None and not self._is_proven:
            with self._check(CHUNKS_INTACT):
                ordered = [digests[index] for index in range(columns.n_samples)]
                self._say(findings=self._digest_findings(columns, ordered, layout, self.manifest))
        n_tokens = int(columns.sequence_lengths.sum(dtype="int64"))
        self.tell({"facts": {"n_tokens": n_tokens}})

    def _state_findings(
        self, file: h5py.File, columns: Columns, rules: NeighbourRules, digests: dict[int, str]
    ) -> Iterator[Finding]:
        """Scan all samples; their digests are collected on the way."""
        cut_prompts = CutPrompts(columns, self.where)
        for index, scan in scan_samples(file, columns.sequence_lengths):
            digests[index] = scan.digest
            if not scan.n_tokens:
                continue
            cut_prompts.add(index, scan)
            sample_id = columns.id_of(index)
            yield from sample_findings(scan, self.where, sample_id, rules.tokens(index))
            yield from rules.add(index, scan)
        if columns.samples is None:
            yield from cut_prompts.findings()

    def _digest_findings(
        self, columns: Columns, digests: list[str], layout: Layout, manifest: Manifest
    ) -> Iterator[Finding]:
        """What changed, told by columns, by samples, and by the header."""
        found = list(column_findings(columns, self.where, manifest))
        if self._table is not None:
            found += sample_findings_of(digests, self.where, self._table, self._damaged_rows)
        yield from found
        if layout.header is not None and not found and not self._damaged_rows:
            yield from content_finding(digests, columns, layout.header, self.where, manifest)

    @contextlib.contextmanager
    def _check(self, name: str) -> Generator[None]:
        """Say that a check begins and ends; what HDF5 can't read is a finding of that check."""
        self.tell({"begin": name})
        try:
            yield
        except READ_ERRORS as error:
            got = f"{type(error).__name__}: {error}"[:400]
            self._say(findings=[unreadable(name, self.where, got)])
            raise UnreadableError from error
        self.tell({"end": name})

    def _say(self, *, findings: Iterable[Finding]) -> None:
        """Tell findings, the many of one kind condensed."""
        found = [finding.as_dict() for finding in condense(findings)]
        if found:
            self.tell({"findings": found})


def unreadable(check: str, where: str, got: str) -> Finding:
    """The finding for a file that can't be read to the end."""
    what = "The file can't be read"
    return Finding(check, "unreadable", what, where, "a readable HDF5 file", got, RECOLLECT)
