"""A collection goes on from rows that fit it, and says why it does not from others."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quarry.benchmarks.benchmark_set import BenchmarkSet
from quarry.catalog import Catalog
from quarry.collection import collect
from quarry.errors import EngineMemoryError
from quarry.inference.engine import InferenceEngine
from quarry.resumption import differences
from quarry.trajectory.publication import publish
from quarry.trajectory.reader import TrajectoryReader
from tests.contracts.arithmetic_engine import (
    KEY,
    N_SAMPLES,
    ArithmeticEngine,
    benchmark,
    catalog,
)
from tests.trajectory.examples import make_header


def run(
    data_dir: Path,
    engine: InferenceEngine,
    entries: Catalog | None = None,
    samples: BenchmarkSet | None = None,
) -> list[str]:
    """Collect and publish; returns the lines of the log."""
    lines: list[str] = []
    staged = collect(
        KEY, entries or catalog(), samples or benchmark(), engine, data_dir, log=lines.append
    )
    publish(staged, data_dir / KEY.trajectory_path)
    return lines


def outputs(data_dir: Path) -> list[str]:
    with TrajectoryReader(data_dir / KEY.trajectory_path) as reader:
        return reader.columns.model_outputs


def interrupted(data_dir: Path, stop_after: int = 4) -> None:
    with pytest.raises(EngineMemoryError):
        run(data_dir, ArithmeticEngine(stop_after))


def test_only_the_missing_samples_are_run_again(tmp_path: Path) -> None:
    interrupted(tmp_path)
    engine = ArithmeticEngine()
    lines = run(tmp_path, engine)
    assert engine.ran == [f"gsm8k/test/{i}" for i in range(4, N_SAMPLES)]
    assert "going on from 4 of 10 samples that were kept" in lines
    run(tmp_path / "whole", ArithmeticEngine())
    assert outputs(tmp_path) == outputs(tmp_path / "whole")
    assert list((tmp_path / "staging").iterdir()) == []


def test_interruption_after_interruption_loses_nothing(tmp_path: Path) -> None:
    ran: list[str] = []
    for _ in range(N_SAMPLES):
        engine = ArithmeticEngine(stop_after=1)
        with contextlib.suppress(EngineMemoryError):
            run(tmp_path, engine)
        ran += engine.ran
    assert ran == [f"gsm8k/test/{i}" for i in range(N_SAMPLES)]
    assert len(outputs(tmp_path)) == N_SAMPLES


def test_a_file_that_was_complete_but_not_published_needs_no_engine(tmp_path: Path) -> None:
    collect(KEY, catalog(), benchmark(), ArithmeticEngine(), tmp_path, log=lambda _: None)
    engine = ArithmeticEngine()
    run(tmp_path, engine)
    assert engine.ran == []


def test_more_samples_and_another_batch_size_go_on(tmp_path: Path) -> None:
    interrupted(tmp_path)
    engine = ArithmeticEngine()
    run(tmp_path, engine, catalog(n_samples=12), benchmark(12))
    assert len(engine.ran) == 8


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"generation": {"max_new_tokens": 5}}, "generation was"),
        ({"seed": 1}, "seed was 0, is 1"),
        ({"capture": {"layers": [1]}}, "layers was [0, 1], is [1]"),
        ({"capture": {"layers": [0, 1], "scope": "prompt"}}, "scope was"),
    ],
)
def test_other_settings_start_anew_and_say_why(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    interrupted(tmp_path)
    lines: list[str] = []
    engine = ArithmeticEngine(stop_after=0)
    with pytest.raises(EngineMemoryError):
        collect(KEY, catalog(**changes), benchmark(), engine, tmp_path, log=lines.append)
    assert any("other settings" in line and named in line for line in lines)
    assert len(list((tmp_path / "staging").glob("*.journal"))) == 1


def test_another_device_starts_anew(tmp_path: Path) -> None:
    interrupted(tmp_path)
    engine = ArithmeticEngine(device="cuda")
    run(tmp_path, engine)
    assert len(engine.ran) == N_SAMPLES
    assert list((tmp_path / "staging").iterdir()) == []


def test_a_changed_sample_is_run_again_alone(tmp_path: Path) -> None:
    interrupted(tmp_path)
    engine = ArithmeticEngine()
    changes = {"gsm8k/test/1": {"input": "Another question?"}, "gsm8k/test/2": {"target": "99"}}
    run(tmp_path, engine, samples=benchmark(changes=changes))
    assert engine.ran == [f"gsm8k/test/{i}" for i in (1, 2, *range(4, N_SAMPLES))]


def test_a_kill_before_publication_costs_nothing(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            collect(KEY, catalog(), benchmark(), ArithmeticEngine(), tmp_path, log=lambda _: None)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    engine = ArithmeticEngine()
    run(tmp_path, engine)
    assert engine.ran == []


def test_differences_name_what_matters_only() -> None:
    header = make_header()
    same = replace(
        header, n_samples=99, max_seq_len=99, collection_date="2026-04-01T00:00:00+00:00"
    )
    assert differences(header, same) == []
    other = replace(header, model_revision="abc", engine={"name": "vllm", "device": "cpu"})
    assert [line.split(" was")[0] for line in differences(header, other)] == [
        "model_revision",
        "engine",
    ]


def on_gpu(device: str, name: str | None = None) -> dict[str, str]:
    """An engine's description; files of before name the GPU's number and not its model."""
    return {"engine": "transformers", "device": device, **({"device_name": name} if name else {})}


@pytest.mark.parametrize(
    ("kept", "wanted"),
    [
        (on_gpu("cuda", "NVIDIA H200"), on_gpu("cuda", "NVIDIA H200")),
        (on_gpu("cuda:0"), on_gpu("cuda", "NVIDIA H200")),
        (on_gpu("cuda:0"), on_gpu("cuda:1")),
    ],
)
def test_rows_of_another_gpu_of_the_same_model_are_used(
    kept: dict[str, str], wanted: dict[str, str]
) -> None:
    header = make_header()
    assert differences(replace(header, engine=kept), replace(header, engine=wanted)) == []


@pytest.mark.parametrize(
    ("kept", "wanted"),
    [
        (on_gpu("cpu"), on_gpu("cuda", "NVIDIA H200")),
        (on_gpu("cuda:0"), on_gpu("cpu")),
        (on_gpu("cuda", "NVIDIA A100"), on_gpu("cuda", "NVIDIA H200")),
    ],
)
def test_rows_of_another_kind_of_device_are_not(
    kept: dict[str, str], wanted: dict[str, str]
) -> None:
    header = make_header()
    [line] = differences(replace(header, engine=kept), replace(header, engine=wanted))
    assert line.startswith("engine was")
