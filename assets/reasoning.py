"""Tests of necessity: candidates, their shards, and the results of a model in one table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from assets.partitions import ReasoningPartitions
from assets.reasoning_metadata import pool_metadata, results_metadata, shard_metadata
from assets.specs import (
    CODI_CHECKPOINTS,
    COT_NECESSITY,
    MODEL_CHECKPOINTS,
    NECESSITY_RESULTS,
    REASONING_CANDIDATES,
)
from quarry.catalog_reasoning import ReasoningSpec
from quarry.necessity.candidates import candidate_pool
from quarry.necessity.keys import NecessityKey
from quarry.necessity.merging import merged_results
from quarry.necessity.pool import pool_frame, pool_problems, problems_of_shard
from quarry.necessity.published import published_shard
from quarry.necessity.shard import ShardResults, run_shard
from quarry.tables import content_digest
from resources.benchmarks import BenchmarkSourceResource
from resources.catalog import CatalogResource
from resources.failures import permanent_failures
from resources.files import FilesResource
from resources.necessity import NecessityResource


class NecessityConfig(dg.Config):
    """`most_failures`: how many problems of the shard may stay untested; none by default."""

    most_failures: int = 0


def build_reasoning(
    spec: ReasoningSpec, partitions: ReasoningPartitions
) -> Sequence[dg.AssetsDefinition]:
    """The assets of tests of necessity."""
    return [
        _candidates(),
        *([_codi_checkpoints(partitions)] if spec.toy_models else []),
        _cot_necessity(spec, partitions),
        _necessity_results(partitions),
    ]


def _candidates() -> dg.AssetsDefinition:
    """The pool, with difficulty and shard of each problem."""

    @REASONING_CANDIDATES.asset()
    @permanent_failures()
    def reasoning_candidates(
        catalog: CatalogResource, benchmarks: BenchmarkSourceResource, files: FilesResource
    ) -> dg.Output[pd.DataFrame]:
        entries, base_dir = catalog.load(), Path(catalog.path).parent
        source = benchmarks.open(entries, files.open(), base_dir)
        n_shards = entries.reasoning_spec().candidates.shards
        pool = pool_frame(candidate_pool(entries, source, base_dir), n_shards)
        version = dg.DataVersion(content_digest(pool))
        return dg.Output(pool, data_version=version, metadata=pool_metadata(pool))

    return reasoning_candidates


def _codi_checkpoints(partitions: ReasoningPartitions) -> dg.AssetsDefinition:
    """Toy CODI models, trained here."""

    @CODI_CHECKPOINTS.asset(
        partitions_def=partitions.toy_models,
        deps=[dg.AssetDep(MODEL_CHECKPOINTS.name, partition_mapping=dg.AllPartitionMapping())],
    )
    @permanent_failures()
    def codi_checkpoints(
        context: dg.AssetExecutionContext,
        catalog: CatalogResource,
        benchmarks: BenchmarkSourceResource,
        files: FilesResource,
    ) -> dg.MaterializeResult[Any]:
        from quarry.toy.codi_checkpoints import ensure_codi_checkpoint  # torch loads with the step

        entries = catalog.load()
        source = benchmarks.open(entries, files.open(), Path(catalog.path).parent)
        checkpoint = ensure_codi_checkpoint(
            entries, context.partition_key, files.open(), source, log=context.log.info
        )
        return dg.MaterializeResult(
            data_version=dg.DataVersion(checkpoint.digest),
            metadata={"path": dg.MetadataValue.path(str(checkpoint.path)), **checkpoint.facts},
        )

    return codi_checkpoints


def _cot_necessity(spec: ReasoningSpec, partitions: ReasoningPartitions) -> dg.AssetsDefinition:
    """Every problem of a shard, answered with thoughts and without."""

    @COT_NECESSITY.asset(partitions_def=partitions.shards, deps=_weights(spec))
    @permanent_failures()
    def cot_necessity(
        context: dg.AssetExecutionContext,
        config: NecessityConfig,
        reasoning_candidates: pd.DataFrame,
        catalog: CatalogResource,
        benchmarks: BenchmarkSourceResource,
        necessity: NecessityResource,
        files: FilesResource,
    ) -> dg.Output[ShardResults]:
        key = NecessityKey.from_partition(str(context.partition_key))
        entries, directory, base_dir = catalog.load(), files.open(), Path(catalog.path).parent
        source = benchmarks.open(entries, directory, base_dir)
        pool = pool_problems(reasoning_candidates)
        with necessity.open(entries, key.model, directory, source, pool, base_dir) as method:
            shard = run_shard(
                problems_of_shard(reasoning_candidates, key.shard),
                method,
                directory.necessity_journal(key),
                log=context.log.info,
                published=published_shard(directory, key),
                most_failures=config.most_failures,
            )
        metadata = shard_metadata(shard, method.facts())
        return dg.Output(shard, data_version=dg.DataVersion(shard.digest()), metadata=metadata)

    return cot_necessity


def _weights(spec: ReasoningSpec) -> list[dg.AssetDep]:
    """What models are loaded from; CODI models only where some are trained here."""
    trained = [CODI_CHECKPOINTS.name] if spec.toy_models else []
    return [
        dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping())
        for name in (*trained, MODEL_CHECKPOINTS.name)
    ]


def _necessity_results(partitions: ReasoningPartitions) -> dg.AssetsDefinition:
    """All shards of a model."""

    # Dagster finds by itself that a model's shards are those of its dimension.
    @NECESSITY_RESULTS.asset(partitions_def=partitions.models)
    @permanent_failures()
    def necessity_results(
        context: dg.AssetExecutionContext,
        cot_necessity: Any,
        reasoning_candidates: pd.DataFrame,
    ) -> dg.Output[pd.DataFrame]:
        results = merged_results(cot_necessity, reasoning_candidates)
        return dg.Output(
            results,
            data_version=dg.DataVersion(content_digest(results)),
            metadata=results_metadata(context.partition_key, results),
        )

    return necessity_results
