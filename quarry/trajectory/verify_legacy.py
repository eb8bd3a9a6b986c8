"""Rules for files of the older pipelines only: their known defects, each under a name of its own.

Those files store neither ids nor tokens nor scope, so what newer files say is told here from texts
and lengths. Rules that hold for every file are in `verify_rows`, `verify_lengths` and
`verify_values`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from quarry.findings import Finding, Severity
from quarry.trajectory.columns import Columns
from quarry.trajectory.layout import PROMPTS, SEQUENCE_LENGTHS
from quarry.trajectory.prompt_parts import PromptParts, shown_questions, split_prompts
from quarry.trajectory.report import LAYOUT_VALID, LENGTHS_PLAUSIBLE, RECOLLECT, ROWS_COMPLETE
from quarry.trajectory.scan import HEAD_ROWS, SampleScan, alike_prefix
from quarry.trajectory.scope_guess import guess_scope

KNOWN_PROBLEMS = {"humaneval": 164}
"""Benchmarks that are always used whole, with the number of their problems."""

_ATTRIBUTES = ("model", "task", "n_samples", "max_seq_len", "layers", "d_model", "collection_date")
_CUT_SHARE = 0.5
_ALIKE_SHARE = 0.9
_LEAST_EXAMPLES = 2
_TAIL = 12
_CUES = (":", ">", "]", "?", "assistant", '"""', "'''", "```")
_CUT_CURE = "let the context fit the prompt or cut it on the left, then collect again"


def attribute_findings(attributes: Mapping[str, Any], where: str) -> Iterator[Finding]:
    """The attributes that an older file lacks, as some do all of them: a warning."""
    missing = [name for name in _ATTRIBUTES if name not in attributes]
    if missing:
        yield _finding(
            LAYOUT_VALID,
            "attributes_missing",
            "An older file lacks attributes: what it does not say, its place has to",
            f"{where}, attributes",
            ", ".join(_ATTRIBUTES),
            f"no {', '.join(missing)}",
            "make sure that the file is where it belongs; nothing else tells",
            "warning",
        )


def legacy_findings(
    columns: Columns, where: str, max_seq_len: int, task: str | None
) -> Iterator[Finding]:
    """Defects that texts and lengths show.

    Args:
        columns: the file's columns.
        where: the file.
        max_seq_len: most token rows that a sample may have.
        task: what the file is said to be of; None if nothing tells.
    """
    yield from _of_arrays(columns, where, task)
    yield from _of_scope(columns, where, max_seq_len)
    parts = split_prompts(columns.prompts)
    yield from _of_endings(columns, parts, where)
    yield from _of_examples(columns, parts, where)


def _of_arrays(columns: Columns, where: str, task: str | None) -> Iterator[Finding]:
    """Arrays made for more rows than there are problems, or given up before they were full."""
    real = _real_rows(columns)
    n_real, n_rows = len(real), columns.n_samples
    known = KNOWN_PROBLEMS.get((task or "").lower())
    if n_real == n_rows:
        return
    if known is not None and n_real >= min(known, n_rows):
        yield _finding(
            ROWS_COMPLETE,
            "oversized_arrays",
            "The arrays have more rows than the benchmark has problems; the empty ones count "
            "as wrong answers",
            where,
            f"{known} rows, the problems of {task}",
            f"{n_rows} rows, {n_rows - n_real} of them empty",
            "collect the partition again, or take the first rows only and grade them anew",
        )
        return
    yield _finding(
        ROWS_COMPLETE,
        "rows_missing",
        "Collection stopped before all rows were there",
        where,
        f"{known or n_rows} rows",
        f"{n_real} rows, {n_real / (known or n_rows):.0%}",
        RECOLLECT,
    )


def _of_scope(columns: Columns, where: str, max_seq_len: int) -> Iterator[Finding]:
    """States of the prompt alone beside labels about the output, or a scope that nothing shows."""
    lengths, prompts, outputs = columns.sequence_lengths, columns.prompts, columns.model_outputs
    scope = guess_scope(lengths, prompts, outputs, max_seq_len)
    if scope == "prompt+output":
        return
    if scope == "prompt":
        yield _finding(
            LENGTHS_PLAUSIBLE,
            "scope_prompt_only",
            "Activations cover the prompt only, while the labels describe the output",
            f"{where}, {SEQUENCE_LENGTHS}",
            "lengths that grow with prompt and output",
            "lengths that grow with the prompt and not with the output",
            "use the file for questions about prompts only, or collect the partition again",
            "warning",
        )
        return
    got = "lengths that grow with the output alone" if scope else "lengths that fit several scopes"
    yield _finding(
        LENGTHS_PLAUSIBLE,
        "scope_unrecorded",
        "Nothing tells which tokens the activations cover",
        f"{where}, {SEQUENCE_LENGTHS}",
        "a recorded scope, or lengths that show it",
        got,
        "ask who collected the file before comparing it with another, or collect it again",
        "warning",
    )


def _of_endings(columns: Columns, parts: list[PromptParts], where: str) -> Iterator[Finding]:
    """Prompts with worked examples that end at different places, or all alike in mid-sentence."""
    rows = [row for row in _real_rows(columns) if len(parts[row].examples) >= _LEAST_EXAMPLES]
    if len(rows) < 2:
        return
    prompts = [columns.prompts[row].rstrip() for row in rows]
    tails = Counter(prompt[-_TAIL:] for prompt in prompts)
    tail, count = tails.most_common(1)[0]
    is_shared = count >= _CUT_SHARE * len(prompts)
    if is_shared and (len(set(prompts)) > 1 or tail.endswith(_CUES)):
        return
    ended = sum(prompt.endswith(_CUES) for prompt in prompts)
    if ended >= _CUT_SHARE * len(prompts):
        return
    what = "Prompts were cut on the right: they end before the question does"
    place, got = f"{where}, {PROMPTS}", f"{prompts[0][-40:]!r}, and {len(tails)} other endings"
    expected = "prompts that end as their worked examples do before the answer"
    yield _cut(what, place, expected, got)


def _of_examples(columns: Columns, parts: list[PromptParts], where: str) -> Iterator[Finding]:
    """Worked examples that are graded rows themselves: their answers were shown."""
    for row, shown_in in shown_questions(parts).items():
        yield Finding(
            ROWS_COMPLETE,
            "exemplar_graded",
            "A graded question is a worked example, with its answer, in the prompts",
            f"{where}, {PROMPTS}, row {row}",
            "worked examples from another split",
            f"the question of row {row} in the prompt of row {shown_in}",
            "leave these rows out, or collect again with exemplars of the train split",
            sample_id=columns.id_of(row),
        )


@dataclass
class CutPrompts:
    """The rule that needs states: rows that begin alike and end before their prompts do.

    A prompt has at least as many tokens as words. Where there are fewer rows than that, and samples
    begin alike, as they do with the same worked examples in front, the rows are the front of the
    prompts, and the question, which stands at the end, is not among them.

    Args:
        columns: the file's columns.
        where: the file.
    """

    columns: Columns
    where: str
    _n_cut: int = 0
    _n_compared: int = 0
    _n_alike: int = 0
    _last: tuple[int, SampleScan] | None = None

    def add(self, index: int, scan: SampleScan) -> None:
        """Look at the next sample."""
        n_words = len(self.columns.prompts[index].split())
        if not scan.n_tokens or n_words <= scan.n_tokens:
            return
        self._n_cut += 1
        if self._last is not None and self._differ(self._last[0], index):
            other = self._last[1]
            shortest = min(HEAD_ROWS, scan.n_tokens, other.n_tokens)
            self._n_compared += 1
            self._n_alike += alike_prefix(other.head, scan.head) == shortest
        self._last = (index, scan)

    def findings(self) -> Iterator[Finding]:
        """The finding, once all samples were seen."""
        n_real = len(_real_rows(self.columns))
        if not self._n_compared or self._n_cut < _CUT_SHARE * n_real:
            return
        if self._n_alike < _ALIKE_SHARE * self._n_compared:
            return
        what = "Prompts were cut on the right: the question is not among the tokens"
        longest = int(self.columns.sequence_lengths.max())
        expected = "a token row for each token of the prompt"
        got = f"{self._n_cut} prompts of more words than rows, {longest} at most, that begin alike"
        yield _cut(what, f"{self.where}, {SEQUENCE_LENGTHS}", expected, got)

    def _differ(self, left: int, right: int) -> bool:
        """Whether two samples have different prompts."""
        return self.columns.prompts[left] != self.columns.prompts[right]


def _real_rows(columns: Columns) -> list[int]:
    """Rows that hold a sample."""
    lengths = np.flatnonzero(columns.sequence_lengths > 0).tolist()
    return [row for row in lengths if columns.prompts[row]]


def _cut(what: str, place: str, expected: str, got: str) -> Finding:
    """The finding for prompts without their question."""
    return _finding(LENGTHS_PLAUSIBLE, "question_cut", what, place, expected, got, _CUT_CURE)


def _finding(
    check: str,
    kind: str,
    what: str,
    where: str,
    expected: str,
    got: str,
    cure: str,
    severity: Severity = "error",
) -> Finding:
    """A finding about a whole file."""
    return Finding(check, kind, what, where, expected, got, cure, severity)
