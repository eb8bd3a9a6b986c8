"""Collecting one cell of the grid: prompts -> engine -> a staged trajectory file.

Orchestration only; prompts, engines and files have modules of their own. Nothing is published here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from quarry.costs.log import CostLog
from quarry.costs.meter import CellMeter, CellWork
from quarry.data_directory import DataDirectory
from quarry.errors import RecordError
from quarry.inference.engine import (
    CaptureSpec,
    Completion,
    GenerationParameters,
    InferenceEngine,
    Prompt,
)
from quarry.progress import ProgressLog
from quarry.prompts import build_prompts
from quarry.resumption import Resumption
from quarry.trajectory.kept_rows import kept_rows
from quarry.trajectory.layout import TrajectoryHeader, TrajectoryRow
from quarry.trajectory.publication import recover
from quarry.trajectory.report import Expected
from quarry.trajectory.staging import StagedFile, staging_path, sweep_staging
from quarry.trajectory.writer import TrajectoryWriter

if TYPE_CHECKING:
    from pathlib import Path

    from quarry.benchmarks.benchmark_set import BenchmarkSet
    from quarry.catalog import Catalog, ModelSpec
    from quarry.keys import TrajectoryKey
    from quarry.samples import Sample

COLLECTION_VERSION = "1"
"""Raised when the same model and samples would give other prompts, outputs or states."""


@dataclass(frozen=True)
class CollectionPlan:
    """All that decides what a cell's file will hold, before anything is generated."""

    key: TrajectoryKey
    prompts: tuple[Prompt, ...]
    samples: tuple[Sample, ...]
    parameters: GenerationParameters
    capture: CaptureSpec
    max_seq_len: int


def plan_collection(
    key: TrajectoryKey, catalog: Catalog, benchmark: BenchmarkSet, engine: InferenceEngine
) -> CollectionPlan:
    """Build and measure every prompt of a cell.

    Raises:
        UnknownNameError: model or task is not in the catalog.
        RecordError: there are no samples.
        LeakageError: an exemplar is among the graded samples.
        PromptTooLongError: a prompt does not fit the context and may not be cut.
        CatalogError: a layer to capture does not exist.
    """
    parameters = catalog.generation_of(key.model, key.task)
    capture = catalog.capture.resolve(engine.n_layers)
    prompts = build_prompts(
        benchmark,
        catalog.benchmark(key.task),
        catalog.model(key.model).prompt_style,
        count_tokens=lambda prompt: len(engine.encode(prompt)),
        context_length=engine.context_length,
        max_new_tokens=parameters.max_new_tokens,
    )
    if not prompts:
        raise RecordError(
            "A benchmark has no samples",
            where=f"{key}, samples of {key.benchmark}",
            expected="at least one drawn sample",
            got="none",
            fix="materialise `benchmark_samples` again",
        )
    longest = max(len(engine.encode(prompt)) for prompt in prompts)
    room = {
        "prompt": longest,
        "output": parameters.max_new_tokens,
        "prompt+output": longest + parameters.max_new_tokens,
    }
    return CollectionPlan(
        key, tuple(prompts), tuple(benchmark.samples), parameters, capture, room[capture.scope]
    )


def collect(
    key: TrajectoryKey,
    catalog: Catalog,
    benchmark: BenchmarkSet,
    engine: InferenceEngine,
    data_dir: Path,
    *,
    log: Callable[[str], None],
) -> StagedFile:
    """Run one cell and leave its file, complete and closed, in the staging directory.

    Each sample is durable as soon as it is written. What an earlier run of the cell left behind,
    however it ended, is used: only the samples that are missing are run.

    Args:
        key: the cell.
        catalog: models, benchmarks, settings.
        benchmark: the cell's samples and exemplars.
        engine: the cell's model, loaded.
        data_dir: the staging directory lies below it.
        log: takes lines about the engine, and progress with rates and remaining time.

    Raises:
        StorageFullError: not enough space; the samples so far are kept.
        QuarryError: see `plan_collection` and the engine's contract.
    """
    plan = plan_collection(key, catalog, benchmark, engine)
    header = _header(plan, catalog, engine)
    sweep_staging(data_dir)
    recover(data_dir / key.trajectory_path)
    path = staging_path(data_dir, key)
    log(f"collecting {key}: {len(plan.prompts)} samples, layers {list(plan.capture.layers)}")
    with kept_rows(data_dir, key) as sources:
        kept = Resumption(
            sources, header, plan.samples, plan.prompts, encode=engine.encode, log=log
        )
        costs = CostLog(DataDirectory(data_dir).costs)
        meter = CellMeter(CellWork(header, path, len(kept)), engine, costs, log)
        progress = ProgressLog(
            log, len(plan.prompts), "samples", n_given=len(kept), counts=meter.counts
        )
        made = _made(plan, kept, engine)
        rows = _rows(plan, kept, meter.watched(made, progress.leave_out))
        writing = TrajectoryWriter(path, header, is_durable=True)
        with meter.measuring(), closing(made), writing as writer:
            for done, row in enumerate(rows, start=1):
                writer.append(row)
                progress.update(done, made=meter.n_made)
            staged = writer.finish()
        kept.remove_used()
    return replace(staged, n_kept=len(kept), usage=meter.usage)


def _made(plan: CollectionPlan, kept: Resumption, engine: InferenceEngine) -> Generator[Completion]:
    """The completions of the samples that are not kept, in order."""
    prompts = [prompt for index, prompt in enumerate(plan.prompts) if index not in kept]
    if prompts:
        yield from engine.run(prompts, plan.parameters, plan.capture)


def _rows(
    plan: CollectionPlan, kept: Resumption, completions: Iterator[Completion]
) -> Iterator[TrajectoryRow]:
    """The rows of a cell in order of its samples, those that are not kept from the engine."""
    for index in range(len(plan.prompts)):
        yield kept.row(index) if index in kept else _row(plan, index, next(completions))
    next(completions, None)  # lets the engine end its work, and its clock


def _row(plan: CollectionPlan, index: int, completion: Completion) -> TrajectoryRow:
    """The stored row of a completion."""
    assert completion.hidden_states is not None, "the engine was asked to capture"
    sample, prompt = plan.samples[index], plan.prompts[index]
    return TrajectoryRow(
        sample_id=sample.id,
        prompt=completion.prompt_text,
        model_output=completion.text,
        ground_truth=sample.target,
        hidden_states=completion.hidden_states,
        prompt_length=len(completion.prompt_token_ids),
        output_length=len(completion.output_token_ids),
        token_ids=np.concatenate([completion.prompt_token_ids, completion.output_token_ids]),
        finish_reason=completion.finish_reason,
        exemplar_ids=prompt.exemplar_ids,
    )


def _header(plan: CollectionPlan, catalog: Catalog, engine: InferenceEngine) -> TrajectoryHeader:
    """The file's attributes."""
    model = catalog.model(plan.key.model)
    return TrajectoryHeader(
        model=plan.key.model,
        model_source=model_source(model),
        model_revision=model.revision or "",
        task=plan.key.task,
        n_shot=plan.key.n_shot,
        benchmark=plan.key.benchmark,
        scope=plan.capture.scope,
        layers=plan.capture.layers,
        d_model=engine.d_model,
        max_seq_len=plan.max_seq_len,
        n_samples=len(plan.prompts),
        seed=catalog.seed,
        generation=plan.parameters.as_dict(),
        prompt_style=model.prompt_style,
        engine=engine.describe(),
        code_version=COLLECTION_VERSION,
        collection_date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def model_source(model: ModelSpec) -> str:
    """Where a model's weights come from, in one string: `hub:…`, `path:…` or `recipe:…`."""
    if model.hub_id is not None:
        return f"hub:{model.hub_id}"
    return f"recipe:{model.recipe}" if model.recipe is not None else f"path:{model.path}"


def expected_file(catalog: Catalog, key: TrajectoryKey) -> Expected:
    """What the file of a cell must be: catches a swapped partition and another capture scope."""
    return Expected.of_key(key, scope=catalog.capture.scope)
