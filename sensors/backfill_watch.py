"""`BackfillWatch`: how backfills go on, read from the instance."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES
from dagster._core.storage.tags import BACKFILL_ID_TAG, PARTITION_NAME_TAG

from assets.specs import TRAJECTORIES
from sensors.outcome import Outcome, reason_of_run

_OVERLAP = timedelta(seconds=5)
"""Runs are asked for again that far back, since clocks and transactions are not exact."""
_RE_READ = 200
"""Unfinished runs that a look reads by their ids; thousands may wait in the queue."""


@dataclass(frozen=True)
class Standing:
    """How backfills stand.

    Args:
        ended: cells whose run has ended since the last look, or all that is known of the others
            once it is over.
        n_done: cells that are made.
        n_failed: cells whose last run failed.
        n_running: cells with a run that has not ended.
        n_left: cells without a run.
        is_over: whether nothing will be done any more.
    """

    ended: tuple[tuple[Outcome, float], ...]
    n_done: int
    n_failed: int
    n_running: int
    n_left: int
    is_over: bool


class BackfillWatch:
    """Follows backfills in the instance, so that a web server that ends does not matter.

    Each look reads the runs that changed since the last one. When a run changed is told by its
    worker's clock, so that unfinished ones are also read by their ids, and all once it is over.

    Args:
        instance: where they are recorded.
        backfill_ids: the backfills.
        cells: partition keys of all their cells.
    """

    def __init__(
        self, instance: dg.DagsterInstance, backfill_ids: Sequence[str], cells: Collection[str]
    ) -> None:
        """Nothing is read yet."""
        self._instance, self._ids = instance, list(backfill_ids)
        self._cells = dict.fromkeys(cells)
        self._latest: dict[str, dg.RunRecord] = {}
        """By what a run makes: a cell, or else assets and partition."""
        self._unfinished: dict[str, None] = {}
        self._told: set[str] = set()
        self._seen_until: datetime | None = None

    def look(self) -> Standing:
        """How they stand now."""
        is_over = all(map(self._is_over, self._ids))  # before the runs: none comes after it
        ended = list(self._ended(is_over=is_over))
        if is_over:
            ended += [(one, 0.0) for one in self._unstarted()]
        runs = [run.dagster_run for cell in self._cells if (run := self._latest.get(cell))]
        n_done = sum(run.is_success for run in runs)
        n_failed = sum(run.is_finished and not run.is_success for run in runs)
        n_running = len(runs) - n_done - n_failed
        n_left = len(self._cells) - len(runs)
        if is_over:
            n_failed, n_left = n_failed + n_left, 0
        return Standing(tuple(ended), n_done, n_failed, n_running, n_left, is_over)

    def failures(self) -> list[Outcome]:
        """What is not made, with the reason, once it is over: what goes before, then cells."""
        before = [made for made in self._latest if made not in self._cells]
        records = [self._latest[made] for made in (*before, *self._cells) if made in self._latest]
        failed = [self._outcome(one) for one in records if not one.dagster_run.is_success]
        return [*failed, *self._unstarted()]

    def _is_over(self, backfill_id: str) -> bool:
        """Whether a backfill does nothing more; one that was deleted doesn't."""
        backfill = self._instance.get_backfill(backfill_id)
        return backfill is None or backfill.status in BULK_ACTION_TERMINAL_STATUSES

    def _ended(self, *, is_over: bool) -> Iterator[tuple[Outcome, float]]:
        """Runs that have ended since the last look, with their seconds."""
        found = {one.dagster_run.run_id: one for one in self._changed(is_over=is_over)}
        for record in sorted(found.values(), key=lambda one: one.create_timestamp):
            run = record.dagster_run
            self._keep(record)
            if run.is_finished and run.run_id not in self._told:
                self._told.add(run.run_id)
                yield self._outcome(record), (record.end_time or 0.0) - (record.start_time or 0.0)
        runs = (one.dagster_run for one in self._latest.values())
        unfinished = {run.run_id: None for run in runs if not run.is_finished}
        # those that were read longest ago stay in front
        self._unfinished = {one: None for one in self._unfinished if one in unfinished} | unfinished

    def _changed(self, *, is_over: bool) -> list[dg.RunRecord]:
        """Runs that may stand otherwise than at the last look; all once it is over."""
        since = None if is_over or not self._seen_until else self._seen_until - _OVERLAP
        wanted = dg.RunsFilter(tags={BACKFILL_ID_TAG: self._ids}, updated_after=since)
        records = list(self._instance.get_run_records(wanted))
        if records:  # a worker's clock may be ahead of this one
            latest = max(one.update_timestamp for one in records)
            self._seen_until = min(latest, datetime.now(UTC))
        if since is not None and self._unfinished:
            by_id = list(self._unfinished)[:_RE_READ]
            records += self._instance.get_run_records(dg.RunsFilter(run_ids=by_id))
            for one in by_id:  # to the end
                del self._unfinished[one]
        return records

    def _keep(self, record: dg.RunRecord) -> None:
        """Remember the latest run by what it makes: one that crashed may have been tried again."""
        made = self._made_by(record.dagster_run)
        known = self._latest.get(made)
        if known is None or known.create_timestamp <= record.create_timestamp:
            self._latest[made] = record

    def _made_by(self, run: dg.DagsterRun) -> str:
        partition = run.tags.get(PARTITION_NAME_TAG, "")
        if partition in self._cells:
            return partition
        assets = sorted(key.to_user_string() for key in run.asset_selection or ())
        return f"{', '.join(assets)} of {partition}"

    def _outcome(self, record: dg.RunRecord) -> Outcome:
        """How a run ended."""
        run = record.dagster_run
        partition = run.tags.get(PARTITION_NAME_TAG, "")
        reason = "" if run.is_success else reason_of_run(self._instance, run.run_id)
        return Outcome(partition, run.is_success, reason or run.status.value.lower(), run.run_id)

    def _unstarted(self) -> Iterator[Outcome]:
        """Cells that never had a run."""
        reason = f"not started: {TRAJECTORIES.name} needs what has failed, or it was cancelled"
        for cell in self._cells:
            if cell not in self._latest:
                yield Outcome(cell, False, reason, "")
