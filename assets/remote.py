"""Second copies of published files in the object store, and what the store holds altogether."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from assets.heal_outcome import record_moved, recorded_outcome
from assets.identity import AssetIdentity
from assets.partitions import Grid, cell_of
from assets.remote_metadata import copy_metadata, inventory_metadata
from assets.specs import (
    CORRECTNESS_LABELS,
    REMOTE_LABELS,
    REMOTE_TRAJECTORIES,
    STORED_OBJECTS,
    TRAJECTORIES,
)
from quarry.collection import expected_file
from quarry.storage.inventory import take_inventory
from quarry.storage.keeping import keep_copy
from quarry.storage.reconciliation import reconcile
from quarry.transfer_log import TransferLog
from resources.catalog import CatalogResource
from resources.failures import permanent_failures
from resources.files import FilesResource
from resources.store import ObjectStoreResource


class CopyConfig(dg.Config):
    """`again` stores a new version although the store claims to have these bytes."""

    again: bool = False


def build_remote_copies(grid: Grid) -> list[dg.AssetsDefinition]:
    """The assets of second copies, one partition a cell of the grid."""
    return [
        _remote_copies(REMOTE_TRAJECTORIES, TRAJECTORIES, grid),
        _remote_copies(REMOTE_LABELS, CORRECTNESS_LABELS, grid),
    ]


def _remote_copies(
    identity: AssetIdentity, original: AssetIdentity, grid: Grid
) -> dg.AssetsDefinition:
    """The second copies of one asset's files."""

    @identity.asset(partitions_def=grid.cells, deps=[original.name], output_required=False)
    def remote_copies(
        context: dg.AssetExecutionContext,
        config: CopyConfig,
        catalog: CatalogResource,
        files: FilesResource,
        store: ObjectStoreResource,
    ) -> Iterator[dg.MaterializeResult]:
        directory, partition = files.open(), context.partition_key
        is_trajectory = original.name == TRAJECTORIES.name
        if not is_trajectory and not directory.path_of(original.name, partition).exists():
            context.log.info("%s has no labels yet, so there is nothing to copy", partition)
            return
        expected = expected_file(catalog.load(), cell_of(context)) if is_trajectory else None
        with permanent_failures(), recorded_outcome(context):
            kept = keep_copy(
                directory.path_of(original.name, partition),
                directory.object_name(original.name, partition),
                store.open(),
                store.ledger(),
                again=config.again,
                expected=expected,
                progress=TransferLog(context.log.info, "upload"),
            )
        record_moved(context, identity.name, kept.bytes_sent)
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(kept.entry.blake3), metadata=copy_metadata(kept)
        )

    return remote_copies


def build_stored_objects() -> dg.AssetsDefinition:
    """The observable source asset of the store."""

    @_observable()
    def stored_objects(
        context: dg.AssetExecutionContext,
        catalog: CatalogResource,
        files: FilesResource,
        store: ObjectStoreResource,
    ) -> Iterator[dg.ObserveResult]:
        with permanent_failures():
            names = files.open().files_by_object(catalog.load().cells())
            copies, ledger = store.open(), store.ledger()
            settled = reconcile(names, copies, ledger)
            inventory = take_inventory(names, copies, ledger=ledger)
        yield dg.ObserveResult(
            asset_key=STORED_OBJECTS.name,
            data_version=dg.DataVersion(inventory.digest),
            metadata=inventory_metadata(inventory, settled),
        )

    return stored_objects


def _observable() -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """The decorator of `stored_objects`; `dg.observable_source_asset` takes no owners."""
    spec = dg.AssetSpec(
        STORED_OBJECTS.name,
        group_name=STORED_OBJECTS.group,
        description=STORED_OBJECTS.description,
        kinds=set(STORED_OBJECTS.kinds),
        tags=STORED_OBJECTS.tags,
        code_version=STORED_OBJECTS.code_version,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # dagster 1.13 calls it beta
        return dg.multi_observable_source_asset(specs=[spec], name=STORED_OBJECTS.name)
