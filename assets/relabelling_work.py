"""Doing what is due of every cell, in one step: publish, record, check, copy.

What is due is decided in `relabelling_plan`.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from assets.label_changes import CHANGE_CHECKS, changes_metadata, examined_changes
from assets.label_checks import CURRENT, LABEL_CHECKS, examined_currency, examined_quality
from assets.metadata import label_metadata, table_metadata, view_metadata
from assets.partitioned_checks import verdicts_of_partition
from assets.recording import CellRecord
from assets.relabelling_plan import CellPlan
from assets.remote_metadata import copy_metadata
from assets.specs import CORRECTNESS_LABELS, LABEL_CHANGES, LABELLED_TRAJECTORIES, REMOTE_LABELS
from quarry.catalog import Thresholds
from quarry.data_directory import DataDirectory
from quarry.errors import READ_ERRORS, StorageError
from quarry.keys import TrajectoryKey
from quarry.label_history import labels_digest
from quarry.progress import ProgressLog
from quarry.relabelling import publish_views, regrade
from quarry.sandbox.limits import Limits
from quarry.storage.keeping import keep_copy
from quarry.tables import content_digest, read_table
from resources.store import ObjectStoreResource

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation


class GridRelabelling:
    """The work of one run; a cell that fails does not stop the others.

    Args:
        context: of the step; its instance knows what is recorded.
        directory: where the files lie.
        thresholds: of the checks.
        limits: of graded programs.
        store: where second copies go; None for nowhere.
    """

    def __init__(
        self,
        context: dg.OpExecutionContext,
        directory: DataDirectory,
        thresholds: Thresholds,
        limits: Limits,
        store: ObjectStoreResource | None,
    ) -> None:
        """Nothing is done yet."""
        self._context = context
        self._directory = directory
        self._thresholds = thresholds
        self._limits = limits
        self._store = store
        self._outage: StorageError | None = None
        self._failed: dict[str, str] = {}

    def do(self, plans: Sequence[CellPlan]) -> Iterator[Event]:
        """Do what is due; yields what is to be recorded, as soon as it is published."""
        log, due = self._context.log.info, [plan for plan in plans if plan.steps]
        for plan in plans:
            log(f"{plan.partition}: {plan.sentence()}")
        self._failed = {
            plan.partition: "; ".join(plan.reasons) for plan in plans if plan.is_blocked
        }
        progress = ProgressLog(log, len(due), "cells", every_s=0.0)
        for number, plan in enumerate(due, start=1):
            try:
                yield from self._cell(plan)
            except READ_ERRORS as error:
                self._failed[plan.partition] = str(error)
                self._context.log.exception("%s could not be relabelled", plan.partition)
            progress.update(number)

    def raise_if_failed(self) -> None:
        """End the run as failed, after everything else was done.

        Raises:
            Failure: a cell failed, or has to be mended before; a retry would meet the same.
        """
        if not self._failed:
            return
        cell, reason = next(iter(self._failed.items()))
        raise dg.Failure(
            f"{len(self._failed)} cells could not be relabelled; {cell}: {reason}",
            metadata={name: dg.MetadataValue.text(text) for name, text in self._failed.items()},
            allow_retries=False,
        )

    def _cell(self, plan: CellPlan) -> Iterator[Event]:
        """All steps of one cell."""
        if "grade" in plan.steps:
            regrade(self._directory, plan.key, self._limits, log=self._context.log.info)
        if "record" in plan.steps:
            yield from self._published(plan.key)
        if "check" in plan.steps:
            yield from self._verdicts(plan.key)
        if "copy" in plan.steps:
            yield from self._copied(plan.key)

    def _published(self, key: TrajectoryKey) -> Iterator[Event]:
        """Labels, view and changes, each recorded after what it is made from."""
        directory = self._directory
        path, labels = directory.labels(key), read_table(directory.labels(key))
        version = labels_digest(labels)
        facts = label_metadata(key, labels, self._thresholds) | table_metadata(path, labels)
        yield self._event(CellRecord(CORRECTNESS_LABELS, key, version), facts)
        made = publish_views(directory, key, labels)
        version, facts = made.view.content_digest, view_metadata(made.view, directory.labelled(key))
        yield self._event(CellRecord(LABELLED_TRAJECTORIES, key, version), facts)
        path, changes = directory.changes(key), made.changes
        facts = changes_metadata(changes) | table_metadata(path, changes)
        yield self._event(CellRecord(LABEL_CHANGES, key, content_digest(changes)), facts)

    def _verdicts(self, key: TrajectoryKey) -> Iterator[Event]:
        """Verdicts of every check on what was recorded."""
        directory, labels = self._directory, CORRECTNESS_LABELS.name
        quality = examined_quality(directory, key, self._thresholds, self._limits)
        for asset, checks, report in (
            (labels, LABEL_CHECKS, quality),
            (labels, (CURRENT,), examined_currency(directory, key)),
            (LABEL_CHANGES.name, CHANGE_CHECKS, examined_changes(directory, key)),
        ):
            yield from verdicts_of_partition(
                self._context.instance, asset, checks, key.partition, report
            )

    def _copied(self, key: TrajectoryKey) -> Iterator[Event]:
        """The second copy of the labels; after an outage no further one is tried.

        Raises:
            StorageError: the store failed, here or before.
        """
        if self._store is None:
            return
        if self._outage is not None:
            raise self._outage
        path = self._directory.labels(key)
        try:
            kept = keep_copy(path, str(key.labels_path), self._store.open(), self._store.ledger())
        except StorageError as error:
            self._outage = error
            raise
        yield self._event(CellRecord(REMOTE_LABELS, key, kept.entry.blake3), copy_metadata(kept))

    def _event(self, record: CellRecord, facts: dict[str, object]) -> dg.AssetMaterialization:
        return record.materialization(self._context.instance, facts)
