"""`quarry leakage`: does a text of one file occur in other files.

How texts are compared lives in `quarry.leakage`; here are only files, words and exit codes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quarry.cli.output import (
    CLEAN,
    FINDINGS,
    emit,
    emit_json,
    emit_markdown,
    printable,
    progress_bar,
)
from quarry.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarry.leakage.overlap import Overlap

_ID_FIELDS = ("gsm8k_id", "sample_id", "task_id", "id", "name")
_MOST_SHOWN = 50
_TEXT_CHARACTERS = 500


def find_leakage(
    file: Annotated[Path, typer.Argument(help="The texts to look for: JSON, JSON lines, Parquet.")],
    against: Annotated[
        list[Path], typer.Option("--against", help="A file to look in; give it more than once.")
    ],
    field: Annotated[str, typer.Option(help="The field that holds the text.")] = "question",
    near: Annotated[
        float, typer.Option(help="Smallest score of texts that are near duplicates, 0 to 1.")
    ] = 0.4,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Look for the texts of a file in other files: as they are, in part, or reworded.

    The same text or problem is a leak. A relative, such as the same story with other numbers, is
    listed and is none. Exit code 0 when nothing leaks, 1 when something does, 2 on wrong use.

    Example: `quarry leakage dataset.json --against gsm8k/test.jsonl`
    """
    from quarry.leakage.overlap import find_overlap
    from quarry.leakage.settings import OverlapSettings

    settings = OverlapSettings(near_score=near)
    items = _texts(file, field)
    sets = {str(path): _texts(path, field) for path in against}
    with progress_bar() as advance:

        def tell(done: int, total: int) -> None:
            if advance:
                advance(done, total, f"{done:,} texts")

        overlaps = find_overlap(items, sets, settings, tell)
    if as_json:
        emit_json(_document(file, items, sets, overlaps))
    else:
        _show(items, sets, overlaps)
    raise typer.Exit(FINDINGS if any(overlap.is_leak for overlap in overlaps) else CLEAN)


def _texts(path: Path, field: str) -> dict[str, str]:
    """The texts of a file by id, or by row where a row has no id or another row's."""
    from quarry.selection.row_files import read_rows

    texts: dict[str, str] = {}
    for number, row in enumerate(read_rows(path), start=1):
        named = (row.fields[name] for name in _ID_FIELDS if row.fields.get(name) is not None)
        id_ = str(next(named, f"row {number}"))
        texts[f"{id_} (row {number})" if id_ in texts else id_] = row.text(field)
    if not texts:
        raise UsageError(
            "A file holds no texts",
            where=str(path),
            expected=f"rows with a field {field!r}",
            got="no rows",
            fix="name another file",
        )
    return texts


def _document(
    file: Path,
    items: Mapping[str, str],
    sets: Mapping[str, Mapping[str, str]],
    overlaps: Sequence[Overlap],
) -> dict[str, Any]:
    """The JSON document."""
    return {
        "file": str(file),
        "n_items": len(items),
        "sets": {name: len(texts) for name, texts in sets.items()},
        "is_clean": not any(overlap.is_leak for overlap in overlaps),
        "overlaps": [
            overlap.as_dict()
            | {
                "text": items[overlap.item_id],
                "other_text": sets[overlap.set_name][overlap.other_id],
            }
            for overlap in overlaps
        ],
    }


def _show(
    items: Mapping[str, str], sets: Mapping[str, Mapping[str, str]], overlaps: Sequence[Overlap]
) -> None:
    """A table of the sets, then the overlaps with both texts, leaks first."""
    from quarry.audit.tables import markdown_table

    rows = [
        [
            printable(name),
            f"{len(texts):,}",
            *(f"{len(_found(overlaps, name, is_leak)):,}" for is_leak in (True, False)),
        ]
        for name, texts in sets.items()
    ]
    heads = ["Set", "Texts", f"Leaks of {len(items):,}", "Relatives"]
    emit_markdown(markdown_table(heads, rows))
    listed = sorted(overlaps, key=lambda overlap: not overlap.is_leak)
    for overlap in listed[:_MOST_SHOWN]:
        other = sets[overlap.set_name][overlap.other_id]
        emit(printable(_text(overlap, items[overlap.item_id], other)))
    if len(listed) > _MOST_SHOWN:
        emit(f"\nThese are {_MOST_SHOWN} of {len(listed):,}; --json prints all.\n")


def _found(overlaps: Sequence[Overlap], set_name: str, is_leak: bool) -> set[str]:
    """The items that leak into a set, or have only relatives there."""
    leaks = {one.item_id for one in overlaps if one.set_name == set_name and one.is_leak}
    if is_leak:
        return leaks
    return {one.item_id for one in overlaps if one.set_name == set_name} - leaks


def _text(overlap: Overlap, item: str, other: str) -> str:
    """One overlap for a person."""
    word = "leak" if overlap.is_leak else "relative"
    return (
        f"\n{word}: {overlap.kind}, score {overlap.score:.2f}\n"
        f"  {overlap.item_id}: {_short(item)}\n"
        f"  {overlap.set_name}, {overlap.other_id}: {_short(other)}\n"
    )


def _short(text: str) -> str:
    even = " ".join(text.split())
    return even if len(even) <= _TEXT_CHARACTERS else f"{even[:_TEXT_CHARACTERS]}…"
