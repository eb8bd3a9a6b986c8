"""The guarded child: opens the file as HDF5 and runs the checks, printing JSON lines.

Run by `verification` as `python -m quarry.trajectory.verify_child`; never imported elsewhere. Lines
are `{"begin": check}`, `{"findings": [...]}`, `{"end": check}` and `{"facts": {...}}`, each printed
as soon as it is known, so that a file that kills this process has still told what was found.
"""

from __future__ import annotations

import contextlib
import json
import math
import resource
import sys
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py

from quarry.errors import QuarryError
from quarry.findings import Finding
from quarry.trajectory.chunk_map import read_chunk_map
from quarry.trajectory.columns import Columns, read_columns
from quarry.trajectory.digests import file_digest
from quarry.trajectory.layout import TRAJECTORIES
from quarry.trajectory.manifest import Manifest
from quarry.trajectory.report import (
    ACTIVATIONS_SANE,
    CHUNKS_INTACT,
    LAYOUT_VALID,
    LENGTHS_PLAUSIBLE,
    RECOLLECT,
    ROWS_COMPLETE,
    Expected,
    condense,
)
from quarry.trajectory.sample_scans import scan_samples
from quarry.trajectory.verify_chunks import check_chunks
from quarry.trajectory.verify_digests import (
    column_findings,
    content_finding,
    file_finding,
    sample_digest_findings,
)
from quarry.trajectory.verify_lengths import length_findings
from quarry.trajectory.verify_rows import row_findings
from quarry.trajectory.verify_structure import Layout, check_layout
from quarry.trajectory.verify_values import NeighbourRules, sample_findings

_MOST_MEMORY_BYTES = 16 << 30
_GRACE_S = 5
_READ_ERRORS = (
    OSError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
)


class UnreadableError(Exception):
    """HDF5 refused to read; already reported."""


def main() -> None:
    """Read the request, run the checks."""
    request: dict[str, Any] = json.load(sys.stdin)
    _limit(request["deadline_s"])
    manifest = request["manifest"] and Manifest.from_dict(request["manifest"], request["path"])
    checker = Checker(Path(request["path"]), Expected(**request["expected"]), manifest)
    with contextlib.suppress(UnreadableError):
        checker.run(is_full=request["level"] == "full")


def _limit(deadline_s: float) -> None:
    """Bound core dumps, memory and CPU time.

    The parent kills a child that takes too long, but a parent may be killed itself; then a file on
    which HDF5 loops for ever would keep a core busy for ever.
    """
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: _MOST_MEMORY_BYTES,
        resource.RLIMIT_CPU: math.ceil(deadline_s) + _GRACE_S,
    }
    for name, limit in limits.items():
        with contextlib.suppress(ValueError, OSError):  # lower already, or unknown to the system
            resource.setrlimit(name, (limit, limit))


class Checker:
    """Runs the checks of one file in order of what they need.

    Args:
        path: the file.
        expected: what the caller knows about it.
        manifest: what it should be, where there is one.
    """

    def __init__(self, path: Path, expected: Expected, manifest: Manifest | None) -> None:
        self.path = path
        self.where = str(path)
        self.expected = expected
        self.manifest = manifest

    def run(self, *, is_full: bool) -> None:
        """Structure, then, where it is readable, everything else."""
        with _check(LAYOUT_VALID, self.where), h5py.File(self.path, "r") as file:
            layout = check_layout(file, self.where, self.expected)
            _say(findings=layout.findings)
            _print({"facts": layout.facts})
            if layout.is_readable:
                found = check_chunks(file, self.where, self.path.stat().st_size)
                layout.is_readable = all(finding.kind != "wrong_length" for finding in found)
                _say(findings=found)
        if not is_full:
            return
        if self.manifest is not None:
            with _check(CHUNKS_INTACT, self.where):
                _say(findings=file_finding(self.path, file_digest(self.path), self.manifest))
        if layout.is_readable:
            with h5py.File(self.path, "r") as file:
                self._run_full(file, layout)

    def _run_full(self, file: h5py.File, layout: Layout) -> None:
        """Columns, then states; at last what the digests say of both."""
        scope = layout.header.scope if layout.header else None
        with _check(ROWS_COMPLETE, self.where):
            columns = read_columns(file)
            n_expected = layout.header.n_samples if layout.header else self.expected.n_samples
            _say(findings=row_findings(columns, self.where, n_expected))
        with _check(LENGTHS_PLAUSIBLE, self.where):
            max_seq_len = layout.facts["max_seq_len"]
            _say(findings=length_findings(columns, self.where, max_seq_len, scope))
        with _check(ACTIVATIONS_SANE, self.where):
            digests: dict[int, str] = {}
            rules = NeighbourRules(self.where, columns, scope)
            _say(findings=self._state_findings(file, columns, rules, digests))
        if self.manifest is not None:
            with _check(CHUNKS_INTACT, self.where):
                ordered = [digests[index] for index in range(columns.n_samples)]
                _say(findings=self._digest_findings(file, columns, ordered, layout, self.manifest))
        n_tokens = int(columns.sequence_lengths.sum(dtype="int64"))
        _print({"facts": {"n_tokens": n_tokens}})

    def _state_findings(
        self, file: h5py.File, columns: Columns, rules: NeighbourRules, digests: dict[int, str]
    ) -> Iterator[Finding]:
        """Scan all samples; their digests are collected on the way."""
        for index, scan in scan_samples(file, columns.sequence_lengths):
            digests[index] = scan.digest
            if not scan.n_tokens:
                continue
            sample_id = columns.id_of(index)
            yield from sample_findings(scan, self.where, sample_id, rules.tokens(index))
            yield from rules.add(index, scan)

    def _digest_findings(
        self,
        file: h5py.File,
        columns: Columns,
        digests: list[str],
        layout: Layout,
        manifest: Manifest,
    ) -> Iterator[Finding]:
        """What changed, told by columns, by samples, and by the header."""
        chunk_map = read_chunk_map(file[TRAJECTORIES])
        found = list(column_findings(columns, self.where, manifest))
        found += sample_digest_findings(digests, self.where, manifest, chunk_map)
        yield from found
        if layout.header is not None and not found:
            yield from content_finding(digests, columns, layout.header, self.where, manifest)


@contextlib.contextmanager
def _check(name: str, where: str) -> Generator[None]:
    """Say that a check begins and ends; what HDF5 can't read is a finding of that check."""
    _print({"begin": name})
    try:
        yield
    except (*_READ_ERRORS, QuarryError) as error:
        _say(findings=[unreadable(name, where, f"{type(error).__name__}: {error}"[:400])])
        raise UnreadableError from error
    _print({"end": name})


def unreadable(check: str, where: str, got: str) -> Finding:
    """The finding for a file that can't be read to the end."""
    what = "The file can't be read"
    return Finding(check, "unreadable", what, where, "a readable HDF5 file", got, RECOLLECT)


def _say(*, findings: Iterable[Finding]) -> None:
    """Print findings, the many of one kind condensed."""
    found = [finding.as_dict() for finding in condense(findings)]
    if found:
        _print({"findings": found})


def _print(message: dict[str, Any]) -> None:
    """Print one JSON line at once."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
