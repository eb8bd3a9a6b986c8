"""`quarry grade`: verdicts for a file of completions.

Lines are read and written here; how a completion is judged lives in `quarry.grading`.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from quarry.cli.choices import Format
from quarry.cli.json_lines import JsonLines
from quarry.cli.locations import MIRROR_VARIABLE
from quarry.cli.output import (
    CLEAN,
    FINDINGS,
    Advance,
    emit,
    emit_markdown,
    json_line,
    progress_bar,
)
from quarry.cli.written import written
from quarry.errors import UsageError

if TYPE_CHECKING:
    from quarry.samples import Sample


def grade_file(
    completions: Annotated[
        Path,
        typer.Argument(help="JSON lines with sample_id or task_id, and completion; - reads stdin."),
    ],
    benchmark: Annotated[Format, typer.Option(help="Which benchmark the rows belong to.")],
    mirror: Annotated[
        Path,
        typer.Option(envvar=MIRROR_VARIABLE, help="Directory with the benchmark's original files."),
    ],
    split: Annotated[str, typer.Option(help="Which split of it.")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line a row.")] = False,
    output: Annotated[Path | None, typer.Option(help="Also write the JSON lines there.")] = None,
) -> None:
    """Grade completions: every row with its verdict and the evidence, in the order of the input.

    A row that can't be graded gets the verdict `error` with its reason; nothing is lost. Exit code
    0 when every row was judged, 1 when one was not (`error`), 2 on wrong use.

    Example: `quarry grade completions.jsonl --benchmark gsm8k --split test --mirror data --json`
    """
    samples = _samples(benchmark, split, mirror)
    counts: Counter[str] = Counter()
    with _opened(completions) as file, _writer(output) as write, progress_bar() as advance:
        for record in _graded(file, samples, benchmark, split):
            counts[record["verdict"]] += 1
            line = json_line(record)
            if write:
                write(line)
            if as_json:
                emit(line)
            _tell(advance, counts)
    if not as_json:
        _show(counts)
    raise typer.Exit(FINDINGS if counts["error"] else CLEAN)


def _samples(benchmark: Format, split: str, mirror: Path) -> dict[str, Sample]:
    """The samples that rows may name, by id."""
    from quarry.benchmarks.source import BenchmarkSource

    if not mirror.is_dir():
        raise UsageError(
            "The mirror does not exist",
            where=str(mirror),
            expected="a directory such as gsm8k/, humaneval/, logiqa/ or mbpp/ lie in",
            got="a file" if mirror.exists() else "no such directory",
            fix="correct --mirror",
        )
    return {sample.id: sample for sample in BenchmarkSource(mirror).load(benchmark.value, split)}


def _graded(
    file: Iterable[bytes], samples: dict[str, Sample], benchmark: Format, split: str
) -> Iterator[dict[str, Any]]:
    """Graded rows, and an error row in the place of every line that is no JSON object."""
    from quarry.grading.completions_file import grade_completions
    from quarry.sandbox.limits import Limits

    lines = JsonLines(file)
    graded = grade_completions(lines.rows(), samples, benchmark.value, split, Limits())
    return lines.merged(graded)


@contextmanager
def _opened(path: Path) -> Generator[BinaryIO]:
    """The completions file, or stdin for `-`."""
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(
            "The completions can't be read",
            where=str(path),
            expected="a file of JSON lines",
            got=error.strerror or str(error),
            fix="correct the path, or use - for stdin",
        ) from error
    with file:
        yield file


def _writer(output: Path | None) -> AbstractContextManager[Callable[[str], None] | None]:
    """The output file's write function, or nothing."""
    return nullcontext() if output is None else written(output)


def _tell(advance: Advance | None, counts: Counter[str]) -> None:
    """Show how far we are; the number of rows is not known in a stream."""
    if advance:
        advance(counts.total(), 0, f"{counts.total()} rows, {counts['correct']} correct")


def _show(counts: Counter[str]) -> None:
    """A table of the verdicts."""
    from quarry.audit.tables import markdown_table
    from quarry.grading.verdict import Verdict

    total = counts.total()
    rows = [
        [verdict.value, str(counts[verdict]), f"{counts[verdict] / total:.1%}"]
        for verdict in Verdict
        if total
    ]
    emit_markdown(markdown_table(["Verdict", "Rows", "Share"], [*rows, ["total", str(total), ""]]))
