"""Sampled, graded evaluation sets: checkpoints, their completions, decisions, datasets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from assets.evaluation_metadata import graded_metadata, sampled_metadata, set_metadata
from assets.evaluation_specs import FINETUNED_CHECKPOINTS, EvaluationIdentities
from assets.identity import AssetIdentity
from quarry.equivalence.completions import GradedCompletions, grade_completions
from quarry.evaluation_sets.building import EvalSet, build_eval_set
from quarry.sampling.checkpoints import ensure_finetuned
from quarry.sampling.keys import SampledKey
from quarry.sampling.opening import sampling_plan
from quarry.sampling.publication import SampledCompletions
from quarry.sampling.published import published_completions
from quarry.sampling.sampling import sample_completions
from resources.catalog import CatalogResource
from resources.equivalence import EquivalenceResource
from resources.failures import permanent_failures
from resources.files import FilesResource
from resources.finetuned import FinetunedResource


class SamplingConfig(dg.Config):
    """`again`: sample all anew, instead of going on from what is published."""

    again: bool = False


def build_evaluation(
    identities: EvaluationIdentities, partitions: dg.DynamicPartitionsDefinition
) -> Sequence[dg.AssetsDefinition]:
    """The assets of evaluation sets, all with one partition a checkpoint.

    Args:
        identities: of the assets under the catalog.
        partitions: the checkpoints.
    """
    return [
        _finetuned_checkpoints(partitions),
        _sampled_completions(identities.sampled, partitions),
        _graded_completions(identities.graded, partitions),
        _sampled_eval_dataset(identities.dataset, partitions),
    ]


def _finetuned_checkpoints(partitions: dg.DynamicPartitionsDefinition) -> dg.AssetsDefinition:
    """Toy runs are trained; others are looked at."""

    @FINETUNED_CHECKPOINTS.asset(partitions_def=partitions)
    @permanent_failures()
    def finetuned_checkpoints(
        context: dg.AssetExecutionContext, catalog: CatalogResource, files: FilesResource
    ) -> dg.MaterializeResult[Any]:
        key = SampledKey.from_partition(context.partition_key)
        entries, base_dir = catalog.load(), Path(catalog.path).parent
        checkpoint = ensure_finetuned(entries, key, files.open(), base_dir, log=context.log.info)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(checkpoint.digest),
            metadata={"path": dg.MetadataValue.path(str(checkpoint.path)), **checkpoint.facts},
        )

    return finetuned_checkpoints


def _sampled_completions(
    identity: AssetIdentity, partitions: dg.DynamicPartitionsDefinition
) -> dg.AssetsDefinition:
    """Every prompt of the domain, answered many times."""

    @identity.asset(partitions_def=partitions, deps=[FINETUNED_CHECKPOINTS.name])
    @permanent_failures()
    def sampled_completions(
        context: dg.AssetExecutionContext,
        config: SamplingConfig,
        catalog: CatalogResource,
        finetuned: FinetunedResource,
        files: FilesResource,
    ) -> dg.Output[SampledCompletions]:
        key = SampledKey.from_partition(context.partition_key)
        entries, directory, base_dir = catalog.load(), files.open(), Path(catalog.path).parent
        plan = sampling_plan(entries, key, base_dir)
        with finetuned.open(entries, key, directory, base_dir) as opened:
            sampled = sample_completions(
                plan,
                opened.engine,
                opened.asked,
                directory.completion_store(key),
                log=context.log.info,
                published=published_completions(directory, key),
                again=config.again,
            )
            metadata = sampled_metadata(sampled, opened.engine)
        return dg.Output(sampled, data_version=dg.DataVersion(sampled.digest()), metadata=metadata)

    return sampled_completions


def _graded_completions(
    identity: AssetIdentity, partitions: dg.DynamicPartitionsDefinition
) -> dg.AssetsDefinition:
    """Every distinct completion with its decision."""

    @identity.asset(partitions_def=partitions)
    @permanent_failures()
    def graded_completions(
        context: dg.AssetExecutionContext,
        sampled_completions: pd.DataFrame,
        catalog: CatalogResource,
        equivalence: EquivalenceResource,
        files: FilesResource,
    ) -> dg.Output[GradedCompletions]:
        key = SampledKey.from_partition(context.partition_key)
        with equivalence.open(
            catalog.load(), key, files.open(), Path(catalog.path).parent
        ) as grader:
            graded = grade_completions(sampled_completions, grader, log=context.log.info)
        metadata = graded_metadata(key.partition, graded)
        return dg.Output(graded, data_version=dg.DataVersion(graded.digest()), metadata=metadata)

    return graded_completions


def _sampled_eval_dataset(
    identity: AssetIdentity, partitions: dg.DynamicPartitionsDefinition
) -> dg.AssetsDefinition:
    """The equivalent completions as a dataset."""

    @identity.asset(partitions_def=partitions)
    @permanent_failures()
    def sampled_eval_dataset(
        context: dg.AssetExecutionContext,
        graded_completions: pd.DataFrame,
        catalog: CatalogResource,
        files: FilesResource,
    ) -> dg.Output[EvalSet]:
        key = SampledKey.from_partition(context.partition_key)
        entries, base_dir = catalog.load(), Path(catalog.path).parent
        made = build_eval_set(entries, key, graded_completions, files.open(), base_dir)
        metadata = set_metadata(key.partition, made, graded_completions)
        return dg.Output(made, data_version=dg.DataVersion(made.digest()), metadata=metadata)

    return sampled_eval_dataset
