"""LogiQA: four-choice questions about a short context.

Reads `logiqa/{Train,Eval,Test}.txt`, eight lines an item: empty, right letter, context, question,
four options. The text files become records with the field names of the hub's copy, so that both
take the same way from there.
Source: https://github.com/lgw863/LogiQA-dataset
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from quarry.benchmarks.records import SourceRecord, read_lines
from quarry.errors import RecordError
from quarry.samples import Sample

FILES = {"train": "Train.txt", "validation": "Eval.txt", "test": "Test.txt"}
SPLITS = tuple(FILES)

LETTERS = "ABCD"
_LINES_AN_ITEM = 8
_MARKS = " .?:,、)"
_LETTER = re.compile(r"\s*(?P<letter>[A-Da-d])(?:\s*(?P<mark>[.?:,、)])|(?![\w'\u2019]))")


def read(mirror: Path, split: str) -> Iterator[SourceRecord]:
    """Records of a split of a mirror directory: `context`, `query`, `options`, `correct_option`.

    Raises:
        SourceMissingError: there is no such file.
        RecordError: an item is incomplete or its letter is none of a-d.
    """
    path = mirror / "logiqa" / FILES[split]
    lines = read_lines(path)
    while lines and not lines[-1].strip():
        lines.pop()
    for start in range(0, len(lines), _LINES_AN_ITEM):
        yield _record(path, start, lines[start : start + _LINES_AN_ITEM])


def _record(path: Path, start: int, lines: Sequence[str]) -> SourceRecord:
    row, where = start // _LINES_AN_ITEM, f"{path}, line {start + 1}"
    if len(lines) < _LINES_AN_ITEM or lines[0].strip() or not all(lines[2:]):
        raise RecordError(
            "A LogiQA item does not have its eight lines",
            where=where,
            expected="an empty line, a letter, context, question and four options",
            got=f"{len(lines)} lines, empty: {[n for n, line in enumerate(lines) if not line]}",
            fix="compare with the original file and fetch it again",
        )
    _, letter, context, query, *options = lines
    fields = {"context": context, "query": query, "options": plain_options(options)}
    if letter.strip().upper() not in {*LETTERS}:
        record = SourceRecord(row, where, fields)
        raise record.malformed("correct_option", "one of the letters a, b, c, d", repr(letter))
    index = LETTERS.index(letter.strip().upper())
    return SourceRecord(row, where, {**fields, "correct_option": index})


def parse(records: Iterable[SourceRecord], split: str) -> list[Sample]:
    """Samples of the records; fields `context`, `query`, `options`, `correct_option` (0-3).

    Raises:
        RecordError: a field is absent, there are not four options, or no option is right.
    """
    return [_sample(record, split) for record in records]


def _sample(record: SourceRecord, split: str) -> Sample:
    options, index = record.texts("options"), record.integer("correct_option")
    if len(options) != len(LETTERS):
        raise record.malformed("options", "four options", str(options))
    if not 0 <= index < len(LETTERS):
        raise record.malformed("correct_option", "0, 1, 2 or 3", str(index))
    context, question = record.text("context"), record.text("query")
    return Sample(
        id=f"logiqa/{split}/{record.row}",
        input=f"{context}\n{question}",
        target=LETTERS[index],
        choices=options,
        metadata={"context": context, "question": question},
    )


def plain_options(lines: Sequence[str]) -> list[str]:
    """The four option texts of the text file in the order A to D, without their letters.

    Some items of the original files list their options as A, C, B, D (two columns read row by
    row); the right letter means the letter that is written, so they are put in order first.
    A letter with a mark (`A.`, `b?`) is removed wherever it stands at the start. A bare letter is
    removed only when all four options begin with theirs, since `A` alone may be the article.
    """
    written = [_LETTER.match(line) for line in lines]
    letters = [found["letter"].upper() for found in written if found]
    if sorted(letters) == list(LETTERS):
        line_of = dict(zip(letters, lines, strict=True))
        return [_without(letter, line_of[letter]) for letter in LETTERS]
    return [
        _without(letter, line) if found and found["mark"] and found["letter"].upper() == letter
        else line.strip()
        for letter, line, found in zip(LETTERS, lines, written, strict=True)
    ]  # fmt: skip


def _without(letter: str, line: str) -> str:
    return line.strip()[len(letter) :].lstrip(_MARKS).strip() or line.strip()
