"""Records as lm-evaluation-harness 0.4 logs them, written by hand in its shapes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from quarry.samples import Sample

QUESTIONS = ("How many eggs?", "How many ducks?", "How many farms?")
SAMPLES = {
    f"gsm8k/test/{row}": Sample(
        f"gsm8k/test/{row}", question, str(18 + row), (), {"solution": f"So.\n#### {18 + row}"}
    )
    for row, question in enumerate(QUESTIONS)
}


def gsm8k_record(
    row: int, answers: Sequence[str], filter: str = "strict-match", score: float = 1.0, **more: Any
) -> dict[str, Any]:
    """One document with its answers, under one filter."""
    doc = {"question": QUESTIONS[row], "answer": f"So.\n#### {18 + row}"}
    return {
        "doc_id": row,
        "doc": doc,
        "target": doc["answer"],
        "arguments": {
            "gen_args_0": {
                "arg_0": f"Question: {doc['question']}\nAnswer:",
                "arg_1": {"until": ["Question:"], "do_sample": False},
            }
        },
        "resps": [list(answers)],
        "filtered_resps": ["18"],
        "filter": filter,
        "metrics": ["exact_match"],
        "doc_hash": f"{row:064x}",
        "prompt_hash": f"{row + 100:064x}",
        "target_hash": f"{row + 200:064x}",
        "exact_match": score,
        **more,
    }


def scores_record() -> dict[str, Any]:
    """A document whose options the harness ranked by likelihood."""
    doc = {"label": "a", "context": "Some fact.", "question": "What follows?", "options": [*"wxyz"]}
    return {
        "doc_id": 0,
        "doc": doc,
        "target": "0",
        "arguments": {
            f"gen_args_{n}": {"arg_0": "Passage: Some fact.", "arg_1": f" {option}"}
            for n, option in enumerate("wxyz")
        },
        "resps": [[[f"-{n}.5", "False"]] for n in range(4)],
        "filtered_resps": [[f"-{n}.5", "False"] for n in range(4)],
        "filter": "none",
        "metrics": ["acc", "acc_norm"],
        "doc_hash": "0" * 64,
        "prompt_hash": "1" * 64,
        "target_hash": "2" * 64,
        "acc": 1.0,
        "acc_norm": 1.0,
    }


def lines(records: Sequence[Any]) -> bytes:
    """The records as JSON lines."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)
