"""`quarry stratify`: choose a dataset, so many items of each stratum, from necessity results.

How items are chosen lives in `quarry.selection.stratification`.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quarry.cli.output import CLEAN, FINDINGS, emit_json, emit_markdown, printable
from quarry.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from quarry.samples import Sample
    from quarry.selection.candidates import Candidates
    from quarry.selection.quotas import StrataSpec
    from quarry.selection.stratification import Stratified

_SPLITS = ("test", "train")


def stratify_candidates(
    candidates: Annotated[
        list[Path],
        typer.Option(
            help="Necessity results: Parquet, JSON or JSON lines, or a directory of such files. "
            "May be given several times."
        ),
    ],
    target: Annotated[
        str,
        typer.Option(
            help="What each stratum shall have: 2-step=150 (a count), 3-step=25% (of --total), "
            "4-step>=100 (at least, and more up to --total; in quotes); with commas between."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The dataset: a .json file, with the .parquet file beside it."),
    ] = None,
    existing: Annotated[
        Path | None,
        typer.Option(help="Items that are kept: llama_cot_all.json, or an earlier dataset."),
    ] = None,
    total: Annotated[int | None, typer.Option(help="Items in all.")] = None,
    by: Annotated[str, typer.Option(help="The column whose values are the strata.")] = "difficulty",
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="What an item must have to be chosen: COLUMN=VALUE. May be given several times.",
            show_default="needs_cot=true",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the hash order in which items are taken.")] = 42,
    gsm8k: Annotated[
        Path | None,
        typer.Option(
            help="Directory with GSM8K's test.jsonl and train.jsonl, for the solutions of "
            "items that have none."
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw the strata into a PNG file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be chosen; write nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that are no such dataset.")
    ] = False,
) -> None:
    """Choose a stratified dataset: existing items first, then new ones in the order of a hash.

    The choice does not depend on the order of the results, and raising a count or the total keeps
    every earlier choice. What a stratum lacks is reported and never taken from another one.

    Exit code 0 when every target is met, 1 when one is not (the dataset is written all the same), 2
    on wrong use.

    Example: `quarry stratify --candidates necessity.parquet --existing llama_cot_all.json
    --target 2-step=150,3-step=150,4-step=100,5+step=50 --seed 42 --out cot_450.json`
    """
    from quarry.selection.candidates import read_candidates
    from quarry.selection.existing import read_existing
    from quarry.selection.gold import with_gold
    from quarry.selection.stratification import stratify

    spec = _spec(target, total, by, seed, where)
    if not dry_run:
        _require_free(out, is_forced=force)
    samples = [] if gsm8k is None else _samples(gsm8k)
    results = read_candidates(candidates)
    kept = None if existing is None else read_existing(existing, samples)
    chosen = stratify(with_gold(results.frame, samples), kept, spec)
    written = [] if dry_run or out is None else _write(chosen.rows, out)
    if plot is not None and not dry_run:
        written.append(_draw(chosen, plot, (out or plot).stem))
    _show(chosen, results, written, as_json=as_json)
    raise typer.Exit(CLEAN if chosen.report.is_met else FINDINGS)


def _spec(
    target: str, total: int | None, by: str, seed: int, where: list[str] | None
) -> StrataSpec:
    """What is asked for."""
    from quarry.selection.quotas import NEEDS_COT, StrataSpec, parse_quotas

    quotas = parse_quotas(target)
    if not where:
        return StrataSpec(quotas, total, by, seed, NEEDS_COT)
    pairs = [text.partition("=") for text in where]
    for text, (column, equals, value) in zip(where, pairs, strict=True):
        if not (column.strip() and equals and value.strip()):
            raise UsageError(
                "A condition can't be read",
                where="--where",
                expected="COLUMN=VALUE, such as needs_cot=true",
                got=repr(text),
                fix="correct it",
            )
    conditions = {column.strip(): value.strip() for column, _, value in pairs}
    return StrataSpec(quotas, total, by, seed, conditions)


def _require_free(out: Path | None, *, is_forced: bool) -> None:
    """Refuse to go on without a name for the dataset, or to replace what is none."""
    from quarry.selection.dataset_files import dataset_files, is_dataset

    if out is None:
        raise UsageError(
            "The dataset has no name",
            expected="--out FILE, or --dry-run",
            got="neither",
            fix="name a file that ends in .json",
        )
    files = dataset_files(out)
    for path in (files.json, files.parquet):
        if path.is_dir() or (path.exists() and not is_forced and not is_dataset(path)):
            raise UsageError(
                "A file that is no stratified dataset would be replaced",
                where=str(path),
                expected="a free name, or an earlier dataset",
                got="a directory" if path.is_dir() else "another file",
                fix="name another file with --out, or replace this one with --force",
            )


def _samples(folder: Path) -> list[Sample]:
    """GSM8K's samples of a directory, or of the `gsm8k` in it."""
    from quarry.benchmarks.gsm8k import parse
    from quarry.benchmarks.records import read_json_lines

    inner = folder / "gsm8k"
    place = inner if inner.is_dir() else folder
    files = {split: place / f"{split}.jsonl" for split in _SPLITS}
    present = {split: path for split, path in files.items() if path.is_file()}
    if not present:
        raise UsageError(
            "There is no GSM8K",
            where=str(folder),
            expected="test.jsonl, train.jsonl or both",
            got="neither" if folder.is_dir() else "no such directory",
            fix="correct --gsm8k",
        )
    return [
        sample for split, path in present.items() for sample in parse(read_json_lines(path), split)
    ]


def _write(rows: pd.DataFrame, out: Path) -> list[Path]:
    from quarry.selection.dataset_files import write_dataset

    files = write_dataset(rows, out)
    return [files.json, files.parquet]


def _draw(chosen: Stratified, path: Path, title: str) -> Path:
    from quarry.plots.strata import strata_plot
    from quarry.tables import write_whole
    from quarry.trajectory.space import disk_named

    png = strata_plot(chosen.report, title=title)
    with disk_named(path):
        write_whole(path, lambda temporary: temporary.write_bytes(png))
    return path


def _show(chosen: Stratified, results: Candidates, written: list[Path], *, as_json: bool) -> None:
    """The report, and on stderr what a person should know of the files."""
    from quarry.selection.columns import DATASET_COLUMNS

    if as_json:
        facts = {
            "files": [str(path) for path in written],
            "missing_columns": list(results.missing),
            "n_repeated_rows": results.n_repeated,
        }
        emit_json(chosen.report.as_dict() | facts)
    else:
        from quarry.selection.report_text import report_markdown

        emit_markdown(printable(report_markdown(chosen.report)))
    lines = [f"written: {path}" for path in written]
    lacking = [name for name in results.missing if name in DATASET_COLUMNS]
    if lacking:
        lines.append(f"the results have no {', '.join(lacking)}: null in the dataset")
    if results.n_repeated:
        lines.append(f"{results.n_repeated:,} rows of the results repeat others")
    if not chosen.report.is_met:
        wording = "the dataset is incomplete" if written else "the dataset would be incomplete"
        lines.append(f"{wording}: {chosen.report.shortage:,} items are lacking")
    for line in lines:
        typer.echo(f"quarry: {line}", err=True)
