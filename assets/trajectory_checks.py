"""Checks on trajectories: one verdict a cell and check, and one check that rolls the grid up.

Rules live in `quarry.trajectory`; here a report becomes results. One step examines a file once and
answers all selected checks, since reading a multi-gigabyte file is the cost.
"""

from collections.abc import Iterator

import dagster as dg

from assets.check_state import GridState, grid_state
from assets.partitioned_checks import CheckIdentity, CheckReport, check_specs, run_checks
from assets.partitions import Grid
from assets.specs import TRAJECTORIES
from quarry.collection import expected_file
from quarry.keys import TrajectoryKey
from quarry.trajectory.report import Report
from quarry.trajectory.verification import verify
from resources.catalog import CatalogResource
from resources.files import FilesResource

INTEGRITY_CHECKS = (
    CheckIdentity(
        "file_complete",
        "The file exists, opens, is as long as its own header and its manifest say.",
        is_blocking=True,
    ),
    CheckIdentity(
        "layout_valid",
        "Datasets, shapes, dtypes, attributes and the chunk map are as the format demands, and "
        "the file belongs to this partition.",
        is_blocking=True,
    ),
    CheckIdentity(
        "chunks_intact",
        "Every byte is what was published: digests of the file, its datasets and its samples.",
        is_blocking=True,
    ),
    CheckIdentity(
        "activations_sane",
        "Hidden states are finite, nowhere all zero inside the valid length, and start with no "
        "padding.",
        is_blocking=True,
    ),
    CheckIdentity(
        "lengths_plausible",
        "Lengths agree with prompts and outputs, are not constant and not all at the cap; no "
        "question was cut off.",
        is_blocking=True,
    ),
    CheckIdentity(
        "rows_complete",
        "Every row is a real sample: no phantom rows, no rows of errors, no duplicates.",
        is_blocking=True,
    ),
)
NAMES = tuple(check.name for check in INTEGRITY_CHECKS)
SHOWN_FACTS = ("size_bytes", "n_samples", "seconds")
"""Numbers whose trend is worth a plot on a check's page."""
ROLL_UP = "all_partitions_intact"
MOST_ROWS = 200
"""Most partitions that a table names: ten thousand rows are no table, and the UI draws all."""


def build_trajectory_checks(grid: Grid) -> list[dg.AssetChecksDefinition]:
    """The partitioned integrity checks and their roll-up."""
    return [_trajectory_integrity(grid), _all_partitions_intact(grid)]


def _trajectory_integrity(grid: Grid) -> dg.AssetChecksDefinition:
    """The partitioned integrity checks, one step for all."""

    @dg.multi_asset_check(
        name="trajectory_integrity",
        specs=check_specs(TRAJECTORIES.name, INTEGRITY_CHECKS, grid.cells),
        can_subset=True,
    )
    def trajectory_integrity(
        context: dg.AssetCheckExecutionContext, catalog: CatalogResource, files: FilesResource
    ) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
        entries, directory = catalog.load(), files.open()

        def examine(partition: str) -> CheckReport:
            key = TrajectoryKey.from_partition(partition)
            expected = expected_file(entries, key)
            return check_report(verify(directory.trajectory(key), level="full", expected=expected))

        yield from run_checks(context, TRAJECTORIES.name, INTEGRITY_CHECKS, examine)

    return trajectory_integrity


def check_report(report: Report) -> CheckReport:
    """The verification of a file, for its checks."""
    facts = {name: report.facts[name] for name in SHOWN_FACTS if name in report.facts}
    return CheckReport(report.findings, facts, report.checks_run)


def _all_partitions_intact(grid: Grid) -> dg.AssetChecksDefinition:
    """The roll-up."""

    @dg.asset_check(
        asset=TRAJECTORIES.name,
        name=ROLL_UP,
        description="Every materialised partition passes every integrity check. Turns the node "
        "red when one cell of the grid is bad: the asset's own health shows the last check only.",
    )
    def all_partitions_intact(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        state = grid_state(context.instance, TRAJECTORIES.name, NAMES, grid.cells)
        collected = context.instance.get_materialized_partitions(dg.AssetKey(TRAJECTORIES.name))
        return dg.AssetCheckResult(
            passed=state.is_intact,
            description=_summary(state, len(collected)),
            metadata={
                "collected_partitions": len(collected),
                "failed_partitions": len(state.failed),
                "unverified_partitions": len(state.unverified),
                **({} if state.is_intact else {"partitions": _table(state)}),
            },
        )

    return all_partitions_intact


def _summary(state: GridState, collected: int) -> str:
    """How the grid stands, and what to do, in a sentence."""
    if state.failed:
        return (
            f"{_partitions(len(state.failed))} damaged or missing: backfill failed and missing "
            "partitions"
        )
    if state.unverified:
        return f"{_partitions(len(state.unverified))} not verified: run the checks"
    return f"All {collected} collected partitions pass every integrity check"


def _partitions(count: int) -> str:
    """A number of partitions as the subject of a sentence."""
    return "1 partition is" if count == 1 else f"{count} partitions are"


def _table(state: GridState) -> dg.TableMetadataValue:
    """One row for each partition that needs attention, of the first of them."""
    rows = [
        dg.TableRecord({"partition": partition, "state": name, "checks": ", ".join(checks)})
        for name, partitions in (("failed", state.failed), ("unverified", state.unverified))
        for partition, checks in partitions.items()
    ]
    return dg.MetadataValue.table(
        records=rows[:MOST_ROWS],
        schema=dg.TableSchema(
            columns=[dg.TableColumn(name, "string") for name in ("partition", "state", "checks")]
        ),
    )
