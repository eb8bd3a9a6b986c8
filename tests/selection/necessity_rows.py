"""Tables of necessity results for tests, as `quarry.necessity` writes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from quarry.benchmarks.draw import draw_rank
from quarry.necessity.table import COLUMNS, FAILED, TESTED, needs_cot
from quarry.samples import Sample


def solution(steps: int, answer: float = 2) -> str:
    return "".join(f"1+1=<<1+1=2>>2 step {n}\n" for n in range(steps)) + f"#### {answer:g}"


def row(
    id: str, steps: int = 2, *, is_right: bool = True, is_ablated_right: bool = False, **fields: Any
) -> dict[str, Any]:
    """A tested problem; it needs its thoughts unless it says otherwise."""
    return dict.fromkeys(COLUMNS) | {
        "gsm8k_id": id,
        "question": f"What is asked in {id}?",
        "answer": 2.0,
        "full_solution": solution(steps),
        "source": id.partition("_")[0],
        "baseline_correct": is_right,
        "baseline_prediction": 2.0 if is_right else 3.0,
        "ablated_correct": is_ablated_right,
        "ablated_prediction": 2.0 if is_ablated_right else None,
        "needs_cot": needs_cot(is_baseline_correct=is_right, is_ablated_correct=is_ablated_right),
        "status": TESTED,
        "error": None,
        "baseline_output": "2",
        "ablated_output": "none",
        "method": "codi",
        **fields,
    }


def failed(id: str, steps: int = 2) -> dict[str, Any]:
    """A problem whose test failed."""
    nothing = dict.fromkeys(COLUMNS)
    known = {name: row(id, steps)[name] for name in COLUMNS[:5]}
    return {**nothing, **known, "status": FAILED, "error": "out of memory", "method": "codi"}


def table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    rows = list(rows)
    names = dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)])
    return pd.DataFrame(rows, columns=list(names))


def existing(n: int, steps: int = 2, **fields: Any) -> dict[str, Any]:
    """An existing item as the older pipeline wrote it."""
    return {
        "pair_id": n,
        "variant": "clean",
        "question": f"What was asked in pair {n}?",
        "answer": 2,
        "reasoning_steps": steps,
        "baseline_correct": True,
        "ablated_correct": False,
        "needs_cot": True,
        **fields,
    }


def results_of(samples: Iterable[Sample], share: float, seed: int = 0) -> pd.DataFrame:
    """Necessity results of GSM8K samples, of which this share needs its thoughts, by hash."""
    rows: list[dict[str, Any]] = []
    for sample in samples:
        _, split, number = sample.id.split("/")
        is_needed = int.from_bytes(draw_rank(seed, sample.id)[:8], "big") < share * 2**64
        rows.append(
            row(
                f"{split}_{number}",
                is_right=is_needed,
                question=sample.input,
                answer=float(sample.target),
                full_solution=sample.metadata["solution"],
            )
        )
    return table(rows)
