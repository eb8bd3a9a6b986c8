"""A platform without torch whose cells are collected until a file says wait.

Collection, journal, publication, sensor and pool are the real ones; only the model is tiny.
`python -m tests.soak.slow_cells <model>` collects one cell as a command does, in its own process.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from quarry.benchmarks.benchmark_set import BenchmarkSet
from quarry.catalog import Catalog
from quarry.collection import collect, expected_file
from quarry.keys import TrajectoryKey
from quarry.samples import Sample
from quarry.trajectory.publication import publish
from resources.files import FilesResource
from resources.run_workers import host_tags
from sensors.orphans import build_orphan_sensor
from tests.soak.collector import LAYERS, N_NEW, TinyEngine

ASSET, JOB, POOL = "cells", "collect", "gpu"
N_SAMPLES, N_BEFORE_WAITING = 4, 2
MODELS = ["all", "command", "limit", "both", "worker", "server", "daemon"]
"""Named by what is killed while they are collected."""
PARTITIONS = dg.StaticPartitionsDefinition(MODELS)
CATALOG = Catalog.model_validate({
    "name": "slow",
    "shots": [0],
    "benchmark_source": {"kind": "toy"},
    "models": {name: {"recipe": "tiny", "prompt_style": "raw"} for name in MODELS},
    "benchmarks": {"gsm8k": {"format": "gsm8k", "max_new_tokens": N_NEW}},
    "capture": {"layers": LAYERS},
})  # fmt: skip


def file_of(data_dir: Path, model: str) -> Path:
    """A cell's published file."""
    return data_dir / TrajectoryKey(model, "gsm8k", 0).trajectory_path


def wait_file(data_dir: Path, model: str) -> Path:
    """While this file exists the cell's collection stops after as many samples as it says."""
    return data_dir / f"wait-{model}"


class _WaitingEngine(TinyEngine):
    """Waits before it hands out the sample that comes after some."""

    def __init__(self, wait: Path, calls: Path) -> None:
        super().__init__(0, calls)
        self._wait = wait
        self._n_said = 0

    def run(self, *given: Any, **named: Any) -> Iterator[Any]:
        """One completion a prompt."""
        for completion in super().run(*given, **named):
            while self._is_to_wait():
                time.sleep(0.02)
            self._n_said += 1
            yield completion

    def _is_to_wait(self) -> bool:
        try:
            return self._n_said >= int(self._wait.read_text(encoding="utf-8") or 0)
        except FileNotFoundError:
            return False


def _collect(data_dir: Path, model: str) -> None:
    """One run of a cell, as the platform's asset does it."""
    key = TrajectoryKey(model, "gsm8k", 0)
    samples = tuple(
        Sample(f"gsm8k/test/{index}", f"What is 1{' + 1' * index}?", str(index + 1))
        for index in range(N_SAMPLES)
    )
    benchmark = BenchmarkSet(key.task, key.n_shot, "gsm8k", samples, ())
    with _WaitingEngine(wait_file(data_dir, model), data_dir / f"calls-{model}") as engine:
        staged = collect(key, CATALOG, benchmark, engine, data_dir, log=lambda line: None)
    publish(staged, file_of(data_dir, model), expected=expected_file(CATALOG, key))


@dg.asset(name=ASSET, partitions_def=PARTITIONS, pool=POOL)
def cells(context: dg.AssetExecutionContext, files: FilesResource) -> None:
    """One file a model."""
    _collect(files.open().root, context.partition_key)


def build_slow_cells(data_dir: str) -> dg.Definitions:
    """The definitions over a data directory."""
    return dg.Definitions(
        assets=[cells],
        jobs=[dg.define_asset_job(JOB, selection=[ASSET])],
        sensors=[build_orphan_sensor(interval_s=1)],
        resources={"files": FilesResource(data_dir=data_dir)},
    )


defs = build_slow_cells(dg.EnvVar("QUARRY_DATA_DIR"))


def run_here(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    model: str,
    tags: dict[str, str] | None = None,
) -> dg.ExecuteInProcessResult:
    """Collect a cell in this process, as a command does."""
    return definitions.resolve_job_def(JOB).execute_in_process(
        instance=instance,
        partition_key=model,
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        tags={**host_tags(), **(tags or {})},
    )


if __name__ == "__main__":
    tags = dict(one.split("=", 1) for one in sys.argv[2:])
    with dg.DagsterInstance.get() as instance:
        sys.exit(not run_here(defs, instance, sys.argv[1], tags).success)
