"""Samples of code benchmarks for tests, from the small problems in `golden/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from quarry.samples import Sample

GOLDEN = Path(__file__).with_name("golden")


def golden_code(format: str) -> tuple[dict[str, Sample], list[dict[str, Any]]]:
    """Samples by name, and the cases."""
    table = yaml.safe_load((GOLDEN / f"{format}.yaml").read_text(encoding="utf-8"))
    make = humaneval_sample if format == "humaneval" else mbpp_sample
    return {name: make(name, problem) for name, problem in table["problems"].items()}, table[
        "cases"
    ]


def humaneval_sample(name: str, problem: dict[str, Any]) -> Sample:
    metadata = {"task_id": f"Own/{name}", "entry_point": name, "test": problem["test"]}
    return Sample(f"humaneval/test/{name}", problem["prompt"], problem["canonical"], (), metadata)


def mbpp_sample(name: str, problem: dict[str, Any]) -> Sample:
    metadata = {
        "task_id": name,
        "entry_point": name,
        "test_list": problem["tests"],
        "test_setup_code": problem["setup"],
        "challenge_test_list": [],
    }
    return Sample(f"mbpp/test/{name}", problem["prompt"], problem["canonical"], (), metadata)
