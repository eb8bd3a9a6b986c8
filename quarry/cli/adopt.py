"""`quarry adopt`: take trajectory files of older pipelines into the data directory.

How a file is mapped, examined and placed lives in `quarry.adoption`; here are only paths, words and
exit codes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quarry.cli.locations import (
    CATALOG_VARIABLE,
    DATA_DIR_VARIABLE,
    DEFAULT_CATALOG,
    DEFAULT_DATA_DIR,
    MIRROR_VARIABLES,
    catalog_path,
    data_directory_to_fill,
)
from quarry.cli.output import (
    CLEAN,
    FINDINGS,
    emit,
    emit_json,
    emit_markdown,
    printable,
    progress_bar,
)
from quarry.cli.verify import emit_findings
from quarry.errors import SourceMissingError, UsageError

if TYPE_CHECKING:
    from quarry.adoption.outcome import Adoption
    from quarry.adoption.placing import How
    from quarry.catalog import Catalog
    from quarry.keys import TrajectoryKey
    from quarry.samples import Sample

_NEXT = (
    "\nAdopted files are in place and described. The sensor `adopt_files` of the running platform "
    "(`quarry ui`) records them as materialised and runs their checks.\n"
)


def adopt_files(
    directory: Annotated[
        Path, typer.Argument(help="Directory to search for trajectory files, or one file.")
    ],
    data_dir: Annotated[
        Path | None,
        typer.Option(
            envvar=DATA_DIR_VARIABLE,
            help="The platform's data directory; made if absent.",
            show_default=DEFAULT_DATA_DIR,
        ),
    ] = None,
    catalog: Annotated[
        Path | None,
        typer.Option(envvar=CATALOG_VARIABLE, help="Catalog file.", show_default=DEFAULT_CATALOG),
    ] = None,
    link: Annotated[
        bool | None,
        typer.Option(
            "--link/--copy",
            help="Give the file a second name, or copy it.",
            show_default="a link where the file system can, else a copy",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let a clean file take the place of another one.")
    ] = False,
    mirror: Annotated[
        Path | None,
        typer.Option(
            envvar=MIRROR_VARIABLES,
            help="Benchmark files, to find the rows' samples in.",
            show_default="the catalog's, unless it is the hub",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Examine only, write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Adopt files of older pipelines: verify them fully and put them in place, never rewritten.

    Exit code 0 when every file is in place and clean (warnings allowed), 1 when one is not, 2 on
    wrong use. A second run finds everything adopted and does nothing.

    Example: `quarry adopt /data/trajectories_0shot --catalog catalog/olmo3.yaml --dry-run`
    """
    from quarry.adoption.adopting import Adopter
    from quarry.catalog import load_catalog

    loaded = load_catalog(catalog_path(catalog))
    folder = data_directory_to_fill(data_dir)
    how: How = "auto" if link is None else "link" if link else "copy"
    adopter = Adopter(
        loaded,
        folder,
        how=how,
        may_replace=replace,
        is_dry_run=dry_run,
        samples_of=_samples_of(loaded, folder, mirror, catalog_path(catalog).parent),
    )
    files = _files_of(directory, folder)
    with progress_bar() as advance:
        adoptions = list(adopter.adopt_files(files, advance))
    if as_json:
        emit_json(_as_dict(adoptions, folder, is_dry_run=dry_run))
    else:
        _show(adoptions)
    raise typer.Exit(CLEAN if all(one.is_clean for one in adoptions) else FINDINGS)


def _files_of(path: Path, data_dir: Path) -> list[Path]:
    """The file itself, or what a directory holds.

    Raises:
        UsageError: there is nothing.
    """
    from quarry.adoption.old_files import find_files

    found = [path.absolute()] if path.is_file() else []
    if path.is_dir():
        found = find_files(path.resolve(), data_dir)
    if not found:
        raise UsageError(
            "There is nothing to adopt",
            where=str(path),
            expected="a file, or a directory with *.h5 files in it",
            got="no such file" if path.is_dir() else "no such file or directory",
            fix="correct the path",
        )
    return found


def _samples_of(
    catalog: Catalog, data_dir: Path, mirror: Path | None, base_dir: Path
) -> Callable[[TrajectoryKey], Sequence[Sample] | None]:
    """Loads a task's whole split where its files are at hand; the network is left alone."""
    known: dict[str, Sequence[Sample] | None] = {}

    def samples_of(key: TrajectoryKey) -> Sequence[Sample] | None:
        if key.task not in known:
            known[key.task] = _load(catalog, key.task, data_dir, mirror, base_dir)
        return known[key.task]

    return samples_of


def _load(
    catalog: Catalog, task: str, data_dir: Path, mirror: Path | None, base_dir: Path
) -> Sequence[Sample] | None:
    """The samples of a task, or None where they are not at hand."""
    from quarry.benchmarks.source import BenchmarkSource, open_source
    from quarry.data_directory import DataDirectory

    spec, benchmark = catalog.benchmark_source, catalog.benchmark(task)
    if mirror is None and spec.kind == "hub":
        return None
    try:
        source = (
            BenchmarkSource(mirror)
            if mirror is not None
            else open_source(spec, toy_dir=DataDirectory(data_dir).toy_mirror, base_dir=base_dir)
        )
        return source.load(benchmark.format, benchmark.split)
    except SourceMissingError:
        return None


def _as_dict(adoptions: Sequence[Adoption], data_dir: Path, *, is_dry_run: bool) -> dict[str, Any]:
    """The JSON document."""
    return {
        "data_dir": str(data_dir),
        "is_dry_run": is_dry_run,
        "is_clean": all(one.is_clean for one in adoptions),
        "files": [one.as_dict() for one in adoptions],
    }


def _show(adoptions: Sequence[Adoption]) -> None:
    """A table of files, then reasons and findings, then what comes next."""
    from quarry.audit.tables import markdown_table

    rows = [
        [
            printable(str(one.path)),
            one.key.partition if one.key else "-",
            one.status.value,
            _verdict(one),
            "-" if one.n_matched is None else f"{one.n_matched}/{one.n_samples}",
        ]
        for one in adoptions
    ]
    head = ["File", "Cell", "Result", "Verdict", "Rows with a sample id"]
    emit_markdown(markdown_table(head, rows))
    for one in adoptions:
        if one.reason:
            emit(f"\n{printable(str(one.path))}: {one.status.value}: {printable(one.reason)}\n")
        emit_findings(one.findings)
    if any(one.is_new for one in adoptions):
        emit(_NEXT)


def _verdict(one: Adoption) -> str:
    """`clean`, `clean, 1 warning`, `3 errors`; `-` where nothing was examined."""
    n_errors = sum(found.severity == "error" for found in one.findings)
    n_warnings = len(one.findings) - n_errors
    parts = ["clean"] if one.is_clean else []
    for count, noun in ((n_errors, "error"), (n_warnings, "warning")):
        if count:
            parts.append(f"{count} {noun}" if count == 1 else f"{count} {noun}s")
    return ", ".join(parts) or "-"
