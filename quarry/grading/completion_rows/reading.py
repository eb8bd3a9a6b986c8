"""All rows of a completions file, whatever tool wrote it.

The tool is told by each record's fields. A file that begins with a record of lm-evaluation-harness
is read to its end before the first row comes, since what two filters say of one answer stands far
apart in it; all others stream.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from quarry.errors import DiskError, UsageError
from quarry.grading.completion_rows.flat_rows import flat_rows, holds_text
from quarry.grading.completion_rows.json_records import Broken
from quarry.grading.completion_rows.lm_eval_rows import (
    LmEvalFilters,
    is_lm_eval_record,
    lm_eval_rows,
)
from quarry.grading.completion_rows.open_completions import OpenCompletions
from quarry.grading.completion_rows.row import CompletionRow, ToolChoice, shown, unusable

_LOOKED_AT = 20
_KEPT = ("doc_id", "doc", "doc_hash", "prompt_hash", "arguments", "resps")

Record = dict[str, Any] | Broken


def rows_of(record: Mapping[str, Any], tool: ToolChoice = "auto") -> Iterator[CompletionRow]:
    """The rows of a record that stands by itself."""
    if tool == "lm-eval" or (tool == "auto" and is_lm_eval_record(record)):
        return lm_eval_rows(record)
    return flat_rows(record, tool)


class CompletionReader:
    """The rows of one source, once, in their order; nothing is left out.

    Args:
        source: what `open_completions` opened.
        tool: who wrote it.
    """

    def __init__(self, source: OpenCompletions, tool: ToolChoice = "auto") -> None:
        """Read nothing yet."""
        self._source = source
        self._tool: ToolChoice = tool
        self._spooled: tuple[int, int] | None = None

    def progress(self) -> tuple[int, int]:
        """How much was read, and of how much; 0 where that is not known."""
        return self._spooled or self._source.progress()

    def rows(self) -> Iterator[CompletionRow]:
        """All rows, with one that says why in the place of what is none.

        Raises:
            UsageError: none of the first records is one of a known tool.
            DiskError: there is no space for a temporary copy.
        """
        head = self._head()
        records = itertools.chain(head, self._source.records)
        if self._tool == "lm-eval" or (self._tool == "auto" and _is_lm_eval(head[-1])):
            yield from self._merged(records)
            return
        for record in records:
            yield from _rows(record, self._tool)

    def _head(self) -> list[Record]:
        """The records up to the first that can be used."""
        head: list[Record] = []
        for record in itertools.islice(self._source.records, _LOOKED_AT):
            head.append(record)
            if isinstance(record, dict) and (self._tool != "auto" or _is_known(record)):
                return head
        raise UsageError(
            "The file holds no completions that quarry can read",
            where=self._source.name,
            expected="objects with sample_id and completion (quarry), task_id and completion "
            "(human-eval), task_id and solution (evalplus), or doc and resps "
            "(lm-evaluation-harness with --log_samples)",
            got=_found(head),
            fix="name another file, or rename its fields",
        )

    def _merged(self, records: Iterable[Record]) -> Iterator[CompletionRow]:
        """Rows of lm-evaluation-harness, each answer once with what every filter says of it."""
        filters = LmEvalFilters()
        with _explained(), tempfile.TemporaryFile("w+", encoding="ascii") as spool:
            n_entries = 0
            for record in records:
                entry = _entry(record, filters, self._tool)
                if entry is not None:
                    spool.write(entry + "\n")
                    n_entries += 1
            spool.seek(0)
            for number, line in enumerate(spool, start=1):
                self._spooled = (number, n_entries)
                yield from _spooled_rows(json.loads(line), filters)


def _rows(record: Record, tool: ToolChoice) -> Iterator[CompletionRow]:
    if isinstance(record, Broken):
        return iter([_broken_row(record)])
    return rows_of(record, tool)


def _broken_row(broken: Broken) -> CompletionRow:
    reason = f"line {broken.line}: {broken.reason}" if broken.line else broken.reason
    return unusable({"line": broken.line}, "unknown", reason, line_text=shown(broken.text))


def _entry(record: Record, filters: LmEvalFilters, tool: ToolChoice) -> str | None:
    """What the temporary copy keeps of a record; nothing of one that only another filter saw."""
    if isinstance(record, Broken):
        return json.dumps({"broken": [record.line, record.text, record.reason]})
    try:
        if tool == "auto" and not is_lm_eval_record(record):
            return json.dumps({"other": record})
        added = filters.add(record)
        if added is None:
            return None
        key, run = added
        kept = {name: record[name] for name in _KEPT if name in record}
        return json.dumps({"record": kept, "key": key.hex(), "run": run})
    except RecursionError:
        return json.dumps({"broken": [0, "", "a record is nested too deeply"]})


@contextmanager
def _explained() -> Generator[None]:
    """Turn an operating system's error into one that says what to do."""
    try:
        yield
    except OSError as error:
        raise DiskError(
            "A temporary copy of the completions can't be written or read",
            where=tempfile.gettempdir(),
            expected="space for the answers of the file",
            got=error.strerror or str(error),
            fix="make space, or set TMPDIR to another place",
        ) from error


def _spooled_rows(entry: Mapping[str, Any], filters: LmEvalFilters) -> Iterator[CompletionRow]:
    if "broken" in entry:
        return iter([_broken_row(Broken(*entry["broken"]))])
    if "other" in entry:
        return flat_rows(entry["other"], "auto")
    verdicts = filters.verdicts(bytes.fromhex(entry["key"]), entry["run"])
    return lm_eval_rows(entry["record"], verdicts)


def _is_known(record: Mapping[str, Any]) -> bool:
    return is_lm_eval_record(record) or holds_text(record)


def _is_lm_eval(record: Record) -> bool:
    return isinstance(record, dict) and is_lm_eval_record(record)


def _found(head: list[Record]) -> str:
    """What is in a file that holds no completions."""
    objects = [record for record in head if isinstance(record, dict)]
    if not head:
        return "nothing: the file is empty"
    if not objects:
        first = head[0]
        return f"line {first.line}: {first.reason}" if isinstance(first, Broken) else ""
    names = f"objects with the keys {shown(', '.join(objects[0]) or 'none')}"
    if {"results", "configs"} <= set(objects[0]):
        return f"{names}: the harness' results; its answers are in samples_<task>_<date>.jsonl"
    return names
