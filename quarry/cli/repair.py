"""`quarry repair`: replace the damaged bytes of one trajectory file by those of a good copy.

What is damaged, and how it is replaced, lives in `quarry.repair.repairing`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quarry.cli.output import CLEAN, FINDINGS, emit, emit_json
from quarry.cli.verify import emit_findings, key_of_path
from quarry.errors import UsageError

if TYPE_CHECKING:
    from quarry.repair.repairing import RepairResult


def repair_file(
    file: Annotated[Path, typer.Argument(help="A trajectory file; it may be missing.")],
    good: Annotated[
        Path | None,
        typer.Option("--from", help="A good copy of it, or a data directory that holds one."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Repair a trajectory file; only damaged bytes are fetched, and each is proven first.

    Without --from, a lost table of digests is made anew and trailing bytes are cut off.

    Exit code 0 when the file is whole afterwards, 1 when it is not, 2 on wrong use.

    Example: `quarry repair FILE --from /backup/data`
    """
    from quarry.repair.good_copy import LocalCopy
    from quarry.repair.repairing import repair

    copy = None if good is None else LocalCopy(_copy_of(file, good))
    if file.is_dir() or (copy is None and not file.exists()):
        raise UsageError(
            "There is nothing to repair",
            where=str(file),
            expected="a trajectory file, or --from with a copy of it",
            got="a directory" if file.is_dir() else "no such file",
            fix="correct the path, or name a copy",
        )
    result = repair(file, copy)
    if as_json:
        emit_json(_as_dict(result))
    else:
        _show(result)
    raise typer.Exit(CLEAN if result.is_whole else FINDINGS)


def _copy_of(file: Path, good: Path) -> Path:
    """The copy itself, or the file of the same cell, else of the same name, in a directory."""
    key = key_of_path(file.resolve())
    found = good
    if good.is_dir():
        found = good / key.trajectory_path if key else good / file.name
    if not found.is_file() or (file.exists() and found.samefile(file)):
        raise UsageError(
            "There is no good copy",
            where=str(found),
            expected="another file, with its manifest beside it",
            got="the damaged file itself" if found.is_file() else "no such file",
            fix="name a copy of the file",
        )
    return found


def _as_dict(result: RepairResult) -> dict[str, Any]:
    """The JSON document."""
    return {
        "path": str(result.path),
        "is_whole": result.is_whole,
        "damaged": [{"start": start, "size_bytes": size} for start, size in result.damaged],
        "bytes_fetched": result.bytes_fetched,
        "bytes_written": result.bytes_written,
        "size_change_bytes": result.size_change_bytes,
        "restored": list(result.restored),
        "findings": [finding.as_dict() for finding in result.findings],
    }


def _show(result: RepairResult) -> None:
    """What was done, then every finding that is left."""
    n_bytes = sum(size for _, size in result.damaged)
    lines = [f"{result.path}: {'whole' if result.is_whole else 'still damaged'}"]
    lines += [f"  damaged: {n_bytes:,} bytes in {len(result.damaged)} extents"]
    lines += [f"  fetched: {result.bytes_fetched:,} bytes, written: {result.bytes_written:,}"]
    if result.size_change_bytes:
        lines += [f"  size changed by {result.size_change_bytes:+,} bytes"]
    if result.restored:
        lines += [f"  restored: {', '.join(result.restored)}"]
    emit("\n".join(lines) + "\n")
    emit_findings(result.findings)
