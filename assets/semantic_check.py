"""The check `semantic`: a few rows of each file are run through their model again and compared.

It loads a model, so it is in no job but its own, and where a run makes trajectories, it is passed
over: the file was made by the very model a moment ago. What is compared is in `quarry.semantic`.
"""

from collections.abc import Iterator
from functools import partial

import dagster as dg

from assets.partitioned_checks import CheckIdentity, CheckReport, check_specs, run_checks
from assets.partitions import Grid
from assets.specs import TRAJECTORIES
from quarry.inference.engine import InferenceEngine
from quarry.inference.engine_in_turn import EngineInTurn
from quarry.keys import TrajectoryKey
from quarry.semantic.checking import DEFAULT_ROWS, SemanticReport, examine_states
from quarry.semantic.verdicts import record_verdict
from quarry.semantic.wording import SEMANTIC
from resources.catalog import CatalogResource
from resources.engines import EngineResource
from resources.failures import permanent_failures
from resources.files import FilesResource

SEMANTIC_OP = "trajectory_semantics"
SEMANTIC_CHECKS = (
    CheckIdentity(
        SEMANTIC,
        "A few rows, run through the model again, give the stored hidden states: right layer, "
        "right position, right sample, right weights. The only check that finds a wrong file "
        "whose bytes are intact. Loads the model (with transformers, whatever made the file); job "
        "`check_semantics`, or `quarry check --semantic`.",
    ),
)


class SemanticConfig(dg.Config):
    """`rows` of each file, 0 for all, are drawn by `seed`; without it each run draws others."""

    rows: int = DEFAULT_ROWS
    seed: int | None = None


def build_semantic_checks(grid: Grid) -> list[dg.AssetChecksDefinition]:
    """The partitioned check that recomputes hidden states."""

    @dg.multi_asset_check(
        name=SEMANTIC_OP,
        specs=check_specs(TRAJECTORIES.name, SEMANTIC_CHECKS, grid.cells),
        can_subset=True,
        pool=TRAJECTORIES.pool,
    )
    def trajectory_semantics(
        context: dg.AssetCheckExecutionContext,
        config: SemanticConfig,
        catalog: CatalogResource,
        engines: EngineResource,
        files: FilesResource,
    ) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
        if _makes_trajectories(context):
            context.log.info("passed over: this run makes the file; see job check_semantics")
            return
        entries, directory, seed = catalog.load(), files.open(), _seed(context, config)

        def opened(model: str) -> InferenceEngine:
            return engines.open(entries, model, directory, engine="transformers")

        with permanent_failures(), EngineInTurn(opened) as loaded:

            def examine(partition: str) -> CheckReport:
                key = TrajectoryKey.from_partition(partition)
                path, engine = directory.trajectory(key), partial(loaded.of, key.model)
                report = examine_states(path, engine, n_rows=config.rows, seed=seed)
                return _check_report(report, len(record_verdict(directory.root, report).findings))

            yield from run_checks(
                context, TRAJECTORIES.name, SEMANTIC_CHECKS, examine, order=_by_model
            )

    return [trajectory_semantics]


def _makes_trajectories(context: dg.AssetCheckExecutionContext) -> bool:
    """Whether this run makes the files, too: the UI's button runs all checks of an asset."""
    made = context.op_execution_context.job_def.asset_layer.executable_asset_keys
    return dg.AssetKey(TRAJECTORIES.name) in made


def _seed(context: dg.AssetCheckExecutionContext, config: SemanticConfig) -> int:
    """The seed that is given, else one of the run's own: in time, all rows have their turn."""
    return int(context.run.run_id[:8], 16) if config.seed is None else config.seed


def _by_model(partition: str) -> tuple[str, str]:
    """Orders cells so that each model is loaded once."""
    return TrajectoryKey.from_partition(partition).model, partition


def _check_report(report: SemanticReport, n_known: int) -> CheckReport:
    """The comparison of a file, for its check."""
    return CheckReport(report.findings, {**report.facts, "rows_ever_compared": n_known}, [SEMANTIC])
