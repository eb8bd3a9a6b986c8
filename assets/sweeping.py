"""The job that removes what is needed no more: replaced files, unfinished uploads, temporaries."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from quarry.healing.aside import sweep_aside
from quarry.storage.object_store import UnfinishedUpload
from quarry.trajectory.staging import sweep_staging
from resources.catalog import CatalogResource
from resources.failures import permanent_failures
from resources.files import FilesResource
from resources.store import ObjectStoreResource

JOB = "sweep_leftovers"
PREFIXES = ("trajectories/", "labels/")
UPLOAD_DAYS = 7.0
"""An upload that was begun so long ago is not taken up again; it only costs space."""


def build_sweep_job() -> dg.JobDefinition:
    """The job of all leftovers."""

    @dg.op(
        name="remove_leftovers",
        pool="transfers",
        out=dg.Out(dg.Nothing),
        description="Removes damaged files that were replaced long enough ago, unless they are the "
        "only ones of their version; uploads that were never finished; and what dead processes "
        "left in staging.",
    )
    @permanent_failures()
    def sweep(
        context: dg.OpExecutionContext,
        catalog: CatalogResource,
        files: FilesResource,
        store: ObjectStoreResource,
    ) -> None:
        directory, now = files.open(), datetime.now(UTC)
        older_than = now - timedelta(days=catalog.load().heal.keep_aside_days)
        copies = store.digests() if store.is_configured else set[str]()
        swept = sweep_aside(
            directory.aside, directory.root, older_than=older_than, has_copy=copies.__contains__
        )
        sweep_staging(directory.root)
        uploads = _sweep_uploads(store, now) if store.is_configured else []
        context.log.info(
            "removed %d replaced files and %d unfinished uploads", len(swept), len(uploads)
        )
        context.add_output_metadata(
            {
                "replaced_files": ", ".join(str(one.path.name) for one in swept) or "none",
                "unfinished_uploads": ", ".join(one.name for one in uploads) or "none",
            }
        )

    @dg.job(name=JOB, description="Remove replaced files, unfinished uploads and temporaries.")
    def sweep_leftovers() -> None:
        sweep()

    return sweep_leftovers


def _sweep_uploads(store: ObjectStoreResource, now: datetime) -> list[UnfinishedUpload]:
    """Remove old unfinished uploads of our own; a bucket may be shared with other programs."""
    older_than, copies = now - timedelta(days=UPLOAD_DAYS), store.open()
    return [one for prefix in PREFIXES for one in copies.sweep_unfinished(older_than, prefix)]
