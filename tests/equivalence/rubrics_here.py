"""The rubrics of the catalog, and how a table of cases is read."""

from __future__ import annotations

from pathlib import Path

from quarry.equivalence.rubric import Rubric, load_rubrics

RUBRICS_FOLDER = Path(__file__).resolve().parents[2] / "catalog" / "rubrics"
RUBRICS: dict[str, Rubric] = load_rubrics(RUBRICS_FOLDER)


def marked(case: str) -> tuple[str, str | None]:
    """Completion and trimmed completion of a case with a mark, or without one."""
    trimmed, mark, rest = case.partition("|")
    return trimmed + rest, trimmed if mark else None
