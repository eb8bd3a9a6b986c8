"""Chooses the items of a dataset, stratum by stratum: existing ones first, then by hash.

The same rows in another order, or twice, give the same choice. A larger count or total keeps all
that a smaller one chose. A new candidate displaces at most one item of its stratum.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quarry.benchmarks.draw import draw_rank
from quarry.errors import RecordError, UsageError
from quarry.necessity.table import FAILED, TESTED
from quarry.selection.columns import DATASET_COLUMNS, records_of, table_of
from quarry.selection.gold import with_gold
from quarry.selection.one_result import one_result_each
from quarry.selection.questions import same_question_key
from quarry.selection.quotas import StrataSpec, stratum_name
from quarry.selection.report import SourceReport, StratificationReport, StratumReport

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StratificationReport", "Stratified", "stratify"]

Row = dict[str, Any]

_NONE = "(none)"
_UNKNOWN = "unknown"
_REQUIRED = ("gsm8k_id", "question", "status")


@dataclass(frozen=True)
class Stratified:
    """A chosen dataset.

    Args:
        rows: its items, with the columns of `quarry.selection.columns` and that of the strata;
            ordered by stratum, in it existing ones first, then by hash.
        report: what came of each target.
    """

    rows: pd.DataFrame
    report: StratificationReport


@dataclass(frozen=True)
class _Eligible:
    """Candidates that may be chosen, by stratum in the order of their hashes."""

    by_stratum: Mapping[str, Sequence[Row]]
    n_of_existing: int
    n_repeated: int


def stratify(
    candidates: pd.DataFrame, existing: pd.DataFrame | None, spec: StrataSpec
) -> Stratified:
    """Choose a dataset.

    Args:
        candidates: necessity results, see `quarry.necessity.table`; steps and difficulty are
            counted from their solutions.
        existing: items that are kept whatever the targets, as `read_existing` gives them.
        spec: what is asked for.

    Raises:
        UsageError: the candidates lack a column that the spec names.
        RecordError: two rows contradict each other.
    """
    rows = _candidates(candidates, spec)
    kept = _kept(existing, spec)
    _require_own_ids(rows, kept)
    eligible = _eligible(rows, kept, spec)
    kept_of = _by_stratum(kept, spec)
    targets = _targets(spec, kept_of, eligible.by_stratum)
    chosen = {
        name: eligible.by_stratum.get(name, ())[: max(0, target - len(kept_of.get(name, ())))]
        for name, target in targets.items()
    }
    names = [*spec.strata, *sorted(set(kept_of) - set(spec.strata))]
    items = [row for name in names for row in (*kept_of.get(name, ()), *chosen.get(name, ()))]
    strata = [
        _stratum_report(name, spec, targets, kept_of, chosen, eligible.by_stratum) for name in names
    ]
    return Stratified(
        table_of(items, dict.fromkeys([*DATASET_COLUMNS, spec.column])),
        _report(spec, rows, eligible, strata),
    )


def _candidates(frame: pd.DataFrame, spec: StrataSpec) -> list[Row]:
    """One row a candidate, none of them marked as existing."""
    counted = with_gold(frame, is_recounted=True)
    absent = [
        name for name in (*_REQUIRED, spec.column, *spec.where) if name not in counted.columns
    ]
    if absent:
        raise UsageError(
            "The candidates lack a column",
            where=absent[0],
            expected="a column of the necessity results",
            got=f"columns {', '.join(map(str, counted.columns))}",
            fix="name another column to stratify by, or add it to the results",
        )
    numbered = enumerate(records_of(counted), start=1)
    rows = one_result_each((f"candidates, row {number}", row) for number, row in numbered)
    return [row | {"is_existing": False} for row in rows]


def _kept(existing: pd.DataFrame | None, spec: StrataSpec) -> list[Row]:
    """The existing items in the order of their hashes."""
    if existing is None or not len(existing):
        return []
    rows = [row | {"is_existing": True} for row in records_of(with_gold(existing))]
    return _in_order(rows, spec.seed)


def _in_order(rows: Iterable[Row], seed: int) -> list[Row]:
    return sorted(rows, key=lambda row: (draw_rank(seed, row["gsm8k_id"]), row["gsm8k_id"]))


def _require_own_ids(rows: Sequence[Row], kept: Sequence[Row]) -> None:
    """Refuse a candidate with the id, but not the question, of an existing item."""
    questions = {row["gsm8k_id"]: row["question"] for row in kept}
    for row in rows:
        question = questions.get(row["gsm8k_id"], row["question"])
        if same_question_key(question) != same_question_key(row["question"]):
            raise RecordError(
                "A candidate has the id of an existing item with another question",
                where=row["gsm8k_id"],
                expected=repr(question)[:200],
                got=repr(row["question"])[:200],
                fix="give both from the same version of the source, or rename the existing item",
            )


def _eligible(rows: Sequence[Row], kept: Sequence[Row], spec: StrataSpec) -> _Eligible:
    """Tested candidates that have what is asked for, each question once."""
    known = {same_question_key(row["question"]) for row in kept}
    seen: set[str] = set()
    left: list[Row] = []
    counts: Counter[str] = Counter()
    for row in _in_order((row for row in rows if _is_wanted(row, spec)), spec.seed):
        key = same_question_key(row["question"])
        if key in known or key in seen:
            counts["known" if key in known else "seen"] += 1
            continue
        seen.add(key)
        left.append(row)
    return _Eligible(_by_stratum(left, spec), counts["known"], counts["seen"])


def _is_wanted(row: Row, spec: StrataSpec) -> bool:
    """Whether a candidate was tested and has what the spec asks for."""
    return row["status"] == TESTED and all(
        stratum_name(row[column]) == value for column, value in spec.where.items()
    )


def _by_stratum(rows: Iterable[Row], spec: StrataSpec) -> dict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[stratum_name(row.get(spec.column)) or _NONE].append(row)
    return dict(found)


def _targets(spec: StrataSpec, *by_stratum: Mapping[str, Sequence[Row]]) -> dict[str, int]:
    """What the quotas come to, with the existing and the eligible items that there are."""
    kept, eligible = (
        {name: len(items.get(name, ())) for name in spec.strata} for items in by_stratum
    )
    return spec.resolve(kept, {name: kept[name] + eligible[name] for name in spec.strata})


def _stratum_report(
    name: str,
    spec: StrataSpec,
    targets: Mapping[str, int],
    *by_stratum: Mapping[str, Sequence[Row]],
) -> StratumReport:
    """What came of one stratum, from its existing, chosen and eligible items."""
    existing, new, eligible = (len(items.get(name, ())) for items in by_stratum)
    quota = next((str(quota) for quota in spec.quotas if quota.stratum == name), "")
    return StratumReport(name, quota, targets.get(name, 0), existing, new, eligible - new)


def _report(
    spec: StrataSpec, rows: Sequence[Row], eligible: _Eligible, strata: Iterable[StratumReport]
) -> StratificationReport:
    by_source: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_source[row.get("source") or _UNKNOWN].append(row)
    outside = {
        name: len(items)
        for name, items in sorted(eligible.by_stratum.items())
        if name not in {*spec.strata, _NONE}
    }
    return StratificationReport(
        column=spec.column,
        seed=spec.seed,
        where=spec.where,
        asked_total=spec.total,
        strata=tuple(strata),
        sources=tuple(_source_report(name, by_source[name], spec) for name in sorted(by_source)),
        methods=tuple(sorted({str(row["method"]) for row in rows if row.get("method")})),
        n_of_existing=eligible.n_of_existing,
        n_repeated=eligible.n_repeated,
        n_unclassified=len(eligible.by_stratum.get(_NONE, ())),
        outside=outside,
    )


def _source_report(name: str, rows: Sequence[Row], spec: StrataSpec) -> SourceReport:
    n_failed = sum(row["status"] == FAILED for row in rows)
    n_wanted = sum(_is_wanted(row, spec) for row in rows)
    return SourceReport(name, len(rows) - n_failed, n_wanted, n_failed)
