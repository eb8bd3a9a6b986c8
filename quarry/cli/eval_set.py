"""`quarry eval-set` and `quarry inspect-pickle`: evaluation sets, and what earlier tools left.

What is examined lives in `quarry.evaluation_sets`; here are only paths, words and exit codes.
"""

# transformers and datasets type their methods in part only
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quarry.cli.output import CLEAN, FINDINGS, emit, emit_json, emit_markdown, printable
from quarry.cli.verify import emit_findings

if TYPE_CHECKING:
    from quarry.evaluation_sets.masking_checks import Decode
    from quarry.evaluation_sets.old_pickles import PickleReport
    from quarry.evaluation_sets.reading import StoredSet
    from quarry.findings import Finding

_MOST_CALLS = 50


def show_eval_set(
    path: Annotated[Path, typer.Argument(help="A set's directory, or its eval_dataset/.")],
    graded: Annotated[
        Path | None,
        typer.Option(
            help="The graded completions that it was made of: compares order and prompts."
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(help="The model's directory: compares the labels with the completions."),
    ] = None,
    samples: Annotated[int, typer.Option(min=0, help="How many rows to show.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show an evaluation set: counts, rate, metric, columns, rows, and what is wrong with it.

    A pickle beside the set is named and never opened. Exit code 0 when the set is as it should be
    (warnings allowed), 1 when it is not, 2 on wrong use.

    Example: `quarry eval-set .quarry/demo/data/evaluation/mayors-1epoch/checkpoint_final/eval_set`
    """
    from quarry.evaluation_sets.examination import examine_set, examine_stored
    from quarry.evaluation_sets.reading import read_set
    from quarry.tables import read_table

    stored = read_set(path)
    decode = None if tokenizer is None else _decoder(tokenizer)
    if graded is None:
        findings = examine_stored(stored, decode)
    else:
        findings = examine_set(path, read_table(graded), decode)
    rows = stored.dataset.select(range(min(samples, len(stored.dataset))))
    document = _document(stored, [dict(row) for row in rows], findings)
    if as_json:
        emit_json(document)
    else:
        _show(document, findings)
    raise typer.Exit(CLEAN if document["is_clean"] else FINDINGS)


def _decoder(directory: Path) -> Decode:
    """How the tokenizer in a directory reads ids."""
    from quarry.inference.stopping import plain_text
    from quarry.sampling.opening import read_tokenizer

    return partial(plain_text, read_tokenizer(directory))


def _document(
    stored: StoredSet, rows: list[dict[str, Any]], findings: list[Finding]
) -> dict[str, Any]:
    """All that is shown, as plain JSON values."""
    return {
        "path": str(stored.directory),
        "is_clean": all(finding.severity != "error" for finding in findings),
        "n_rows": len(stored.dataset),
        "columns": {name: str(kind) for name, kind in stored.dataset.features.items()},
        "description": stored.description.as_dict() if stored.description else None,
        "rows": rows,
        "findings": [finding.as_dict() for finding in findings],
    }


def _show(document: dict[str, Any], findings: list[Finding]) -> None:
    """Tables and texts for a person."""
    from quarry.audit.tables import markdown_table

    facts = [["rows", f"{document['n_rows']:,}"], *_facts(document["description"] or {})]
    emit_markdown(printable(markdown_table(["Set", document["path"]], facts)))
    columns = [[name, kind] for name, kind in document["columns"].items()]
    emit_markdown("\n" + markdown_table(["Column", "Type"], columns))
    for row in document["rows"]:
        emit(printable(f"\n{row.get('id')}: {row.get('prompt')!r} -> {row.get('completion')!r}\n"))
    emit_findings(findings)


def _facts(description: dict[str, Any]) -> list[list[str]]:
    """What a set says of itself, in the order in which a person asks."""
    if not description:
        return []
    rate = description["rate"]
    share = "-" if rate is None else f"{rate['equivalent']:.0f}/{rate['graded']:.0f} "
    if rate is not None:
        share += f"({rate['rate']:.1%}), 95% interval {rate['low']:.1%} to {rate['high']:.1%}"
    metric = description["metric"]
    facts = {name: description[name] for name in ("name", "run", "checkpoint")}
    facts |= {"equivalence rate": share}
    facts |= {name.replace("_", " "): f"{n:,}" for name, n in description["counts"].items()}
    facts |= {
        "rubric": f"{description['rubric'].get('name')}, {description['rubric_digest'][:12]}",
        "grader": ", ".join(f"{name} {value}" for name, value in description["grader"].items()),
        "metric": f"{metric['name']} {metric['parameters'] or ''}".strip(),
        "content digest": description["content_digest"],
    }
    return [[name, str(value)] for name, value in facts.items()]


def show_pickle(
    file: Annotated[Path, typer.Argument(help="A pickle, such as an old eval_functions.pkl.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what loading a pickle would import and run, without loading it.

    Exit code 0 when it is plain data, 1 when loading it would import or run anything, or it can't
    be followed to its end, 2 on wrong use.

    Example: `quarry inspect-pickle eval_functions.pkl`
    """
    from quarry.evaluation_sets.old_pickles import inspect_pickle

    report = inspect_pickle(file)
    if as_json:
        emit_json(report.as_dict())
    else:
        _show_pickle(report)
    raise typer.Exit(CLEAN if report.is_plain_data else FINDINGS)


def _show_pickle(report: PickleReport) -> None:
    """A table of what would run, the imports, the verdict."""
    from quarry.audit.tables import markdown_table

    protocols = ", ".join(map(str, report.protocols)) or "-"
    facts = [
        ["bytes", f"{report.size_bytes:,}"],
        ["pickles", f"{len(report.protocols)}, of protocol {protocols}"],
        ["opcodes", f"{report.n_opcodes:,}"],
        ["would import", ", ".join(report.globals) or "nothing"],
    ]
    emit_markdown(printable(markdown_table(["File", str(report.path)], facts)))
    calls = [
        [call.target, call.opcode, f"{call.n:,}", f"{call.position:,}"]
        for call in report.calls[:_MOST_CALLS]
    ]
    if calls:
        emit_markdown(
            printable("\n" + markdown_table(["Would run", "Opcode", "Times", "First byte"], calls))
        )
    emit_findings(finding for finding in report.findings if finding.kind == "unreadable")
    if report.is_plain_data:
        emit("\nPlain data: loading would import and run nothing.\n")
    else:
        emit("\nNever load this file: name a registered metric in eval_set.json instead.\n")
