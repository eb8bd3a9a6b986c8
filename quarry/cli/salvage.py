"""`quarry salvage`: keep the intact rows of a damaged trajectory file in a new, partial one.

Which rows are intact is found out in `quarry.salvage.salvaging`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quarry.cli.output import CLEAN, FINDINGS, emit, emit_json
from quarry.cli.verify import emit_findings, key_of_path
from quarry.errors import UsageError

if TYPE_CHECKING:
    from quarry.salvage.salvaging import SalvageResult

_SHOWN = 10


def salvage_file(
    file: Annotated[Path, typer.Argument(help="A damaged trajectory file; it is not changed.")],
    output: Annotated[
        Path | None,
        typer.Option(
            help="Where to write the kept rows. By default into staging, where the next "
            "collection of the cell finds them; outside a data directory beside the file."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Copy the intact rows of a damaged file into a new file that is marked as partial.

    Exit code 0 when every row was kept, 1 when something was lost, 2 on wrong use.

    Example: `quarry salvage DATA/trajectories/0shot/olmo3_base/gsm8k_trajectories.h5`
    """
    from quarry.salvage.salvaging import salvage

    if not file.is_file():
        raise UsageError(
            "There is nothing to salvage",
            where=str(file),
            expected="a damaged trajectory file",
            got="a directory" if file.is_dir() else "no such file",
            fix="correct the path",
        )
    result = salvage(file, output or _default_output(file))
    if as_json:
        emit_json(_as_dict(result))
    else:
        _show(result)
    raise typer.Exit(CLEAN if result.is_all else FINDINGS)


def _default_output(file: Path) -> Path:
    """In staging for a file of a data directory, else beside the file."""
    from quarry.salvage.salvaging import salvaged_path

    key = key_of_path(file.resolve())
    if key is not None:
        return salvaged_path(file.resolve().parents[3], key)
    return file.with_name(f"{file.stem}.salvaged.h5")


def _as_dict(result: SalvageResult) -> dict[str, Any]:
    """The JSON document."""
    findings = [*result.findings, *(result.report.findings if result.report else [])]
    return {
        "path": str(result.path),
        "output": str(result.output) if result.output else None,
        "is_all": result.is_all,
        "is_proven": result.is_proven,
        "n_rows": result.n_rows,
        "n_kept": result.n_kept,
        "lost": [
            {"row": one.row, "sample_id": one.sample_id, "reason": one.reason}
            for one in result.lost
        ],
        "findings": [finding.as_dict() for finding in findings],
    }


def _show(result: SalvageResult) -> None:
    """How much was kept and where, the first lost rows, then every finding."""
    proof = "each proven by its digest" if result.is_proven else "judged; no digests were there"
    share = result.n_kept / result.n_rows if result.n_rows else 0.0
    emit(f"{result.path}: {result.n_kept} of {result.n_rows} rows kept ({share:.1%}), {proof}\n")
    if result.output is not None:
        emit(f"  written to {result.output}\n")
    for one in result.lost[:_SHOWN]:
        emit(f"  lost: row {one.row} {one.sample_id or ''}: {one.reason}\n")
    if len(result.lost) > _SHOWN:
        emit(f"  and {len(result.lost) - _SHOWN} more; --json lists them all\n")
    emit_findings(result.findings)
