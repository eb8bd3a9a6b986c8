"""Reads necessity results, of quarry and of the older pipeline, as the table to choose from.

Which rows are chosen is decided in `quarry.selection.stratification`.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quarry.errors import FileMissingError
from quarry.necessity.table import COLUMNS, FAILED, TESTED, needs_cot
from quarry.selection.columns import table_of
from quarry.selection.one_result import one_result_each
from quarry.selection.row_files import ENDINGS, FileRow, read_rows

if TYPE_CHECKING:
    import pandas as pd

_VERDICTS = ("baseline_correct", "ablated_correct", "needs_cot")
_PREDICTIONS = ("baseline_prediction", "ablated_prediction")
_OPTIONAL = tuple(name for name in COLUMNS if name not in {"gsm8k_id", "question", "answer"})
_TEXTS = tuple(name for name in _OPTIONAL if name not in {"status", *_VERDICTS, *_PREDICTIONS})


@dataclass(frozen=True)
class Candidates:
    """Necessity results of one or several files.

    Args:
        frame: one row a problem: the columns of `quarry.necessity.table`, then all others.
        missing: columns that no row has; their values are missing.
        n_repeated: rows that were there before, word for word, or that another run tried again.
    """

    frame: pd.DataFrame
    missing: tuple[str, ...] = ()
    n_repeated: int = 0


def read_candidates(paths: Iterable[Path]) -> Candidates:
    """Read necessity results.

    Args:
        paths: Parquet, JSON lines, a JSON list, the older `{"results": […]}` with `success`; or
            directories, whose files are read, also those in their folders.

    Raises:
        FileMissingError: a file does not exist, or a directory holds none.
        RecordError: a file can't be read, a row is malformed, or two rows of an id contradict.
    """
    rows = [row for path in paths for file in _files(path) for row in read_rows(file)]
    found = one_result_each((row.where, _record(row)) for row in rows)
    names = dict.fromkeys(name for row in rows for name in row.fields)
    extra = [name for name in names if name not in {*COLUMNS, "success"}]
    given = {*names, "status"} if "success" in names else set(names)
    missing = tuple(name for name in _OPTIONAL if name not in given) if rows else ()
    frame = table_of(found, [*COLUMNS, *extra])
    return Candidates(frame, missing, len(rows) - len(found))


def _files(path: Path) -> Iterator[Path]:
    """A file itself, or the files of a directory in the order of their names."""
    if not path.is_dir():
        yield path
        return
    files = sorted(
        file
        for file in path.rglob("*")
        if file.suffix in ENDINGS and file.is_file() and not file.name.startswith(".")
    )
    if not files:
        raise FileMissingError(
            "A directory holds no necessity results",
            where=str(path),
            expected=f"files that end in {', '.join(ENDINGS)}",
            got="none",
            fix="name the directory or the files that the results are in",
        )
    yield from files


def _record(row: FileRow) -> dict[str, Any]:
    """A row with all columns, checked."""
    answer = row.number("answer")
    if answer is None:
        raise row.malformed("answer", "a number", row.fields.get("answer"))
    status = _status(row)
    verdicts = {name: row.flag(name) for name in _VERDICTS}
    if status == TESTED:
        verdicts["needs_cot"] = _needs_cot(row, verdicts)
    known: dict[str, Any] = {
        "gsm8k_id": row.text("gsm8k_id"),
        "question": row.text("question"),
        "answer": answer,
        "status": status,
        **verdicts,
        **{name: row.number(name) for name in _PREDICTIONS},
        **{name: None if row.fields.get(name) is None else row.text(name) for name in _TEXTS},
    }
    others = {name: row.fields[name] for name in row.fields if name != "success"}
    return {name: known.get(name) for name in COLUMNS} | {
        name: value for name, value in others.items() if name not in known
    }


def _status(row: FileRow) -> str:
    """Whether the problem was tested: by `status`, by the older `success`, else it was."""
    status = row.fields.get("status")
    if status is None:
        return FAILED if row.flag("success") is False else TESTED
    if status not in {TESTED, FAILED}:
        raise row.malformed("status", f"{TESTED} or {FAILED}", status)
    return str(status)


def _needs_cot(row: FileRow, verdicts: Mapping[str, bool | None]) -> bool:
    """What the row says, where its verdicts don't contradict, or what they come to."""
    said, baseline, ablated = (
        verdicts[name] for name in ("needs_cot", "baseline_correct", "ablated_correct")
    )
    if baseline is None or ablated is None:
        if said is None:
            raise row.malformed("needs_cot", "true or false, since the problem was tested", None)
        return said
    follows = needs_cot(is_baseline_correct=baseline, is_ablated_correct=ablated)
    if said not in {None, follows}:
        raise row.malformed(
            "needs_cot", f"{follows}: right with thoughts {baseline}, without {ablated}", said
        )
    return follows
