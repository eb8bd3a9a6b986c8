"""What a relabelling moved: the asset of changed labels, its page and its check."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd

from assets.partitioned_checks import CheckIdentity, CheckReport, check_specs, run_checks
from assets.partitions import Grid, cell_of
from assets.specs import LABEL_CHANGES
from quarry.audit.tables import markdown_table
from quarry.data_directory import DataDirectory
from quarry.keys import TrajectoryKey
from quarry.label_changes import (
    FEW_MOVED,
    FLOOD_SHARE,
    Comparison,
    check_few_moved,
    comparison_of,
)
from quarry.relabelling import changes_of
from quarry.tables import content_digest, read_table
from resources.failures import permanent_failures
from resources.files import FilesResource

CHANGE_CHECKS = (
    CheckIdentity(
        FEW_MOVED,
        f"A new grader version moved at most {FLOOD_SHARE:.0%} of the verdicts of this cell's "
        "outputs. A warning: a correction may move many, but somebody should have read some.",
    ),
)
MOST_SHOWN = 10
_SHOWN = ("sample_id", "verdict_before", "verdict_after", "extracted_before", "extracted_after",
          "rule_before", "rule_after", "completion_piece")  # fmt: skip
_SHOWN_CHARACTERS = 120


def build_label_changes(grid: Grid) -> dg.AssetsDefinition:
    """The asset of changed labels, one partition a cell of the grid."""

    @LABEL_CHANGES.asset(partitions_def=grid.cells, deps=["correctness_labels", "trajectories"])
    @permanent_failures()
    def label_changes(
        context: dg.AssetExecutionContext, files: FilesResource
    ) -> dg.Output[pd.DataFrame]:
        changes = changes_of(files.open(), cell_of(context))
        context.log.info(comparison_of(changes).sentence())
        return dg.Output(
            changes,
            data_version=dg.DataVersion(content_digest(changes)),
            metadata=changes_metadata(changes),
        )

    return label_changes


def build_change_checks(grid: Grid) -> list[dg.AssetChecksDefinition]:
    """The partitioned check of changed labels."""

    @dg.multi_asset_check(
        name="label_moves", specs=check_specs(LABEL_CHANGES.name, CHANGE_CHECKS, grid.cells)
    )
    def label_moves(
        context: dg.AssetCheckExecutionContext, files: FilesResource
    ) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
        directory = files.open()

        def examine(partition: str) -> CheckReport:
            return examined_changes(directory, TrajectoryKey.from_partition(partition))

        yield from run_checks(context, LABEL_CHANGES.name, CHANGE_CHECKS, examine)

    return [label_moves]


def examined_changes(directory: DataDirectory, key: TrajectoryKey) -> CheckReport:
    """What the check finds in a cell's published changes."""
    path = directory.changes(key)
    changes = read_table(path)
    facts = {"summary": comparison_of(changes).sentence()}
    return CheckReport(check_few_moved(changes, path), facts, [FEW_MOVED])


def changes_metadata(changes: pd.DataFrame) -> dict[str, Any]:
    """What happened in words, counts, the moves from verdict to verdict, and the first changes."""
    figures = comparison_of(changes)
    shown: dict[str, Any] = {"summary": figures.sentence()}
    if figures.obstacle:
        return shown
    return shown | {
        "rows_compared": figures.n_rows,
        "verdicts_moved": figures.n_verdicts_moved,
        "answers_moved": figures.n_answers_moved,
        "grader_versions": f"{figures.version_before} to {figures.version_after}",
        "correct_rate_before": _share(figures.n_correct_before, figures.n_rows),
        "correct_rate_after": _share(figures.n_correct_after, figures.n_rows),
        "moves": dg.MetadataValue.md(moves_table(figures)),
        **({"first_changes": _first_rows(changes)} if len(changes) else {}),
    }


def moves_table(figures: Comparison) -> str:
    """Verdicts before in rows, verdicts after in columns, as a Markdown table."""
    pairs = {tuple(name.split(">")): count for name, count in figures.moves.items()}
    before, after = (sorted({pair[side] for pair in pairs}) for side in (0, 1))
    rows = [[f"**{old}**", *(str(pairs.get((old, new), 0)) for new in after)] for old in before]
    return markdown_table(["before / after", *after], rows)


def _share(count: int, total: int) -> float:
    """A share as a float, which Dagster draws as a trend."""
    return count / total if total else 0.0


def _first_rows(changes: pd.DataFrame) -> dg.TableMetadataValue:
    """The first changes as a table."""
    records = [
        dg.TableRecord(
            {
                name: "" if pd.isna(value) else str(value)[:_SHOWN_CHARACTERS]
                for name, value in zip(_SHOWN, row, strict=True)
            }
        )
        for row in changes.head(MOST_SHOWN)[list(_SHOWN)].itertuples(index=False, name=None)
    ]
    columns = [dg.TableColumn(name, "string") for name in _SHOWN]
    return dg.MetadataValue.table(records=records, schema=dg.TableSchema(columns=columns))
