"""A small real grid on disk: published trajectory files and labels, without a model."""

from pathlib import Path

import numpy as np
import pandas as pd

from quarry.catalog import Catalog
from quarry.keys import TrajectoryKey
from quarry.trajectory.layout import TrajectoryHeader, TrajectoryRow
from quarry.trajectory.publication import publish
from quarry.trajectory.staging import staging_path
from quarry.trajectory.writer import TrajectoryWriter

N_SAMPLES = 8
D_MODEL = 16
LAYERS = (0, 2)

CATALOG_YAML = f"""\
name: small
n_samples: {N_SAMPLES}
shots: [0]
benchmark_source: {{kind: toy}}
models:
  tiny_a: {{recipe: base, prompt_style: raw}}
  tiny_b: {{recipe: sft, prompt_style: raw}}
benchmarks:
  gsm8k: {{format: gsm8k}}
  logiqa: {{format: logiqa}}
thresholds: {{effect_of_interest: 3.0}}
effort: {{collect_gpu_hours: 1.5, relabel_cpu_hours: 0.25}}
"""


def sample_ids(key: TrajectoryKey) -> list[str]:
    return [f"{key.task}/test/{row}" for row in range(N_SAMPLES)]


def header_of(key: TrajectoryKey) -> TrajectoryHeader:
    return TrajectoryHeader(
        model=key.model,
        model_source="random states",
        model_revision="",
        task=key.task,
        n_shot=key.n_shot,
        benchmark=key.benchmark,
        scope="prompt+output",
        layers=LAYERS,
        d_model=D_MODEL,
        max_seq_len=32,
        n_samples=N_SAMPLES,
        seed=0,
        generation={"max_new_tokens": 12, "temperature": 0.0},
        prompt_style="raw",
        engine={"name": "random"},
        code_version="1",
        collection_date="2026-02-01T00:00:00+00:00",
    )


def row_of(key: TrajectoryKey, row: int) -> TrajectoryRow:
    rng = np.random.default_rng([row, *key.partition.encode()])
    n_prompt, n_output = 5 + row, 3 + row % 4
    states = rng.normal(size=(n_prompt + n_output, len(LAYERS), D_MODEL)).astype(np.float16)
    return TrajectoryRow(
        sample_id=sample_ids(key)[row],
        prompt=f"Question: {row} apples and {row + 2} more, how many?\nAnswer:",
        model_output=f" There are {2 * row + 2}.\n#### {2 * row + 2}",
        ground_truth=str(2 * row + 2),
        hidden_states=states,
        prompt_length=n_prompt,
        output_length=n_output,
        token_ids=rng.integers(0, 100, n_prompt + n_output).astype(np.int32),
        finish_reason="stop",
    )


def write_trajectory(data_dir: Path, key: TrajectoryKey) -> Path:
    """Write and publish one cell's file as the platform does."""
    final = data_dir / key.trajectory_path
    with TrajectoryWriter(staging_path(data_dir, key), header_of(key)) as writer:
        for row in range(N_SAMPLES):
            writer.append(row_of(key, row))
        staged = writer.finish()
    publish(staged, final)
    return final


def write_labels(data_dir: Path, key: TrajectoryKey, n_correct: int, version: str) -> Path:
    """Write labels of which the first `n_correct` are correct."""
    path = data_dir / key.labels_path
    path.parent.mkdir(parents=True, exist_ok=True)
    verdicts = ["correct"] * n_correct + ["incorrect"] * (N_SAMPLES - n_correct)
    labels = {
        "sample_id": sample_ids(key),
        "verdict": verdicts,
        "is_correct": [verdict == "correct" for verdict in verdicts],
        "extracted": ["1"] * N_SAMPLES,
        "target": ["1"] * N_SAMPLES,
        "grader": "numeric",
        "grader_version": version,
        "evidence": "{}",
        "finish_reason": "stop",
    }
    pd.DataFrame(labels).to_parquet(path)
    return path


def write_grid(data_dir: Path, catalog: Catalog, versions: dict[str, str]) -> None:
    """Every cell of a catalog, half of each cell's rows correct."""
    for key in catalog.cells():
        write_trajectory(data_dir, key)
        version = versions[catalog.benchmark(key.task).format]
        write_labels(data_dir, key, N_SAMPLES // 2, version)
