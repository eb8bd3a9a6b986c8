"""`quarry verify`: examine trajectory files and say what is wrong with them.

What is examined lives in `quarry.trajectory`; here are only paths, words and exit codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quarry.cli.choices import Level
from quarry.cli.output import (
    CLEAN,
    FINDINGS,
    emit,
    emit_json,
    emit_markdown,
    printable,
    progress_bar,
)
from quarry.errors import UnknownNameError, UsageError
from quarry.keys import TrajectoryKey

if TYPE_CHECKING:
    from quarry.findings import Finding
    from quarry.trajectory.report import Report

PATTERN = "*_trajectories.h5"


def verify_files(
    paths: Annotated[
        list[Path], typer.Argument(help="Trajectory files, or directories to search for them.")
    ],
    level: Annotated[
        Level, typer.Option(help="light reads 4 KiB, structure the file's map, full every byte.")
    ] = Level.FULL,
    rescan: Annotated[
        bool, typer.Option("--rescan", help="Examine values even where digests prove them.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Verify trajectory files.

    Exit code 0 when every file is clean (warnings allowed), 1 when one is not, 2 on wrong use.

    Example: `quarry verify .quarry/demo/data --level structure`
    """
    files = list(dict.fromkeys(file for path in paths for file in files_of(path)))
    reports = _verify_all(files, level, is_rescan=rescan)
    if as_json:
        emit_json(as_document(reports, level))
    else:
        show_reports(reports)
    raise typer.Exit(CLEAN if all(report.is_clean for report in reports) else FINDINGS)


def key_of_path(path: Path) -> TrajectoryKey | None:
    """The grid cell that a path claims to be, or None outside our own layout.

    A file that lies in another cell's place is found by comparing this with its header.
    """
    shots, model, name = path.parts[-3:] if len(path.parts) >= 3 else ("", "", "")
    number, task = shots.removesuffix("shot"), name.removesuffix("_trajectories.h5")
    if not number.isdecimal():
        return None
    try:
        key = TrajectoryKey(model, task, int(number))
    except UnknownNameError:
        return None
    return key if path.parts[-4:] == key.trajectory_path.parts else None


def files_of(path: Path) -> Iterator[Path]:
    """The file itself, or all trajectory files below a directory, by name."""
    if path.is_file():
        yield path
        return
    found = sorted(path.rglob(PATTERN)) if path.is_dir() else []
    if not found:
        raise UsageError(
            "There is nothing to verify",
            where=str(path),
            expected=f"a file, or a directory with {PATTERN} in it",
            got="no such file" if path.is_dir() else "no such file or directory",
            fix="correct the path",
        )
    yield from found


def _verify_all(files: Sequence[Path], level: Level, *, is_rescan: bool) -> list[Report]:
    """Verify file after file."""
    reports: list[Report] = []
    with progress_bar() as advance:
        for done, file in enumerate(files):
            if advance:
                advance(done, len(files), file.name)
            reports.append(verify_file(file, level, is_rescan=is_rescan))
    return reports


def verify_file(file: Path, level: Level, *, is_rescan: bool = False) -> Report:
    """Verify one file as the cell that its path claims to be."""
    from quarry.trajectory.report import Expected
    from quarry.trajectory.verification import verify

    key = key_of_path(file.resolve())
    expected = Expected(key.model, key.task, key.n_shot) if key else None
    return verify(file, level=level.value, expected=expected, is_rescan=is_rescan)


def as_document(reports: Sequence[Report], level: Level) -> dict[str, Any]:
    """The JSON document."""
    return {
        "level": level.value,
        "is_clean": all(report.is_clean for report in reports),
        "files": [
            {
                **what_was_found(report.path, report.facts, report.findings),
                "is_clean": report.is_clean,
                "checks_run": list(report.checks_run),
            }
            for report in reports
        ],
    }


def show_reports(reports: Sequence[Report]) -> None:
    """A table of files, then every finding with its cure."""
    from quarry.audit.tables import markdown_table

    rows = [
        [
            str(report.path),
            f"{report.facts.get('size_bytes', 0):,}",
            _result(report),
        ]
        for report in reports
    ]
    emit_markdown(markdown_table(["File", "Bytes", "Result"], rows))
    emit_findings(finding for report in reports for finding in report.findings)


def _result(report: Report) -> str:
    """`clean`, `clean, 1 warning`, `3 errors`."""
    n_errors = len(report.errors)
    n_warnings = len(report.findings) - n_errors
    parts = [] if n_errors else ["clean"]
    for count, noun in ((n_errors, "error"), (n_warnings, "warning")):
        if count:
            parts.append(f"{count} {noun}" if count == 1 else f"{count} {noun}s")
    return ", ".join(parts)


def what_was_found(
    path: Path, facts: Mapping[str, Any], findings: Sequence[Finding]
) -> dict[str, Any]:
    """What every examination of a file says of it in JSON."""
    return {
        "path": str(path),
        "facts": dict(facts),
        "findings": [finding.as_dict() for finding in findings],
    }


def emit_findings(findings: Iterable[Finding]) -> None:
    """Every finding with its cure."""
    for finding in findings:
        emit(printable(finding_text(finding)))


def finding_text(finding: Finding) -> str:
    """A finding in the order of every message: what, where, expected, got, what to do."""
    return (
        f"\n{finding.severity}: {finding.what} [{finding.check}]\n"
        f"  where: {finding.where}\n  expected: {finding.expected}\n"
        f"  got: {finding.got}\n  fix: {finding.cure}\n"
    )
