"""What the pages of necessity tests and of stratified datasets show."""

import json
from typing import Any

import dagster as dg
import pandas as pd

from assets.metadata import rounded
from quarry.audit.tables import markdown_table
from quarry.necessity.shard import ShardResults
from quarry.necessity.summary import HEADER, summarise_necessity
from quarry.selection.stratification import Stratified

_SHOWN_ROWS = 10


def pool_metadata(pool: pd.DataFrame) -> dict[str, Any]:
    """How many candidates of each source and difficulty there are."""
    counts = pd.crosstab(pool["source"], pool["difficulty"], margins=True, margins_name="all")
    rows = [[str(name), *map(str, counts.loc[name])] for name in counts.index]
    table = markdown_table(["source", *map(str, counts.columns)], rows)
    return {
        "problems": len(pool),
        "shards": pool["shard"].nunique(),
        "by_difficulty": dg.MetadataValue.md(table),
    }


def shard_metadata(shard: ShardResults, work: dict[str, Any]) -> dict[str, Any]:
    """What came of a shard, and what it took."""
    n_made = len(shard.rows) - shard.n_kept
    return {
        "problems_made": n_made,
        "problems_kept": shard.n_kept,
        **_summary(f"{n_made} problems", shard.frame()),
        **work,
    }


def results_metadata(model: str, results: pd.DataFrame) -> dict[str, Any]:
    """Rates by source and by difficulty, with a plot."""
    from quarry.plots.canvas import as_markdown
    from quarry.plots.necessity import necessity_by_difficulty

    summary = summarise_necessity(results)
    plot = necessity_by_difficulty(summary, title=f"{model}: chain of thought")
    return {
        **_summary(model, results),
        "method": dg.MetadataValue.json(json.loads(str(results["method"].iloc[0]))),
        "by_difficulty": dg.MetadataValue.md(as_markdown(plot, "necessity by difficulty")),
    }


def dataset_metadata(target: str, chosen: Stratified) -> dict[str, Any]:
    """Each target against what came of it, rates by source, a plot, and some rows."""
    from quarry.plots.canvas import as_markdown
    from quarry.plots.strata import strata_plot
    from quarry.selection.report_text import report_markdown

    report = chosen.report
    return {
        "items": report.n_items,
        "existing": sum(one.existing for one in report.strata),
        "shortage": report.shortage,
        "buffer": sum(one.buffer for one in report.strata),
        "seed": report.seed,
        "plan": dg.MetadataValue.md(report_markdown(report)),
        "strata": dg.MetadataValue.md(as_markdown(strata_plot(report, title=target), "strata")),
        "first_rows": _first_rows(chosen.rows),
    }


def _first_rows(rows: pd.DataFrame) -> dg.TableMetadataValue:
    """Some problems as a table, their texts cut."""
    columns = ("gsm8k_id", "difficulty", "answer", "is_existing", "question")
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord(dict(zip(columns, (str(value)[:90] for value in row), strict=True)))
            for row in rows.head(_SHOWN_ROWS)[list(columns)].itertuples(index=False, name=None)
        ],
        schema=dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in columns]),
    )


def _summary(name: str, results: pd.DataFrame) -> dict[str, Any]:
    """Counts as trends, and as a table."""
    summary = summarise_necessity(results)
    table = markdown_table(HEADER, [list(row) for row in summary.rows()])
    facts = {name: rounded(value) for name, value in summary.facts().items()}
    return {**facts, "necessity": dg.MetadataValue.md(table)}
