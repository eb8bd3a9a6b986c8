"""The job that restores the trajectory file of one cell from its second copy.

An op and not the asset's own step: that one waits for a GPU. What it restores is recorded as a
materialisation with the verdicts of the integrity checks, so that the cell is whole everywhere.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg

from assets.heal_outcome import record_moved, recorded_outcome
from assets.partitioned_checks import verdicts_of_partition
from assets.partitions import Grid, cell_of
from assets.remote_checks import REMOTE_CHECKS, examined_copy
from assets.remote_metadata import restoration_metadata
from assets.specs import REMOTE_TRAJECTORIES, TRAJECTORIES
from assets.trajectory_checks import INTEGRITY_CHECKS, check_report
from quarry.collection import expected_file
from quarry.data_directory import DataDirectory
from quarry.errors import QuarryError
from quarry.healing.local_copies import good_copies
from quarry.healing.restoring import Restoration, restore
from quarry.keys import BENCHMARK_DIMENSION, MODEL_DIMENSION, TrajectoryKey
from quarry.repair.good_copy import GoodCopy
from quarry.storage.mirror import RemoteCopy, older_copies
from quarry.trajectory.report import Expected
from resources.catalog import CatalogResource
from resources.failures import permanent_failures
from resources.files import FilesResource
from resources.store import ObjectStoreResource

JOB = "restore_cells"
DESCRIPTION = (
    "Restore one cell's trajectory file from its second copy, by damaged ranges where a file is "
    "there. The damaged file is kept aside; no GPU is used."
)
DATA_VERSION_TAG = "dagster/data_version"
ASSET_KEY = dg.AssetKey(TRAJECTORIES.name)


def build_restore_job(grid: Grid) -> dg.JobDefinition:
    """The job, one partition a cell of the grid."""

    @dg.op(
        name="restore_trajectory",
        pool="transfers",
        out=dg.Out(dg.Nothing),
        description="Fetches what is damaged or missing, proves the whole file, puts it in place.",
    )
    def restore_trajectory(
        context: dg.OpExecutionContext,
        catalog: CatalogResource,
        files: FilesResource,
        store: ObjectStoreResource,
    ) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation | dg.Output]:
        key, directory, log = cell_of(context), files.open(), context.log.info
        path, expected = directory.trajectory(key), expected_file(catalog.load(), key)
        with permanent_failures(), recorded_outcome(context):
            copies = _copies(path, expected, directory, store, log)
            restored = restore(path, expected, copies, directory.aside, log=log)
        record_moved(context, "restore_trajectory", restored.bytes_fetched)
        yield _materialization(context.instance, key, restored)
        yield from verdicts_of_partition(
            context.instance,
            TRAJECTORIES.name,
            INTEGRITY_CHECKS,
            key.partition,
            check_report(restored.report),
        )
        yield from _verdict_on_copy(context, directory, store, key.partition)
        yield dg.Output(None)

    @dg.job(name=JOB, partitions_def=grid.cells, description=DESCRIPTION)
    def restore_cells() -> None:
        restore_trajectory()

    return restore_cells


def _verdict_on_copy(
    context: dg.OpExecutionContext,
    directory: DataDirectory,
    store: ObjectStoreResource,
    partition: str,
) -> Iterator[dg.AssetCheckEvaluation]:
    """A new verdict on the copy, since the old one may rest on proofs that were damaged here."""
    if not store.is_configured:
        return
    try:
        found = examined_copy(directory, store, partition)
    except QuarryError as error:  # the file is whole all the same
        context.log.warning("the second copy could not be looked at: %s", error)
        return
    name = REMOTE_TRAJECTORIES.name
    yield from verdicts_of_partition(context.instance, name, REMOTE_CHECKS, partition, found)


def _copies(
    path: Path,
    expected: Expected,
    directory: DataDirectory,
    store: ObjectStoreResource,
    log: Callable[[str], None],
) -> list[GoodCopy]:
    """Where the file may be had: on this machine, in the store, then in the store's past."""
    name = path.relative_to(directory.root).as_posix()
    remote = RemoteCopy(store.open(), name) if store.is_configured else None
    copies = good_copies(path, expected, directory.root, directory.aside, remote, log=log)
    return [*copies, *(older_copies(store.open(), name) if store.is_configured else [])]


def _materialization(
    instance: dg.DagsterInstance, key: TrajectoryKey, restored: Restoration
) -> dg.AssetMaterialization:
    """The record of a restored file; what is known of where the same content came from stays."""
    version = restored.manifest.content_digest if restored.manifest else ""
    return dg.AssetMaterialization(
        ASSET_KEY,
        description="Found whole; nothing was fetched or collected."
        if restored.how == "none needed"
        else "Restored from a copy; nothing was collected.",
        partition=dg.MultiPartitionKey(
            {MODEL_DIMENSION: key.model, BENCHMARK_DIMENSION: key.benchmark}
        ),
        metadata=restoration_metadata(restored),
        tags={**_provenance(instance, key, version), DATA_VERSION_TAG: version},
    )


def _provenance(instance: dg.DagsterInstance, key: TrajectoryKey, version: str) -> dict[str, str]:
    """Dagster's tags of the latest materialisation of a cell, if it had the same content."""
    wanted = dg.AssetRecordsFilter(ASSET_KEY, asset_partitions=[key.partition])
    for record in instance.fetch_materializations(wanted, limit=1).records:
        event = record.asset_materialization
        tags = dict(event.tags or {}) if event else {}
        if version and tags.get(DATA_VERSION_TAG) == version:
            return {name: text for name, text in tags.items() if name.startswith("dagster/")}
    return {}
