"""Cost records as a collection would leave them."""

from __future__ import annotations

import itertools
from typing import Any

from quarry.catalog import Catalog
from quarry.costs.log import CostHistory
from quarry.costs.record import CostRecord
from quarry.keys import TrajectoryKey

NUMBERS = itertools.count()
KEY = TrajectoryKey("small", "gsm8k", 0)


def record(**changes: Any) -> CostRecord:
    """A run of 100 samples at 36 s each on one GPU: one GPU hour; the engine took 36 s."""
    number = next(NUMBERS)
    values: dict[str, Any] = {
        "attempt": f"attempt-{number}",
        "model": KEY.model,
        "task": KEY.task,
        "n_shot": KEY.n_shot,
        "outcome": "staged",
        "started_at": "2026-05-01T10:00:00+00:00",
        "written_at": f"2026-05-01T11:00:00.{number:06d}+00:00",
        "n_samples": 100,
        "n_kept": 0,
        "prompt_tokens": 20_000,
        "output_tokens": 5_000,
        "run_s": 3600.0,
        "start_s": 36.0,
        "n_devices": 1,
        "device": "NVIDIA H200",
        "engine": "vllm",
        "max_new_tokens": 512,
        "peak_memory_bytes": 1 << 30,
        "written_bytes": 1 << 20,
        "code_version": "1",
    }
    return CostRecord(**(values | changes))


def history(*records: CostRecord) -> CostHistory:
    return CostHistory(records)


def catalog(**changes: Any) -> Catalog:
    """Two models, two benchmarks, two shot settings; 100 samples a cell, 512 new tokens."""
    model = {"path": "somewhere", "prompt_style": "raw"}
    values: dict[str, Any] = {
        "name": "costs",
        "n_samples": 100,
        "shots": [0, 8],
        "models": {"small": model, "large": {**model, "tensor_parallel": 2}},
        "benchmarks": {"gsm8k": {"format": "gsm8k"}, "logiqa": {"format": "logiqa"}},
        "benchmark_source": {"kind": "hub"},
        "inference": {"engine": "vllm"},
        "effort": {"collect_gpu_hours": 1.5},
    }
    return Catalog.model_validate(values | changes)
