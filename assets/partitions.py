"""Partitions: the grid of model x benchmark, its two dimensions alone, and those of reasoning.

Dimension names never change: they are part of every partition key.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import dagster as dg

from quarry.catalog import Catalog, ReasoningSpec
from quarry.errors import UnknownNameError
from quarry.keys import BENCHMARK_DIMENSION, MODEL_DIMENSION, TrajectoryKey, benchmark_name
from quarry.necessity.keys import SHARD_DIMENSION
from quarry.necessity.shards import shard_names

CHECKPOINT_PARTITIONS = "finetuned_checkpoints"


@dataclass(frozen=True)
class Grid:
    """The partitions of one catalog."""

    models: dg.StaticPartitionsDefinition
    benchmarks: dg.StaticPartitionsDefinition
    cells: dg.MultiPartitionsDefinition


def build_grid(catalog: Catalog) -> Grid:
    """The grid of a catalog: every model with every task in every shot setting."""
    models = dg.StaticPartitionsDefinition(list(catalog.models))
    benchmarks = dg.StaticPartitionsDefinition(
        [benchmark_name(task, n_shot) for n_shot in catalog.shots for task in catalog.benchmarks]
    )
    cells = dg.MultiPartitionsDefinition({MODEL_DIMENSION: models, BENCHMARK_DIMENSION: benchmarks})
    return Grid(models, benchmarks, cells)


@dataclass(frozen=True)
class ReasoningPartitions:
    """The partitions of tests of necessity and of the datasets chosen from them."""

    models: dg.StaticPartitionsDefinition
    toy_models: dg.StaticPartitionsDefinition
    shards: dg.MultiPartitionsDefinition
    targets: dg.StaticPartitionsDefinition


def build_reasoning_partitions(spec: ReasoningSpec) -> ReasoningPartitions:
    """Every model with every shard of the candidates, and the targets."""
    models = dg.StaticPartitionsDefinition(list(spec.models))
    shards = dg.StaticPartitionsDefinition(shard_names(spec.candidates.shards))
    return ReasoningPartitions(
        models=models,
        toy_models=dg.StaticPartitionsDefinition(spec.toy_models),
        shards=dg.MultiPartitionsDefinition({MODEL_DIMENSION: models, SHARD_DIMENSION: shards}),
        targets=dg.StaticPartitionsDefinition(list(spec.targets)),
    )


def build_checkpoint_partitions() -> dg.DynamicPartitionsDefinition:
    """Fine-tuned checkpoints, `<run>@<checkpoint>`; the sensor `watch_runs` adds them."""
    return dg.DynamicPartitionsDefinition(name=CHECKPOINT_PARTITIONS)


def cell_of(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> TrajectoryKey:
    """The cell that a run works on."""
    return TrajectoryKey.from_partition(str(context.partition_key))


def require_cells(cells: Sequence[str], known: Collection[str], *, where: str) -> None:
    """Refuse partition keys that a person wrote and the grid has not.

    Raises:
        UnknownNameError: a cell is not in the grid.
    """
    unknown = [cell for cell in cells if cell not in known]
    if unknown:
        alike = get_close_matches(unknown[0], list(known), n=3) or sorted(known)[:1]
        raise UnknownNameError(
            "A cell is not in the grid",
            where=where,
            expected="<task>-<n>shot|<model>, such as " + " or ".join(alike),
            got=", ".join(unknown),
            fix="correct the name; `quarry audit` shows the models, tasks and shots that there are",
        )
