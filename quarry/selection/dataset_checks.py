"""Checks of a finished stratified dataset: numbers, uniqueness, leakage.

Nothing that a dataset says of itself is trusted. Whether its rows agree with where they come from
is checked in `quarry.selection.origin_checks`.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from quarry.findings import Finding
from quarry.leakage.overlap import KINDS, Overlap, Progress, find_overlap
from quarry.leakage.settings import OverlapSettings
from quarry.selection.columns import records_of
from quarry.selection.questions import same_question_key
from quarry.selection.quotas import Quota, StrataSpec, stratum_name
from quarry.selection.row_findings import Row, first_of, of_row, row_id

if TYPE_CHECKING:
    import pandas as pd

_MOST_SHOWN = 5


def check_targets_met(dataset: pd.DataFrame, spec: StrataSpec) -> list[Finding]:
    """Whether every stratum has as many rows as it shall have.

    Existing items beyond a count are kept and so no defect; new ones beyond it are.

    Args:
        dataset: rows with `is_existing` and the column of the spec.
        spec: what was asked for.
    """
    rows = records_of(dataset)
    numbers = Counter(stratum_name(row.get(spec.column)) for row in rows)
    kept = Counter(
        stratum_name(row.get(spec.column)) for row in rows if row.get("is_existing") is True
    )
    wanted = spec.resolve({name: kept[name] for name in spec.strata})
    found: list[Finding] = []
    for quota in spec.quotas:
        name = quota.stratum
        found.extend(_stratum(quota, wanted[name], numbers[name], kept[name], spec.column))
    found.extend(_total(spec, wanted, numbers))
    found.extend(
        of_row(
            "targets_met",
            "no_target",
            row,
            "A new item belongs to no stratum that was asked for",
            expected=f"{spec.column} one of {', '.join(spec.strata)}",
            got=row.get(spec.column),
            cure="draw the dataset again",
        )
        for row in rows
        if row.get("is_existing") is not True
        and stratum_name(row.get(spec.column)) not in spec.strata
    )
    return first_of(found)


def _stratum(
    quota: Quota, wanted: int, n_rows: int, n_existing: int, column: str
) -> Iterator[Finding]:
    """What is wrong with the number of rows of one stratum."""
    is_least = quota.kind == "at_least"
    least = int(quota.amount) if is_least else wanted
    if n_rows < least:
        kind, what = "shortage", "A stratum has too few items"
        cure = "test more candidates for necessity, or lower the target"
    elif not is_least and n_rows > max(wanted, n_existing):
        kind, what = "surplus", "A stratum has too many new items"
        cure = "draw the dataset again"
    else:
        return
    yield Finding(
        check="targets_met",
        kind=kind,
        what=what,
        where=f"{column} {quota.stratum}",
        expected=f"{'at least ' if is_least else ''}{least:,}",
        got=f"{n_rows:,}, {n_existing:,} of them existing",
        cure=cure,
    )


def _total(
    spec: StrataSpec, wanted: Mapping[str, int], numbers: Mapping[str | None, int]
) -> Iterator[Finding]:
    """What is wrong with the number of all rows, where strata may rise to a total."""
    rising = [quota.stratum for quota in spec.quotas if quota.kind == "at_least"]
    expected, got = (sum(of.get(name, 0) for name in rising) for of in (wanted, numbers))
    if got < expected:
        yield Finding(
            check="targets_met",
            kind="shortage",
            what="The strata that may rise to the total have too few items",
            where=f"{spec.column} {', '.join(rising)}",
            expected=f"{expected:,} together",
            got=f"{got:,}",
            cure="test more candidates for necessity, or lower the total",
        )


def check_unique(dataset: pd.DataFrame) -> list[Finding]:
    """Whether every id and every question occurs once.

    Questions that differ in case, spacing or punctuation only are the same one.

    Args:
        dataset: rows with `gsm8k_id` and `question`.
    """
    rows = records_of(dataset)
    same_id = _groups(rows, row_id)
    same_question = _groups(rows, lambda row: same_question_key(str(row.get("question") or "")))
    found = [
        of_row(
            "ids_and_questions_unique",
            "repeated_id",
            group[0],
            "An id occurs more than once",
            expected="each id once",
            got=f"{len(group)} rows with it",
            cure="draw the dataset again; where that repeats it, look for the id in the results",
        )
        for group in same_id
    ]
    found += [
        of_row(
            "ids_and_questions_unique",
            "repeated_question",
            group[0],
            "A question occurs more than once",
            expected="each question once",
            got=_ids(group),
            cure="keep one of these items: name the others' questions as already tested",
        )
        for group in same_question
        if len({row_id(row) for row in group}) > 1
    ]
    return first_of(found)


def _groups(rows: Sequence[Row], key: Callable[[Row], str]) -> list[list[Row]]:
    """Rows of which two or more have the same key."""
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return [group for group in groups.values() if len(group) > 1]


def _ids(group: Sequence[Row]) -> str:
    ids = list(dict.fromkeys(row_id(row) for row in group))
    more = f" and {len(ids) - _MOST_SHOWN} more" if len(ids) > _MOST_SHOWN else ""
    return ", ".join(ids[:_MOST_SHOWN]) + more


def check_no_leakage(
    dataset: pd.DataFrame,
    evaluation_sets: Mapping[str, Mapping[str, str]],
    settings: OverlapSettings | None = None,
    progress: Progress | None = None,
) -> list[Finding]:
    """Whether a question occurs in an evaluation set, as it is or reworded.

    The same problem is an error; a relative with other numbers, or a passage in common, a warning.

    Args:
        dataset: rows with `gsm8k_id` and `question`.
        evaluation_sets: questions by id, by name of the set.
        settings: what counts as overlap and as a leak.
        progress: told how many questions of the sets were compared.
    """
    items = {row_id(row): str(row.get("question") or "") for row in records_of(dataset)}
    strongest: dict[tuple[str, str, str], Overlap] = {}
    for overlap in find_overlap(items, evaluation_sets, settings, progress):
        pair = (overlap.item_id, overlap.set_name, overlap.other_id)
        strongest[pair] = min(strongest.get(pair, overlap), overlap, key=_strength)
    by_severity = sorted(strongest.values(), key=lambda overlap: not overlap.is_leak)
    leaks = [overlap for overlap in by_severity if overlap.is_leak]
    relatives = by_severity[len(leaks) :]
    return [
        *first_of(_leak(overlap, items, evaluation_sets) for overlap in leaks),
        *first_of(_leak(overlap, items, evaluation_sets) for overlap in relatives),
    ]


def _strength(overlap: Overlap) -> tuple[bool, int]:
    return not overlap.is_leak, KINDS.index(overlap.kind)


_HOW = {
    "exact": "word for word",
    "ngram": "shares a run of words",
    "near": "nearly the same words",
}


def _leak(
    overlap: Overlap, items: Mapping[str, str], sets: Mapping[str, Mapping[str, str]]
) -> Finding:
    """The finding of one question that an evaluation set holds."""
    other = sets[overlap.set_name][overlap.other_id]
    return of_row(
        "no_leakage",
        overlap.kind,
        {"gsm8k_id": overlap.item_id},
        f"A question is in the evaluation set {overlap.set_name!r}"
        if overlap.is_leak
        else f"A question has a relative in the evaluation set {overlap.set_name!r}",
        expected=f"no question of that set; ours: {items[overlap.item_id]}",
        got=f"{overlap.other_id}, {_HOW[overlap.kind]} (score {overlap.score:.2f}): {other}",
        cure="leave the question out of the candidates, or the set out of the evaluation"
        if overlap.is_leak
        else "read both; where it is the same problem, leave it out of the candidates",
        severity=overlap.severity,
    )
