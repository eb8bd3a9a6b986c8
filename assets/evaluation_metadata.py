"""What the pages of sampled completions, decisions and evaluation sets show."""

from typing import Any

import dagster as dg
import pandas as pd

from quarry.equivalence.completions import GradedCompletions
from quarry.evaluation_sets.building import EvalSet
from quarry.evaluation_sets.counts import count_graded
from quarry.evaluation_sets.page import counts_table, distinct_table
from quarry.inference.leased_engine import LeasedEngine
from quarry.sampling.publication import SampledCompletions


def sampled_metadata(sampled: SampledCompletions, engine: LeasedEngine) -> dict[str, Any]:
    """How many generations and distinct completions there are, and what they took."""
    usage, distinct = engine.usage, sampled.n_distinct()
    return {
        "prompts": len(sampled.prompts),
        "generations": sampled.n * len(sampled.prompts),
        "generations_made": usage.completions,
        "distinct": sum(distinct.values()),
        "most_distinct_of_a_prompt": max(distinct.values(), default=0),
        "method": dg.MetadataValue.json(sampled.method),
        "run_s": round(usage.run_s, 1),
        "gpu_hours": usage.gpu_hours,
        "peak_memory_bytes": usage.peak_memory_bytes,
        **engine.facts,
    }


def graded_metadata(name: str, graded: GradedCompletions) -> dict[str, Any]:
    """Counts, what they cost, every distinct completion with its verdict, rates as a plot."""
    from quarry.plots.canvas import as_markdown
    from quarry.plots.equivalence import equivalence_by_prompt

    usage = graded.usage
    plot = equivalence_by_prompt(graded.frame, title=name)
    return {
        **_counts(graded.frame),
        "by_rules": usage.by_rules,
        "from_cache": usage.from_cache,
        "calls": usage.calls,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "usd": usage.usd,
        "canaries_right": sum(one.is_right for one in graded.canaries),
        "canaries": len(graded.canaries),
        "by_prompt": dg.MetadataValue.md(as_markdown(plot, "equivalence by prompt")),
        "completions": dg.MetadataValue.md(distinct_table(graded.frame)),
    }


def set_metadata(name: str, made: EvalSet, graded: pd.DataFrame) -> dict[str, Any]:
    """Counts, the rate with its interval, the description, and how the set is loaded."""
    from quarry.plots.canvas import as_markdown
    from quarry.plots.equivalence import equivalence_by_prompt

    plot = equivalence_by_prompt(graded, title=name)
    return {
        "items": made.n_rows,
        **_counts(graded),
        "by_prompt": dg.MetadataValue.md(as_markdown(plot, "equivalence by prompt")),
        "description": dg.MetadataValue.json(made.description.as_dict()),
        "load": dg.MetadataValue.md(
            # a path would make the line longer than the page is wide, and hide the columns above
            "```python\nimport quarry\n\ndataset = quarry.load_eval_dataset(path)  # as below\n```"
        ),
    }


def _counts(graded: pd.DataFrame) -> dict[str, Any]:
    """Counts as trends, and as a table."""
    counts = count_graded(graded)
    rate = counts.rate
    return {
        "distinct": counts.distinct,
        "equivalent": counts.equivalent,
        "ungraded": counts.ungraded,
        "prompts_covered": counts.prompts_covered,
        **({"equivalence_rate": round(rate.rate, 4)} if rate else {}),
        "counts": dg.MetadataValue.md(counts_table(counts)),
    }
