"""The check of second copies: each is there, and is the file that lies here."""

from collections.abc import Iterator

import dagster as dg

from assets.partitioned_checks import CheckIdentity, CheckReport, check_specs, run_checks
from assets.partitions import Grid
from assets.specs import REMOTE_TRAJECTORIES, TRAJECTORIES
from quarry.data_directory import DataDirectory
from quarry.keys import TrajectoryKey
from quarry.storage.inventory import REMOTE_COPY_MATCHES
from quarry.storage.keeping import examine_copy
from quarry.storage.remote_findings import LookLevel
from quarry.trajectory.report import Expected
from resources.failures import permanent_failures
from resources.files import FilesResource
from resources.store import ObjectStoreResource

REMOTE_CHECKS = (
    CheckIdentity(
        REMOTE_COPY_MATCHES,
        "The object store has the very file that lies here: size, digest and first bytes. Reads "
        "2 KiB; with `level: full` every byte of the copy, to find bit rot in the store.",
    ),
)


PREFIX = "trajectories/"


class RemoteCheckConfig(dg.Config):
    """How deep copies are examined: `full` fetches every byte, `light` 2 KiB."""

    level: LookLevel = "light"


def build_remote_checks(grid: Grid) -> list[dg.AssetChecksDefinition]:
    """The partitioned check of second copies."""

    @dg.multi_asset_check(
        name="remote_integrity",
        specs=check_specs(REMOTE_TRAJECTORIES.name, REMOTE_CHECKS, grid.cells),
        can_subset=True,
    )
    def remote_integrity(
        context: dg.AssetCheckExecutionContext,
        config: RemoteCheckConfig,
        files: FilesResource,
        store: ObjectStoreResource,
    ) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
        directory = files.open()
        with permanent_failures():
            _require_place(store)

        def examine(partition: str) -> CheckReport:
            return examined_copy(directory, store, partition, config.level)

        with permanent_failures():
            yield from run_checks(context, REMOTE_TRAJECTORIES.name, REMOTE_CHECKS, examine)

    return [remote_integrity]


def examined_copy(
    directory: DataDirectory,
    store: ObjectStoreResource,
    partition: str,
    level: LookLevel = "light",
) -> CheckReport:
    """What is found of the second copy of a cell's file.

    Raises:
        StorageError: the store can't be asked.
    """
    copies, expected = store.open(), Expected.of_key(TrajectoryKey.from_partition(partition))
    name = directory.object_name(TRAJECTORIES.name, partition)
    path = directory.path_of(TRAJECTORIES.name, partition)
    found = examine_copy(path, name, copies, store.ledger(), level=level, expected=expected)
    return CheckReport(found, {"object": f"{copies}/{name}"}, [REMOTE_COPY_MATCHES])


def _require_place(store: ObjectStoreResource) -> None:
    """Refuse a store that has nothing at all where it had copies: a directory not mounted.

    Said once and first, since what is found missing is withdrawn from the ledger, and with it the
    proof that there was anything.

    Raises:
        StorageError: it is empty, or can't be asked.
    """
    copies = store.open()
    is_empty = next(iter(copies.objects(PREFIX)), None) is None
    store.ledger().require_same_place(copies, PREFIX, is_empty=is_empty)
