"""What the asset pages show: numbers that Dagster draws as trends, tables, and plots."""

from collections import Counter
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from quarry.catalog import Thresholds
from quarry.costs.facts import usage_facts
from quarry.evidence import parsed
from quarry.grading.label_checks import balance_facts
from quarry.grading.verdict import Verdict
from quarry.inference.engine import Usage
from quarry.keys import TrajectoryKey
from quarry.trajectory.labelled_view import StagedView
from quarry.trajectory.staging import StagedFile
from quarry.trajectory.summary import summarise

SAMPLES_COLLECTED = "samples_collected"
"""Name of the number of samples that a run made anew."""


def trajectory_metadata(
    key: TrajectoryKey, staged: StagedFile, max_new_tokens: int
) -> dict[str, Any]:
    """Sizes, lengths, norms and costs of a file, with a histogram and a norm plot."""
    from quarry.plots.activation_norms import activation_norms
    from quarry.plots.canvas import as_markdown
    from quarry.plots.length_histogram import length_histogram

    summary = summarise(staged.path)
    lengths = length_histogram(
        summary.prompt_lengths,
        summary.output_lengths,
        title=f"{key}: lengths",
        max_new_tokens=max_new_tokens,
    )
    norms = activation_norms(summary.norms, layers=summary.layers, title=f"{key}: activations")
    return {
        SAMPLES_COLLECTED: staged.manifest.n_samples - staged.n_kept,
        "samples_kept": staged.n_kept,
        "tokens": summary.n_tokens,
        "mean_prompt_tokens": rounded(float(summary.prompt_lengths.mean())),
        "mean_output_tokens": rounded(float(summary.output_lengths.mean())),
        "outputs_at_limit": summary.n_capped,
        "layers": ", ".join(str(layer) for layer in summary.layers),
        "lengths": dg.MetadataValue.md(as_markdown(lengths, "prompt and output lengths")),
        "activation_norms": dg.MetadataValue.md(as_markdown(norms, "norm by layer and position")),
        "state_bytes": summary.state_bytes,
        **_usage(staged.usage),
    }


def label_metadata(
    key: TrajectoryKey, labels: pd.DataFrame, thresholds: Thresholds
) -> dict[str, Any]:
    """Counts by verdict, the correct rate with its interval, some rows, and the balance plot."""
    from quarry.plots.canvas import as_markdown
    from quarry.plots.class_balance import class_balance

    plot = class_balance(labels["verdict"], title=str(key), thresholds=thresholds)
    counts = Counter(labels["verdict"].tolist())
    return {
        **{name: rounded(value) for name, value in balance_facts(labels, thresholds).items()},
        **{verdict.value: counts[verdict.value] for verdict in Verdict},
        **_how_graded(labels),
        "grader_version": str(labels["grader_version"].iloc[0]) if len(labels) else "",
        "balance": dg.MetadataValue.md(as_markdown(plot, "samples by verdict")),
        "first_rows": _rows(labels.head(10)),
    }


def view_metadata(view: StagedView, path: Path) -> dict[str, Any]:
    """What a view holds, and where it is published."""
    return {
        "correct": view.n_correct,
        "not_graded": view.n_not_graded,
        "size_bytes": view.size_bytes,
        "dagster/row_count": view.n_samples,
        "path": dg.MetadataValue.path(str(path)),
    }


def table_metadata(path: Path, table: pd.DataFrame) -> dict[str, Any]:
    """Where a table is published, and its size."""
    return {
        "path": dg.MetadataValue.path(str(path)),
        "size_bytes": path.stat().st_size,
        "dagster/row_count": len(table),
    }


def rounded(value: Any) -> Any:
    """A number with six digits that count; anything else as it is."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _usage(usage: Usage | None) -> dict[str, Any]:
    """What the engine did, and what did not go as asked."""
    if usage is None:
        return {}
    remarks = dg.MetadataValue.md("".join(f"- {remark}\n" for remark in usage.remarks))
    facts = {name: rounded(value) for name, value in usage_facts(usage).items()}
    return {**facts, **({"engine_remarks": remarks} if usage.remarks else {})}


def _how_graded(labels: pd.DataFrame) -> dict[str, Any]:
    """What the published grader says where it was asked, and how programs were shut in."""
    shown: dict[str, Any] = {}
    if "is_officially_correct" in labels.columns:
        official = [one for one in labels["is_officially_correct"].tolist() if not pd.isna(one)]
        if official:
            shown["official_correct_rate"] = rounded(sum(map(bool, official)) / len(official))
            shown["officially_graded"] = len(official)
    layers = Counter(str(parsed(text).get("layer")) for text in labels["evidence"])
    layers.pop("None", None)
    if layers:
        named = (f"{layer}: {count} programs" for layer, count in sorted(layers.items()))
        shown["sandbox_layers"] = ", ".join(named)
    return shown


def _rows(labels: pd.DataFrame) -> dg.TableMetadataValue:
    """Some labels as a table."""
    columns = ("sample_id", "verdict", "extracted", "target")
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord(dict(zip(columns, (str(value)[:80] for value in row), strict=True)))
            for row in labels[list(columns)].itertuples(index=False, name=None)
        ],
        schema=dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in columns]),
    )
