"""What a set alone shows: types, digest, ids. Nothing is read but the set itself.

Of a set of earlier tools nothing was promised, so that there a deviation is a warning.
"""

# pyarrow, pandas and datasets ship no or partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from quarry.evaluation_sets.description import rows_digest
from quarry.evaluation_sets.schema import row_id, set_features
from quarry.findings import Finding, Severity
from quarry.selection.row_findings import first_of

if TYPE_CHECKING:
    from quarry.evaluation_sets.description import SetDescription
    from quarry.evaluation_sets.reading import StoredSet

_AGAIN = "make the set again: materialise sampled_eval_dataset of the checkpoint"


def check_set(stored: StoredSet) -> list[Finding]:
    """All that the set alone shows.

    Args:
        stored: as `read_set` opens it.
    """
    legacy = list(_legacy(stored))
    types = check_types(stored)
    absent = {"id", "prompt_id", "generation_idx"} - set(stored.dataset.column_names)
    ids = [] if absent else check_ids(stored.rows())
    content = list(_content(stored, stored.description)) if stored.description else []
    return [*legacy, *types, *content, *ids]


def _legacy(stored: StoredSet) -> Iterator[Finding]:
    """Notes on a set of earlier tools."""
    if stored.description is None:
        yield Finding(
            check="set_intact",
            kind="no_description",
            what="The set has no description: it is of an earlier tool, or was copied in part",
            where=str(stored.directory),
            expected="eval_set.json beside eval_dataset/",
            got="none",
            cure="use its rows as they are; nothing proves that they are complete",
            severity="warning",
        )
    for pickle in stored.pickles:
        yield Finding(
            check="set_intact",
            kind="pickle",
            what="A pickle lies beside the set; it was not opened",
            where=str(pickle),
            expected="a metric by name in eval_set.json",
            got=f"{pickle.stat().st_size:,} bytes of pickle",
            cure=f"see what it would run with `quarry inspect-pickle {pickle.name}`; name a "
            "registered metric instead",
            severity="warning",
        )


def check_types(stored: StoredSet) -> list[Finding]:
    """Whether columns, their order and their types are those of every set.

    Args:
        stored: as `read_set` opens it.
    """
    expected, got = set_features(), stored.dataset.features
    is_ours = stored.description is not None
    severity: Severity = "error" if is_ours else "warning"
    cure = _AGAIN if is_ours else "cast it before it is joined with others: dataset.cast(features)"
    found = [
        Finding(
            check="set_intact",
            kind="column_type",
            what="A column has another type than in every set",
            where=f"{stored.directory}, column {name}",
            expected=str(kind),
            got=str(got[name]) if name in got else "no such column",
            cure=cure,
            severity=severity,
        )
        for name, kind in expected.items()
        if got.get(name) != kind
    ]
    if not found and list(got) != list(expected):
        found.append(
            Finding(
                check="set_intact",
                kind="columns",
                what="The set has further columns, or another order of columns",
                where=str(stored.directory),
                expected=", ".join(expected),
                got=", ".join(got),
                cure=cure,
                severity=severity,
            )
        )
    return found


def check_ids(rows: Sequence[dict[str, Any]]) -> list[Finding]:
    """Whether every id occurs once and says prompt and generation of its row.

    Args:
        rows: of the set, with `id`, `prompt_id` and `generation_idx`.
    """
    times = Counter(str(row["id"]) for row in rows)
    repeated = [
        _of_id("repeated_id", name, "An id occurs more than once", "once", f"{n} rows")
        for name, n in times.items()
        if n > 1
    ]
    wrong = [
        _of_id(
            "wrong_id", str(row["id"]), "An id does not say what its row is", expected, row["id"]
        )
        for row in rows
        if row["id"] != (expected := row_id(row["prompt_id"], row["generation_idx"]))
    ]
    return first_of([*repeated, *wrong])


def _of_id(kind: str, name: str, what: str, expected: str, got: str) -> Finding:
    """A finding of one id."""
    return Finding(
        check="ids_unique",
        kind=kind,
        what=what,
        where=name,
        expected=expected,
        got=got,
        cure=_AGAIN,
        sample_id=name,
    )


def _content(stored: StoredSet, description: SetDescription) -> Iterator[Finding]:
    """Whether the rows are the ones that were described, in their order."""
    digest = rows_digest(stored.table())
    if (digest, len(stored.dataset)) != (description.content_digest, description.n_rows):
        yield Finding(
            check="set_intact",
            kind="other_content",
            what="The rows are not the ones that were written",
            where=str(stored.directory),
            expected=f"{description.n_rows:,} rows with digest {description.content_digest}",
            got=f"{len(stored.dataset):,} rows with digest {digest}",
            cure=_AGAIN,
        )
