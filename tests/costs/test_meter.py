"""A collection leaves a record of what it cost, however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from quarry.collection import collect
from quarry.costs.log import CostLog
from quarry.costs.record import CostRecord
from quarry.data_directory import DataDirectory
from quarry.errors import EngineMemoryError
from quarry.inference.engine import CaptureSpec, Completion, GenerationParameters, Prompt, Usage
from quarry.inference.usage_meter import UsageMeter
from quarry.trajectory.staging import StagedFile
from tests.contracts.arithmetic_engine import KEY, N_SAMPLES, ArithmeticEngine, benchmark, catalog

ROOT = Path(__file__).resolve().parents[2]


class MeteredEngine(ArithmeticEngine):
    """The arithmetic engine with the usage that real engines have.

    Args:
        stop_after: see `ArithmeticEngine`.
        starts_late: it starts with its first run, not when it is opened.
    """

    def __init__(self, stop_after: int | None = None, *, starts_late: bool = False) -> None:
        super().__init__(stop_after)
        self.meter = UsageMeter()
        self.starts_late = starts_late
        if not starts_late:
            self.start()

    def start(self) -> None:
        self.starts_late = False
        with self.meter.starting():
            self.meter.remark("a batch was halved")

    def run(
        self,
        prompts: Sequence[Prompt],
        parameters: GenerationParameters,
        capture: CaptureSpec | None = None,
    ) -> Iterator[Completion]:
        if self.starts_late:
            self.start()
        return self.meter.counted(super().run(prompts, parameters, capture))

    @property
    def usage(self) -> Usage:
        self.meter.memory(1000)
        return replace(self.meter.reading(), n_devices=1)


def collected(data_dir: Path, engine: ArithmeticEngine, lines: list[str]) -> StagedFile:
    return collect(KEY, catalog(), benchmark(), engine, data_dir, log=lines.append)


def costs(data_dir: Path) -> tuple[CostRecord, ...]:
    history = CostLog(DataDirectory(data_dir).costs).read()
    assert history.n_skipped == 0
    return history.records


def test_a_cell_costs_what_the_engine_counted(tmp_path: Path):
    engine = MeteredEngine()
    staged = collected(tmp_path, engine, [])
    (cost,) = costs(tmp_path)
    assert (cost.key, cost.outcome, cost.n_samples, cost.n_kept) == (KEY, "staged", N_SAMPLES, 0)
    assert staged.usage is not None
    assert staged.usage.completions == N_SAMPLES
    assert cost.output_tokens == staged.usage.output_tokens == 2 * N_SAMPLES
    assert cost.prompt_tokens == engine.usage.prompt_tokens > 0
    assert 0 < cost.run_s == pytest.approx(engine.usage.run_s, abs=1e-3)
    assert cost.written_bytes == staged.manifest.size_bytes
    assert (cost.engine, cost.device, cost.max_new_tokens) == ("arithmetic", "cpu", 4)
    assert (cost.peak_memory_bytes, cost.code_version) == (1000, "1")


def test_the_clock_of_the_engine_stops_with_the_last_sample(tmp_path: Path):
    engine = MeteredEngine()
    staged = collected(tmp_path, engine, [])
    assert staged.usage is not None
    assert engine.usage.run_s == staged.usage.run_s


@pytest.mark.parametrize("starts_late", [False, True], ids=["at once", "with the first run"])
def test_the_engines_start_is_on_the_account_of_the_first_cell_alone(
    tmp_path: Path, starts_late: bool
):
    engine, lines = MeteredEngine(starts_late=starts_late), list[str]()
    usages = [collected(tmp_path / f"{n}", engine, lines).usage for n in range(2)]
    starts = [usage.start_s for usage in usages if usage]
    assert starts == [engine.usage.start_s, 0.0]
    assert [usage.remarks for usage in usages if usage] == [("a batch was halved",), ()]
    shown = [line for line in lines if re.match(r"engine arithmetic|the engine started", line)]
    late = ["engine arithmetic on cpu: starts with the samples", "the engine started in 0.0 s"]
    first = late if starts_late else ["engine arithmetic on cpu: started in 0.0 s"]
    assert shown == [*first, "engine arithmetic on cpu: runs already"]


def test_a_cell_whose_samples_are_all_there_pays_for_the_start_and_nothing_else(tmp_path: Path):
    collected(tmp_path, MeteredEngine(), [])
    engine = MeteredEngine()
    staged = collected(tmp_path, engine, [])
    again = costs(tmp_path)[-1]
    assert (again.n_samples, again.n_kept, again.run_s) == (0, N_SAMPLES, 0.0)
    assert staged.usage is not None
    assert staged.usage.start_s == engine.usage.start_s > 0


def test_a_run_that_fails_half_way_has_cost_that_half(tmp_path: Path):
    with pytest.raises(EngineMemoryError):
        collected(tmp_path, MeteredEngine(stop_after=4), [])
    collected(tmp_path, MeteredEngine(), [])
    failed, staged = costs(tmp_path)
    assert (failed.outcome, failed.n_samples) == ("failed", 4)
    assert (staged.outcome, staged.n_samples, staged.n_kept) == ("staged", N_SAMPLES - 4, 4)


DYING = """
import os, signal, sys
from pathlib import Path
from tests.costs.test_meter import MeteredEngine, collected

engine = MeteredEngine(stop_after=7)
engine.stop = lambda: os.kill(os.getpid(), signal.SIGKILL)
collected(Path(sys.argv[1]), engine, [])
"""


def test_a_run_that_is_killed_is_known_to_have_cost(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", DYING, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    (cost,) = costs(tmp_path)
    assert (cost.outcome, cost.n_samples) == ("running", 1)


def test_a_log_that_can_not_be_written_loses_no_cell(tmp_path: Path):
    DataDirectory(tmp_path).costs.mkdir(parents=True)
    lines: list[str] = []
    staged = collected(tmp_path, MeteredEngine(), lines)
    assert staged.manifest.n_samples == N_SAMPLES
    assert any("what this cell costs can't be kept" in line for line in lines)


def test_an_engine_that_counts_nothing_leaves_no_record(tmp_path: Path):
    class SilentEngine(ArithmeticEngine):
        @property
        def usage(self) -> Usage:
            return Usage()

    collected(tmp_path, SilentEngine(), [])
    assert costs(tmp_path) == ()


def test_progress_says_tokens_beside_samples(tmp_path: Path):
    lines: list[str] = []
    collected(tmp_path, MeteredEngine(), lines)
    last = next(line for line in lines if line.startswith(f"{N_SAMPLES} of {N_SAMPLES} samples"))
    assert re.search(r", [\d.]+ samples/s, [\d.]+ output tokens/s$", last)
