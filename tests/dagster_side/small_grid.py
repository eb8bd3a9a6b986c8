"""A grid of two models and two benchmarks whose cells can be damaged by hand."""

import warnings

import dagster as dg

from assets.partitioned_checks import CheckIdentity, CheckReport, check_specs, run_checks
from quarry.findings import Finding

GRID = dg.MultiPartitionsDefinition(
    {
        "model": dg.StaticPartitionsDefinition(["m1", "m2"]),
        "benchmark": dg.StaticPartitionsDefinition(["gsm8k-0shot", "logiqa-0shot"]),
    }
)
CELLS: list[str] = [str(key) for key in GRID.get_partition_keys()]
FILES = dg.AssetKey("files")
INTACT = dg.AssetCheckKey(FILES, "intact")


def small_grid(damaged: set[str], backfill_policy: dg.BackfillPolicy | None = None):
    """Definitions with asset `files`, its partitioned blocking check, and what depends on it."""

    class Config(dg.Config):
        verify_only: bool = False

    @dg.asset(partitions_def=GRID, output_required=False, backfill_policy=backfill_policy)
    def files(context: dg.AssetExecutionContext, config: Config):
        if config.verify_only and context.partition_key in damaged:
            raise dg.Failure("damaged", allow_retries=False)
        yield dg.Output(1)

    @dg.asset(partitions_def=GRID, deps=[files])
    def labels() -> None:
        return None

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)

        @dg.asset_check(asset=files, blocking=True, partitions_def=GRID)
        def intact(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
            partition = context.op_execution_context.partition_key
            return dg.AssetCheckResult(passed=partition not in damaged)

    return dg.Definitions(
        assets=[files, labels],
        asset_checks=[intact],
        jobs=[
            dg.define_asset_job("verify", selection=dg.AssetSelection.checks(INTACT)),
            dg.define_asset_job(
                "mark",
                selection=dg.AssetSelection.assets(FILES).without_checks(),
                config={"ops": {"files": {"config": {"verify_only": True}}}},
            ),
        ],
    )


def check_state(instance: dg.DagsterInstance) -> dict[str, set[str]]:
    """Partitions of the check by status name."""
    state = instance.event_log_storage.get_asset_check_state([(INTACT, GRID)])[INTACT]
    return {
        status.value: set(subset.subset_value.get_partition_keys())
        for status, subset in state.subsets.items()
        if subset.subset_value.get_partition_keys()
    }


def statuses(instance: dg.DagsterInstance) -> dict[str, str]:
    """Status of every partition of `files` as backfills see it."""
    found = instance.get_status_by_partition(FILES, CELLS, GRID) or {}
    return {key: status.value for key, status in found.items() if status is not None}


def grid_with_real_runner(damaged: set[str]) -> dg.Definitions:
    """The same grid, its check run by `run_checks`, which serves runs without a partition too."""
    identity = CheckIdentity("intact", "nothing is damaged", is_blocking=True)

    def examine(partition: str) -> CheckReport:
        found = [
            Finding(
                "intact", "damaged", "a file is damaged", partition, "intact", "damaged", "mend"
            )
        ]
        return CheckReport(found if partition in damaged else [], {"size_bytes": 1}, ["intact"])

    @dg.asset(partitions_def=GRID)
    def files() -> int:
        return 1

    @dg.multi_asset_check(specs=check_specs("files", [identity], GRID), can_subset=True)
    def integrity(context: dg.AssetCheckExecutionContext):
        yield from run_checks(context, "files", [identity], examine)

    return dg.Definitions(
        assets=[files],
        asset_checks=[integrity],
        jobs=[dg.define_asset_job("verify", selection=dg.AssetSelection.checks(INTACT))],
    )
