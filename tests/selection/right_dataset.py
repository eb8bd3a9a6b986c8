"""A dataset without any defect, and everything it is checked against."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from quarry.findings import Finding
from quarry.leakage.words import words_of
from quarry.necessity.problem import Problem
from quarry.necessity.table import COLUMNS, TESTED
from quarry.selection.columns import DATASET_COLUMNS, records_of, table_of
from quarry.selection.dataset_checks import check_no_leakage, check_targets_met, check_unique
from quarry.selection.difficulty import difficulty_of, reasoning_steps
from quarry.selection.origin_checks import (
    check_all_necessary,
    check_existing_preserved,
    check_gold,
)
from quarry.selection.quotas import StrataSpec, parse_quotas
from quarry.selection.stratification import stratify
from quarry.toy.arithmetic import arithmetic_records

N_EXISTING = 12
TARGETS = "2-step=12,3-step=6,4-step=4"


@dataclass(frozen=True)
class Checked:
    """What the checks are given."""

    dataset: pd.DataFrame
    spec: StrataSpec
    results: pd.DataFrame
    existing: pd.DataFrame
    problems: tuple[Problem, ...]
    evaluation_sets: dict[str, dict[str, str]]
    is_met: bool = True

    def findings(self) -> list[Finding]:
        """Of all six checks."""
        return [
            *check_targets_met(self.dataset, self.spec),
            *check_all_necessary(self.dataset, self.results, self.existing),
            *check_unique(self.dataset),
            *check_existing_preserved(self.dataset, self.existing),
            *check_gold(self.dataset, self.problems),
            *check_no_leakage(self.dataset, self.evaluation_sets),
        ]

    def row(self, *, is_existing: bool) -> dict[str, Any]:
        """The first such row of the dataset."""
        rows = records_of(self.dataset)
        return next(row for row in rows if row["is_existing"] is is_existing)

    def two_new_rows(self) -> list[dict[str, Any]]:
        """Two new rows of one stratum."""
        rows = [row for row in records_of(self.dataset) if not row["is_existing"]]
        return [row for row in rows if row["difficulty"] == "3-step"][:2]

    def changed(self, id_: str, **fields: Any) -> Checked:
        """With other values in the row of that id."""
        return replace(self, dataset=changed(self.dataset, id_, **fields))

    def replaced(self, id_: str, row: dict[str, Any]) -> Checked:
        """With another row in the place of the one of that id."""
        return self.changed(id_, **row)

    def spare(self, difficulty: str) -> dict[str, Any]:
        """An eligible candidate that is not in the dataset, as a row of it."""
        used = {row["gsm8k_id"] for row in records_of(self.dataset)}
        kept = {row["question"] for row in records_of(self.existing)}
        return next(
            dataset_row(row)
            for row in records_of(self.results)
            if row["needs_cot"]
            and row["gsm8k_id"] not in used
            and row["question"] not in kept
            and dataset_row(row)["difficulty"] == difficulty
        )


def changed(frame: pd.DataFrame, id_: str, **fields: Any) -> pd.DataFrame:
    """A table with other values in the row of that id."""
    rows = [row | fields if row["gsm8k_id"] == id_ else row for row in records_of(frame)]
    assert rows != records_of(frame)
    return table_of(rows, frame.columns)


def dataset_row(result: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A row of a dataset, from a necessity result."""
    steps = reasoning_steps(result["full_solution"])
    counted = {"reasoning_steps": steps, "difficulty": difficulty_of(steps), "is_existing": False}
    row = {**result, **counted, **fields}
    return {name: row[name] for name in DATASET_COLUMNS}


def toy_problems(seed: int) -> tuple[Problem, ...]:
    """Word problems with ids of GSM8K's kind, no two of them siblings of two words' difference."""
    records = arithmetic_records(0, 260, seed)["test"]
    return tuple(
        Problem(
            f"test_{row}",
            one["question"],
            one["answer"].rsplit(" ", 1)[1],
            one["answer"],
            "test",
        )
        for row, one in enumerate(records)
    )


def result_of(problem: Problem, needs: bool) -> dict[str, Any]:
    """A necessity result of a problem that was right with its thoughts."""
    answer = float(problem.answer)
    known = {
        "gsm8k_id": problem.id,
        "question": problem.question,
        "answer": answer,
        "full_solution": problem.solution,
        "source": problem.source,
        "baseline_correct": True,
        "baseline_prediction": answer,
        "ablated_correct": not needs,
        "ablated_prediction": answer + needs,
        "needs_cot": needs,
        "status": TESTED,
        "method": "codi",
    }
    return dict.fromkeys(COLUMNS) | known


def right_dataset(seed: int = 0, targets: str = TARGETS, total: int | None = None) -> Checked:
    """A dataset as `stratify` draws it: existing items and others that need their thoughts."""
    problems = toy_problems(seed)
    results = [
        result_of(problem, needs=place % 5 < 3 or place < N_EXISTING)
        for place, problem in enumerate(problems)
    ]
    kept = [
        dataset_row(row, gsm8k_id=f"existing_{place}", is_existing=True, full_solution=None)
        for place, row in enumerate(results[:N_EXISTING])
    ]
    spec = StrataSpec(parse_quotas(targets), total=total, seed=seed)
    table, existing = table_of(results, COLUMNS), table_of(kept, DATASET_COLUMNS)
    drawn = stratify(table, existing, spec)
    evaluation = {
        "evaluation": {
            f"eval_{n}": f"Which of the rivers of land {n} is longest?" for n in range(9)
        }
    }
    assert all(len(words_of(problem.question)) > 8 for problem in problems)
    rows, is_met = drawn.rows, drawn.report.is_met
    return Checked(rows, spec, table, existing, problems, evaluation, is_met)
