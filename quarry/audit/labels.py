"""Whether a labels file can be used for a trajectory file, and its verdicts, counted.

Labels that do not fit are never half-used: the cell counts as unlabelled and says why.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from quarry.audit.cell import LabelCounts
from quarry.errors import RecordError
from quarry.grading.verdict import Verdict
from quarry.label_currency import MADE_FROM

COLUMNS = ("sample_id", "verdict", "grader_version")


def count_labels(
    path: Path, *, sample_ids: Sequence[str], grader_version: str, content_digest: str | None = None
) -> LabelCounts | None:
    """The verdicts of a labels file, or the reason why they can't be used.

    Args:
        path: the labels Parquet file.
        sample_ids: ids of the trajectory file's rows.
        grader_version: version of the grader as it is now.
        content_digest: of the trajectory file; None where that is not known.

    Returns:
        None where there is no file.
    """
    if not path.exists():
        return None
    try:
        table = pq.ParquetFile(path).read(list(COLUMNS))  # a third of the time of pandas
        columns = {name: list(map(str, table[name].to_pylist())) for name in COLUMNS}
        noted = json.loads((table.schema.metadata or {}).get(b"PANDAS_ATTRS", b"{}"))
    except (OSError, ValueError, KeyError) as error:
        return LabelCounts(problem=f"the labels file can't be read: {_first_line(error)}")
    counted = Counter(columns["verdict"])
    problem = (
        _uncovered(columns["sample_id"], sample_ids)
        or _of_other_outputs(noted.get(MADE_FROM), content_digest)
        or _outdated(columns["grader_version"], grader_version)
        or _unknown(counted)
        or _nothing_graded(counted)
    )
    ordered = {verdict.value: counted[verdict.value] for verdict in Verdict if counted[verdict]}
    return LabelCounts(ordered, problem)


def label_of(path: Path, sample_id: str) -> dict[str, Any] | None:
    """The label of one sample, all columns as plain JSON values.

    Returns:
        None where there is no file, or no such sample in it.

    Raises:
        RecordError: the labels file can't be read.
    """
    if not path.exists():
        return None
    try:
        frame = pd.read_parquet(path, filters=[("sample_id", "==", sample_id)])
    except (OSError, ValueError) as error:
        raise RecordError(
            "A labels file can't be read",
            where=str(path),
            expected="a Parquet file with the column sample_id",
            got=_first_line(error),
            fix="materialise correctness_labels of this partition again",
        ) from error
    rows: list[dict[str, Any]] = json.loads(str(frame.to_json(orient="records")))
    return rows[0] if rows else None


def _uncovered(labelled: Sequence[str], sample_ids: Sequence[str]) -> str | None:
    """Why the labels do not belong to exactly these rows."""
    have, need = set(labelled), set(sample_ids)
    if len(have) != len(labelled):
        return f"{len(labelled) - len(have)} samples are labelled twice"
    lacking, foreign = len(need - have), len(have - need)
    if lacking or foreign:
        return f"labels lack {lacking} of {len(need)} samples and have {foreign} of other files"
    return None


def _of_other_outputs(made_from: str | None, content_digest: str | None) -> str | None:
    """Why the labels are not of what the file holds now; old ones do not say what they are of."""
    if None in (made_from, content_digest) or made_from == content_digest:
        return None
    return "labels were made from other outputs of these samples than the file holds now"


def _outdated(versions: Sequence[str], current: str) -> str | None:
    """Why the labels are not from the present grader."""
    others = sorted(set(versions) - {current})
    if others:
        return f"labelled by grader version {', '.join(others)}, now {current}"
    return None


def _unknown(counted: Counter[str]) -> str | None:
    """Verdicts that do not exist."""
    others = sorted(set(counted) - {verdict.value for verdict in Verdict})
    return f"unknown verdicts: {', '.join(others)}" if others else None


def _nothing_graded(counted: Counter[str]) -> str | None:
    """Labels that say nothing about any completion."""
    graded = sum(counted[verdict.value] for verdict in Verdict if verdict.is_graded)
    return None if graded else f"none of {counted.total()} samples could be graded"


def _first_line(error: BaseException) -> str:
    """The first line of a library's message."""
    return (str(error).splitlines() or [type(error).__name__])[0]
