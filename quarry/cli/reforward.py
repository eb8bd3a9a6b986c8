"""`quarry reforward`: run stored tokens through the model again and compare the hidden states.

What is compared lives in `quarry.semantic`; here are only paths, words and exit codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quarry.cli.choices import Dtype
from quarry.cli.output import (
    CLEAN,
    FINDINGS,
    emit_json,
    emit_markdown,
    progress_bar,
)
from quarry.cli.verify import emit_findings, files_of, what_was_found

if TYPE_CHECKING:
    from quarry.inference.engine import InferenceEngine
    from quarry.inference.engine_in_turn import EngineInTurn
    from quarry.semantic.checking import SemanticReport
    from quarry.semantic.file_models import FileModel


def reforward_files(
    paths: Annotated[
        list[Path], typer.Argument(help="Trajectory files, or directories to search for them.")
    ],
    model: Annotated[
        str, typer.Option(help="Checkpoint directory or hub id; by default what each file says.")
    ] = "",
    revision: Annotated[str, typer.Option(help="Revision of the hub id.")] = "",
    rows: Annotated[int, typer.Option(min=0, help="Rows of each file; 0 for all.")] = 2,
    seed: Annotated[int, typer.Option(help="Which rows; another seed, others.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, or names such as cuda:0.")] = "auto",
    dtype: Annotated[Dtype, typer.Option(help="What the model computes in.")] = Dtype.AUTO,
    lease_dir: Annotated[
        Path | None,
        typer.Option(envvar="QUARRY_LEASE_DIR", help="Where it is kept who has which device."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compare stored hidden states with those that the model gives now.

    Finds files that are wrong but intact: states of another layer, position, sample or model. Exit
    code 0 when all that was compared agrees, 1 when not or when it can't be told, 2 on wrong use.

    Example: `quarry reforward FILE --rows 4`
    """
    from quarry.inference.engine_in_turn import EngineInTurn
    from quarry.semantic.file_models import FileModel

    files = list(dict.fromkeys(file for path in paths for file in files_of(path)))
    given = FileModel.given(model, revision or None) if model else None

    def opened(one: FileModel) -> InferenceEngine:
        return one.open(device=device, dtype=dtype.value, lease_dir=lease_dir, log=_say)

    with EngineInTurn(opened) as engines:
        reports = _compare_all(files, given, engines, rows, seed)
    if as_json:
        emit_json(as_document(reports))
    else:
        show_reports(reports)
    raise typer.Exit(CLEAN if all(report.is_confirmed for report in reports) else FINDINGS)


def _compare_all(
    files: Sequence[Path],
    given: FileModel | None,
    engines: EngineInTurn[FileModel],
    rows: int,
    seed: int,
) -> list[SemanticReport]:
    """Compare file after file, those of a model together; results in the order of the files."""
    reports: dict[Path, SemanticReport] = {}
    with progress_bar() as advance:
        for done, file in enumerate(sorted(files, key=lambda path: (path.parent.name, path))):
            if advance:
                advance(done, len(files), file.name)
            reports[file] = _compare(file, given, engines, rows, seed)
    return [reports[file] for file in files]


def _compare(
    file: Path, given: FileModel | None, engines: EngineInTurn[FileModel], rows: int, seed: int
) -> SemanticReport:
    """Compare one file, and keep the verdict where it lies in a data directory."""
    from quarry.semantic.checking import examine_states
    from quarry.semantic.file_models import FileModel, data_dir_of
    from quarry.semantic.verdicts import record_verdict

    def engine() -> InferenceEngine:
        return engines.of(given or FileModel.of_file(file))

    report = examine_states(file, engine, n_rows=rows, seed=seed)
    data_dir = data_dir_of(file)
    if data_dir is not None:
        record_verdict(data_dir, report)
    return report


def _say(line: str) -> None:
    """A line about devices, apart from the results."""
    typer.echo(line, err=True)


def as_document(reports: Sequence[SemanticReport]) -> dict[str, Any]:
    """The JSON document."""
    return {
        "is_confirmed": all(report.is_confirmed for report in reports),
        "files": [
            {
                **what_was_found(report.path, report.facts, report.findings),
                "is_confirmed": report.is_confirmed,
            }
            for report in reports
        ],
    }


def show_reports(reports: Sequence[SemanticReport]) -> None:
    """A table of files, then every finding with its cure."""
    from quarry.audit.tables import markdown_table

    table = [
        [
            str(report.path),
            str(report.facts["rows"]),
            _error(report, "median_error"),
            _error(report, "worst_error"),
            _result(report),
        ]
        for report in reports
    ]
    emit_markdown(markdown_table(["File", "Rows", "Median error", "Worst", "Result"], table))
    emit_findings(finding for report in reports for finding in report.findings)


def _error(report: SemanticReport, name: str) -> str:
    """A relative error, where one was measured."""
    return f"{report.facts[name]:.2g}" if name in report.facts else "-"


def _result(report: SemanticReport) -> str:
    """`agrees`, `differs`, or `can't be told`."""
    if report.is_confirmed:
        return "agrees"
    is_wrong = any(finding.severity == "error" for finding in report.findings)
    return "differs" if is_wrong else "can't be told"
