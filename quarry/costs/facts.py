"""What an engine did for a cell as numbers with names, for a page that draws them as trends."""

from __future__ import annotations

from quarry.inference.engine import Usage


def usage_facts(usage: Usage) -> dict[str, int | float]:
    """Rates, hours and memory of one cell; no rates where nothing was run."""
    rates: dict[str, int | float] = {}
    if usage.completions and usage.run_s > 0:
        tokens = usage.prompt_tokens + usage.output_tokens
        rates = {
            "output_tokens_per_s": usage.output_tokens / usage.run_s,
            "total_tokens_per_s": tokens / usage.run_s,
            "samples_per_s": usage.completions / usage.run_s,
        }
    return {
        **rates,
        "gpu_hours": usage.gpu_hours,
        "wall_hours": (usage.start_s + usage.run_s) / 3600,
        "engine_start_s": usage.start_s,
        "peak_memory_bytes": usage.peak_memory_bytes,
    }
