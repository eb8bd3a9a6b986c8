"""What the asset pages show: numbers that Dagster draws as trends, tables, and plots."""

from collections import Counter
from typing import Any

import dagster as dg
import pandas as pd

from quarry.catalog import Thresholds
from quarry.grading.verdict import Verdict
from quarry.keys import TrajectoryKey
from quarry.trajectory.staging import StagedFile
from quarry.trajectory.summary import summarise

SAMPLES_COLLECTED = "samples_collected"
"""Name of the number of samples that a run made anew."""


def trajectory_metadata(
    key: TrajectoryKey, staged: StagedFile, max_new_tokens: int
) -> dict[str, Any]:
    """Sizes, lengths and norms of a file, with a histogram and a norm plot."""
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
        "mean_prompt_tokens": float(summary.prompt_lengths.mean()),
        "mean_output_tokens": float(summary.output_lengths.mean()),
        "outputs_at_limit": summary.n_capped,
        "state_bytes": summary.state_bytes,
        "layers": dg.MetadataValue.json([int(layer) for layer in summary.layers]),
        "lengths": dg.MetadataValue.md(as_markdown(lengths, "prompt and output lengths")),
        "activation_norms": dg.MetadataValue.md(as_markdown(norms, "norm by layer and position")),
    }


def label_metadata(
    key: TrajectoryKey, labels: pd.DataFrame, thresholds: Thresholds
) -> dict[str, Any]:
    """Counts by verdict, the correct rate, some rows to look at, and the balance plot."""
    from quarry.plots.canvas import as_markdown
    from quarry.plots.class_balance import class_balance

    plot = class_balance(labels["verdict"], title=str(key), thresholds=thresholds)
    counts = Counter(labels["verdict"].tolist())
    return {
        "correct_rate": float(labels["is_correct"].to_numpy(dtype=float).mean())
        if len(labels)
        else 0.0,
        **{verdict.value: counts[verdict.value] for verdict in Verdict},
        "grader_version": str(labels["grader_version"].iloc[0]) if len(labels) else "",
        "balance": dg.MetadataValue.md(as_markdown(plot, "samples by verdict")),
        "first_rows": _rows(labels.head(10)),
    }


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
