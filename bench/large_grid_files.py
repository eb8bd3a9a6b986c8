"""The files of a large grid: catalog, samples, trajectories and labels of every cell.

Each file is written, verified and published as the platform does it; only the content is made up,
and tiny, since nothing that is measured depends on its size. A hundredth of the cells is left out.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from quarry.benchmarks.benchmark_set import BenchmarkSet, to_frame
from quarry.catalog import Catalog, load_catalog
from quarry.costs.log import FORMAT_VERSION
from quarry.costs.record import CostRecord
from quarry.data_directory import DataDirectory
from quarry.keys import TrajectoryKey
from quarry.relabelling import regrade
from quarry.samples import Sample
from quarry.sandbox.limits import Limits
from quarry.tables import write_table
from quarry.trajectory.journal import encode_line
from quarry.trajectory.layout import TrajectoryHeader, TrajectoryRow
from quarry.trajectory.publication import publish, staging_path
from quarry.trajectory.writer import TrajectoryWriter

ROWS = 4
SHOTS = (0, 8)
EVERY_MISSING = 100
"""One cell of so many was never collected."""


@dataclass(frozen=True)
class MadeGrid:
    """A grid on disk.

    Args:
        catalog_path: its catalog.
        catalog: the same, read.
        directory: its files.
        collected: cells that have a file, in the order of the catalog.
    """

    catalog_path: Path
    catalog: Catalog
    directory: DataDirectory
    collected: tuple[TrajectoryKey, ...]


def open_grid(folder: Path, n_models: int, n_benchmarks: int) -> MadeGrid:
    """The grid of a folder; its catalog is written, its files are not."""
    path = folder / "catalog.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    document = _document(n_models, n_benchmarks // len(SHOTS))
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    catalog = load_catalog(path)
    kept = tuple(key for at, key in enumerate(catalog.cells()) if at % EVERY_MISSING != 7)
    return MadeGrid(path, catalog, DataDirectory(folder / "data"), kept)


def make_files(grid: MadeGrid, n_processes: int) -> int:
    """Make what is not there yet; returns how many cells that were."""
    for n_shot in SHOTS:
        for task in grid.catalog.benchmarks:
            drawn = BenchmarkSet(task, n_shot, "gsm8k", tuple(_samples(task)), ())
            path = grid.directory.samples(TrajectoryKey("any", task, n_shot))
            if not path.exists():
                write_table(to_frame(drawn), path)
    due = [key for key in grid.collected if not grid.directory.labels(key).exists()]
    with ProcessPoolExecutor(n_processes) as pool:
        for _ in pool.map(_make_cell, [grid.directory.root] * len(due), due, chunksize=16):
            pass
    return len(due)


def _document(n_models: int, n_tasks: int) -> dict[str, object]:
    """The catalog."""
    return {
        "name": "large",
        "n_samples": ROWS,
        "shots": list(SHOTS),
        "benchmark_source": {"kind": "toy"},
        "models": {
            f"model-{at:03d}": {"path": "/nowhere", "prompt_style": "raw"} for at in range(n_models)
        },
        "benchmarks": {f"task-{at:02d}": {"format": "gsm8k"} for at in range(n_tasks)},
    }


def _samples(task: str) -> Iterator[Sample]:
    """The items of a task."""
    for at in range(ROWS):
        yield Sample(f"{task}/test/{at}", f"How much is {at} and 1?", str(at + 1))


def _make_cell(root: Path, key: TrajectoryKey) -> None:
    """File and labels of one cell."""
    directory = DataDirectory(root)
    if not directory.trajectory(key).exists():
        _write(directory, key)
    regrade(directory, key, Limits(), log=lambda _: None)


def _write(directory: DataDirectory, key: TrajectoryKey) -> None:
    """The trajectory file of a cell."""
    rng = np.random.default_rng(zlib.crc32(key.partition.encode()))
    header = TrajectoryHeader(
        model=key.model, model_source="path:none", model_revision="", task=key.task,
        n_shot=key.n_shot, benchmark=key.benchmark, scope="prompt+output", layers=(0,), d_model=4,
        max_seq_len=16, n_samples=ROWS, seed=0, generation={}, prompt_style="raw",
        engine={"name": "none"}, code_version="1", collection_date="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    with TrajectoryWriter(staging_path(directory.root, key), header) as writer:
        for at, one in enumerate(_samples(key.task)):
            states = rng.standard_normal((6 + at, 1, 4)).astype(np.float16)
            writer.append(
                TrajectoryRow(
                    sample_id=one.id,
                    prompt=one.input,
                    model_output=f"It is clear.\n#### {at + 1 + at % 2}",
                    ground_truth=one.target,
                    hidden_states=states,
                    prompt_length=3,
                    output_length=3 + at,
                    finish_reason="stop",
                    exemplar_ids=tuple(f"{key.task}/train/{n}" for n in range(key.n_shot)),
                    token_ids=np.arange(at, at + 6 + at, dtype=np.int32),
                )
            )
        staged = writer.finish()
    publish(staged, directory.trajectory(key))


def write_costs(grid: MadeGrid) -> None:
    """A log of costs with a reading of every cell that was collected."""
    records = (
        CostRecord(
            attempt=key.partition, model=key.model, task=key.task, n_shot=key.n_shot,
            outcome="staged", started_at="2026-01-01T00:00:00+00:00",
            written_at=f"2026-01-{at // 1440 + 1:02d}T{at // 60 % 24:02d}:{at % 60:02d}:00+00:00",
            n_samples=ROWS, n_kept=0, prompt_tokens=12, output_tokens=18, run_s=1.0 + at % 7,
            start_s=2.0, n_devices=1, device="NVIDIA H200", engine="transformers",
            max_new_tokens=grid.catalog.generation_of(key.model, key.task).max_new_tokens,
            peak_memory_bytes=1, written_bytes=31_560, code_version="1",
        )
        for at, key in enumerate(grid.collected)
    )  # fmt: skip
    lines = [encode_line({"format_version": FORMAT_VERSION, **one.as_dict()}) for one in records]
    grid.directory.costs.parent.mkdir(parents=True, exist_ok=True)
    grid.directory.costs.write_bytes(b"".join(lines))
