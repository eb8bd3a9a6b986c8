"""What moved between the labels of two grader versions of the same stored outputs, and why.

Which labels are kept is decided in `quarry.label_history`; nothing is graded here.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from quarry.evidence import essentials, parsed, piece_around, rule_of
from quarry.findings import Finding
from quarry.grading.grader import storable
from quarry.label_currency import MADE_FROM
from quarry.label_history import grader_version_of

if TYPE_CHECKING:
    from pathlib import Path

COMPARISON = "comparison"
"""Attribute of a table of changes, kept in its Parquet file: the figures of the whole cell."""
FEW_MOVED = "few_labels_moved"
FLOOD_SHARE = 0.1
"""Share of rows with another verdict above which a person should look before relying on them."""

_PAIRED = ("verdict", "is_correct", "is_officially_correct", "extracted", "grader_version")
CHANGE_COLUMNS = (
    "sample_id",
    *(f"{name}_{side}" for name in (*_PAIRED, "rule", "evidence") for side in ("before", "after")),
    "completion_piece",
)
"""Columns of a table of changes, in order."""

_BOOLEANS = ("is_correct", "is_officially_correct")


@dataclass(frozen=True)
class Comparison:
    """The figures of one cell, whether or not anything moved.

    Args:
        obstacle: why there is nothing to compare; empty where the labels were compared.
        version_before: grader version of the earlier labels.
        version_after: grader version of the present labels.
        n_rows: rows that were compared.
        n_verdicts_moved: rows with another verdict.
        n_answers_moved: rows with the same verdict on another extracted answer.
        n_correct_before: rows that were correct.
        n_correct_after: rows that are correct.
        moves: rows for each pair of verdicts, `before>after`, those that stayed included.
    """

    obstacle: str = ""
    version_before: str = ""
    version_after: str = ""
    n_rows: int = 0
    n_verdicts_moved: int = 0
    n_answers_moved: int = 0
    n_correct_before: int = 0
    n_correct_after: int = 0
    moves: Mapping[str, int] = field(default_factory=dict[str, int])

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @property
    def moved_share(self) -> float:
        """Share of the rows with another verdict."""
        return self.n_verdicts_moved / self.n_rows if self.n_rows else 0.0

    def sentence(self) -> str:
        """What happened, for a person."""
        if self.obstacle:
            return f"Nothing to compare: {self.obstacle}."
        versions = f"grader version {self.version_before} to {self.version_after}"
        if not self.n_verdicts_moved and not self.n_answers_moved:
            return f"Nothing moved: {versions}, {self.n_rows} rows compared."
        before, after = self.n_correct_before, self.n_correct_after
        return (
            f"{self.n_verdicts_moved} of {self.n_rows} verdicts moved, and {self.n_answers_moved} "
            f"answers without their verdict: {versions}, correct {before} to {after}."
        )


def compare_labels(
    before: pd.DataFrame | None,
    after: pd.DataFrame,
    completions: Callable[[], Mapping[str, str]],
) -> pd.DataFrame:
    """Every row whose verdict or extracted answer differs between two tables of labels.

    Args:
        before: the labels of the version before; None where there are none.
        after: the present labels.
        completions: gives the stored outputs by sample id; called only where something moved.

    Returns:
        A frame with `CHANGE_COLUMNS`, whose attribute `COMPARISON` holds the figures.
    """
    if before is None:
        return no_comparison("no labels of an earlier grader version are kept")
    obstacle = _obstacle(before, after)
    if obstacle:
        return no_comparison(obstacle)
    pairs = _pairs(before, after)
    moved = [(old, new) for old, new in pairs if _key(old) != _key(new)]
    texts = completions() if moved else {}
    rows = [_change(old, new, texts.get(str(new["sample_id"]), "")) for old, new in moved]
    return _table(rows, _figures(pairs, before, after))


def no_comparison(obstacle: str) -> pd.DataFrame:
    """A table without changes that says why there are none."""
    return _table([], Comparison(obstacle=obstacle))


def comparison_of(changes: pd.DataFrame) -> Comparison:
    """The figures of a table of changes."""
    noted: dict[str, Any] = changes.attrs.get(COMPARISON) or {"obstacle": "the table says nothing"}
    return Comparison(**noted)


def check_few_moved(changes: pd.DataFrame, where: Path) -> list[Finding]:
    """A warning where a new grader version moved more verdicts than one expects of a correction."""
    figures = comparison_of(changes)
    if figures.moved_share <= FLOOD_SHARE:
        return []
    return [
        Finding(
            check=FEW_MOVED,
            kind="many_moved",
            what="A new grader version moved many verdicts of the same outputs",
            where=str(where),
            expected=f"at most {FLOOD_SHARE:.0%} of the rows",
            got=figures.sentence(),
            cure="read some of the changes; correct the grader and relabel if they are wrong",
            severity="warning",
        )
    ]


def _obstacle(before: pd.DataFrame, after: pd.DataFrame) -> str:
    """Why two tables can't be compared row by row; empty if they can."""
    origins = (before.attrs.get(MADE_FROM), after.attrs.get(MADE_FROM))
    if None in origins:
        return "one of the two tables does not say which outputs it graded"
    if origins[0] != origins[1]:
        return "the outputs were collected again since the earlier labels were made"
    lacking = sorted({"sample_id", "verdict", "extracted", "evidence"} - set(before.columns))
    return f"the earlier labels have no column {', '.join(lacking)}" if lacking else ""


def _pairs(
    before: pd.DataFrame, after: pd.DataFrame
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Rows of the same sample, in the order of the present labels."""
    earlier = {row["sample_id"]: row for row in _rows(before)}
    return [(earlier[row["sample_id"]], row) for row in _rows(after) if row["sample_id"] in earlier]


def _rows(labels: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain dicts; what is missing is None."""
    rows = cast("list[dict[str, Any]]", labels.to_dict("records"))
    return [
        {name: None if pd.isna(value) else value for name, value in row.items()} for row in rows
    ]


def _key(row: Mapping[str, Any]) -> tuple[Any, Any]:
    """What makes two labels the same."""
    return row["verdict"], row["extracted"]


def _figures(
    pairs: list[tuple[dict[str, Any], dict[str, Any]]], before: pd.DataFrame, after: pd.DataFrame
) -> Comparison:
    """The figures of compared rows."""
    moves = Counter(f"{old['verdict']}>{new['verdict']}" for old, new in pairs)
    moved = sum(old["verdict"] != new["verdict"] for old, new in pairs)
    return Comparison(
        version_before=grader_version_of(before),
        version_after=grader_version_of(after),
        n_rows=len(pairs),
        n_verdicts_moved=moved,
        n_answers_moved=sum(_key(old) != _key(new) for old, new in pairs) - moved,
        n_correct_before=sum(old["verdict"] == "correct" for old, _ in pairs),
        n_correct_after=sum(new["verdict"] == "correct" for _, new in pairs),
        moves=dict(sorted(moves.items())),
    )


def _change(old: Mapping[str, Any], new: Mapping[str, Any], completion: str) -> dict[str, Any]:
    """One row of the table."""
    evidence = {"before": parsed(old["evidence"]), "after": parsed(new["evidence"])}
    row: dict[str, Any] = {"sample_id": new["sample_id"]}
    for side, label in (("before", old), ("after", new)):
        row |= {f"{name}_{side}": label.get(name) for name in _PAIRED}
        row[f"rule_{side}"] = rule_of(evidence[side])
        row[f"evidence_{side}"] = essentials(evidence[side])
    row["completion_piece"] = storable(
        piece_around(completion, evidence["after"], evidence["before"])
    )
    return row


def _table(rows: list[dict[str, Any]], figures: Comparison) -> pd.DataFrame:
    """The frame, with the same types whether or not it has rows."""
    frame = pd.DataFrame(rows, columns=list(CHANGE_COLUMNS)).astype(object)
    flags = [f"{name}_{side}" for name in _BOOLEANS for side in ("before", "after")]
    frame = frame.astype(dict.fromkeys(flags, "boolean"))
    others = [name for name in CHANGE_COLUMNS if name not in flags]
    frame = frame.astype(dict.fromkeys(others, "string"))
    frame.attrs = {COMPARISON: figures.as_dict()}
    return frame
