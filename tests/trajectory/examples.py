"""Example files: small, varied, and as states of a causal model behave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from quarry.trajectory.layout import States, TrajectoryHeader, TrajectoryRow, states_of_scope
from quarry.trajectory.manifest import Manifest
from quarry.trajectory.publication import StagedFile, publish, staging_path
from quarry.trajectory.writer import TrajectoryWriter

VOCABULARY = 300


def make_header(**changes: Any) -> TrajectoryHeader:
    header = TrajectoryHeader(
        model="demo_base",
        model_source="toy-base",
        model_revision="",
        task="gsm8k",
        n_shot=0,
        benchmark="gsm8k-0shot",
        scope="prompt+output",
        layers=(0, 2, 4),
        d_model=64,
        max_seq_len=60,
        n_samples=12,
        seed=7,
        generation={"temperature": 0.0, "stop": ["\n\nQuestion:"]},
        prompt_style="raw",
        engine={"name": "transformers", "device": "cpu"},
        code_version="1",
        collection_date="2026-03-01T12:00:00+00:00",
    )
    return replace(header, **changes)


def causal_states(tokens: np.ndarray, header: TrajectoryHeader) -> States:
    """States that depend on a token and on all before it, as a model's do."""
    rng = np.random.default_rng(11)
    table = rng.standard_normal((VOCABULARY, header.n_layers, header.d_model), dtype=np.float32)
    steps = np.arange(1, len(tokens) + 1, dtype=np.float32)[:, None, None]
    return (table[tokens] + np.cumsum(table[tokens], axis=0) / steps).astype(np.float16)


def make_row(index: int, header: TrajectoryHeader, seed: int = 0) -> TrajectoryRow:
    rng = np.random.default_rng([seed, index])
    half = header.max_seq_len // 2
    n_prompt, n_output = int(rng.integers(min(5, half), half + 1)), int(rng.integers(1, half + 1))
    tokens = rng.integers(3, VOCABULARY, n_prompt + n_output).astype(np.int32)
    tokens[:2] = (1, 2)
    states = causal_states(tokens, header)
    kept = {"prompt": slice(0, n_prompt), "output": slice(n_prompt, None)}
    states = states[kept.get(header.scope, slice(None))]
    assert len(states) == states_of_scope(header.scope, n_prompt, n_output)
    words = " ".join(f"w{token}" for token in tokens[2:n_prompt])
    return TrajectoryRow(
        sample_id=f"gsm8k/test/{index * 3}",
        prompt=f"Question: {words}\nAnswer:",
        model_output=" ".join(f"w{token}" for token in tokens[n_prompt:]),
        ground_truth=str(index),
        hidden_states=states,
        prompt_length=n_prompt,
        output_length=n_output,
        token_ids=tokens,
        finish_reason="length" if index % 4 == 0 else "stop",
        exemplar_ids=("gsm8k/train/1", "gsm8k/train/5") if header.n_shot else (),
    )


def make_rows(header: TrajectoryHeader, seed: int = 0) -> list[TrajectoryRow]:
    return [make_row(index, header, seed) for index in range(header.n_samples)]


def stage(
    data_dir: Path, header: TrajectoryHeader, rows: Iterable[TrajectoryRow] | None = None
) -> StagedFile:
    with TrajectoryWriter(staging_path(data_dir, header.key), header) as writer:
        for row in make_rows(header) if rows is None else rows:
            writer.append(row)
        return writer.finish()


def publish_example(data_dir: Path, seed: int = 0, **changes: Any) -> tuple[Path, Manifest]:
    header = make_header(**changes)
    final = data_dir / header.key.trajectory_path
    return final, publish(stage(data_dir, header, make_rows(header, seed)), final)


def write_legacy(path: Path, n_rows: int | None = None, **options: Any) -> Path:
    """A file as the older pipelines wrote it: gzip, shared chunks, no header, no ids."""
    header = make_header()
    rows = make_rows(header)
    n = n_rows or len(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = h5py.string_dtype("utf-8")
    with h5py.File(path, "w", **options) as file:
        states = np.zeros((n, *header.shape[1:]), dtype=np.float16)
        lengths = np.zeros(n, dtype=np.int32)
        texts = {name: [""] * n for name in ("prompts", "model_outputs", "ground_truth")}
        for index, row in enumerate(rows):
            lengths[index] = len(row.hidden_states)
            states[index, : lengths[index]] = row.hidden_states
            texts["prompts"][index] = row.prompt
            texts["model_outputs"][index] = row.model_output
            texts["ground_truth"][index] = row.ground_truth
        file.create_dataset("trajectories", data=states, chunks=(4, 8, 1, 32), compression="gzip")
        file["sequence_lengths"] = lengths
        file["is_correct"] = np.zeros(n, dtype=bool)
        for name, values in texts.items():
            file.create_dataset(name, data=np.asarray(values, dtype=object), dtype=text)
    return path
