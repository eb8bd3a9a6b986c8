"""Trajectories: the hidden states and outputs of one model on one benchmark."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import pandas as pd

from assets.heal_outcome import PURPOSE, record_spent
from assets.metadata import trajectory_metadata
from assets.partitions import Grid, cell_of
from assets.specs import MODEL_CHECKPOINTS, TRAJECTORIES
from quarry.benchmarks.benchmark_set import from_frame
from quarry.catalog import Catalog
from quarry.collection import collect, expected_file
from quarry.data_directory import DataDirectory
from quarry.errors import FileMissingError, IntegrityError
from quarry.healing.salvaging import salvage_first
from quarry.inference.engine import InferenceEngine
from quarry.inference.leased_engine import lease_facts
from quarry.keys import TrajectoryKey
from quarry.storage.fallback import bring_back
from quarry.trajectory.published import PublishedFile, require_published
from quarry.trajectory.report import Expected
from quarry.trajectory.staging import StagedFile
from resources.catalog import CatalogResource
from resources.engines import EngineResource
from resources.failures import permanent_failures
from resources.files import FilesResource
from resources.store import ObjectStoreResource

AnyFile = TypeVar("AnyFile", StagedFile, PublishedFile)

PURPOSE_TAG, AUTOMATION = "quarry/purpose", "automation"
"""The tag of runs that automation asked for."""
UNASKED = {AUTOMATION, PURPOSE[PURPOSE_TAG]}
"""Purposes of runs that no person asked for: they make what is lacking, and nothing else."""


class CollectionConfig(dg.Config):
    """`verify_only` examines the existing file and fails the partition if it is bad.

    Without it, intact rows of a damaged file are kept and only the other samples are run.
    """

    verify_only: bool = False


def build_trajectories(grid: Grid) -> dg.AssetsDefinition:
    """The asset of trajectory files, one partition a cell of the grid."""

    @TRAJECTORIES.asset(
        partitions_def=grid.cells,
        deps=[MODEL_CHECKPOINTS.name],
    )
    def trajectories(
        context: dg.AssetExecutionContext,
        config: CollectionConfig,
        benchmark_samples: pd.DataFrame,
        catalog: CatalogResource,
        engines: EngineResource,
        files: FilesResource,
        store: ObjectStoreResource,
    ) -> dg.Output[Any]:
        key, entries, directory = cell_of(context), catalog.load(), files.open()
        path, expected = directory.trajectory(key), expected_file(entries, key)
        with permanent_failures():
            if config.verify_only or _came_back(context, key, path, store):
                return output_of(require_published(path, expected), {})
            if (made := _made_meanwhile(context, path, expected)) is not None:
                return output_of(made, {})
            salvage_first(path, key, directory.root, context.log.info, expected=expected)
            with engines.open(entries, key.model, directory) as engine:
                output = collected_output(
                    key, entries, benchmark_samples, engine, directory, context.log.info
                )
            record_spent(context, output.value.usage)
            return output

    return trajectories


def collected_output(
    key: TrajectoryKey,
    entries: Catalog,
    samples: pd.DataFrame,
    engine: InferenceEngine,
    directory: DataDirectory,
    log: Callable[[str], None],
) -> dg.Output[StagedFile]:
    """Collect a cell whose damaged file, if there was one, was salvaged before.

    Raises:
        QuarryError: see `collect`.
    """
    staged = collect(key, entries, from_frame(samples), engine, directory.root, log=log)
    limit = entries.generation_of(key.model, key.task).max_new_tokens
    return output_of(staged, trajectory_metadata(key, staged, limit) | lease_facts(engine))


def output_of(file: AnyFile, metadata: dict[str, Any]) -> dg.Output[AnyFile]:
    """A file with its data version: the digest of its content, whatever its container."""
    version = dg.DataVersion(file.manifest.content_digest)
    return dg.Output(file, data_version=version, metadata=metadata)


def whole_file(path: Path, expected: Expected) -> PublishedFile | None:
    """The published file if it is there and verifies fully."""
    if not path.exists():
        return None
    try:
        return require_published(path, expected)
    except (IntegrityError, FileMissingError):
        return None


def _came_back(
    context: dg.AssetExecutionContext, key: TrajectoryKey, path: Path, store: ObjectStoreResource
) -> bool:
    """Whether a missing file was fetched from the object store, in a run of automation.

    A person who materialises a cell wants it collected; automation wants it to be there.
    """
    is_automated = context.run.tags.get(PURPOSE_TAG) == AUTOMATION
    if not is_automated or not store.is_configured or path.exists():
        return False
    return bring_back(path, str(key.trajectory_path), store.open())


def _made_meanwhile(
    context: dg.AssetExecutionContext, path: Path, expected: Expected
) -> PublishedFile | None:
    """The file, if it is whole by now; only for runs that no person asked for.

    A run may wait for the GPU for days after it was asked for, while the cell is restored.
    """
    if context.run.tags.get(PURPOSE_TAG) not in UNASKED:
        return None
    if (made := whole_file(path, expected)) is not None:
        context.log.info("%s is whole by now: nothing is collected", path.name)
    return made
