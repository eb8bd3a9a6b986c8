"""Evaluation sets side by side: a line each, from the descriptions that lie with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from quarry.data_directory import DataDirectory
from quarry.errors import QuarryError
from quarry.evaluation_sets.description import SetDescription, read_description
from quarry.evaluation_sets.schema import DESCRIPTION_FILE
from quarry.sampling.keys import SampledKey

HEADER = ("Set", "Rows", "Prompts", "Generations", "Graded", "Equivalent", "Rate", "Ungraded")


def read_descriptions(
    files: DataDirectory, keys: Iterable[SampledKey]
) -> dict[str, SetDescription]:
    """The descriptions of the sets that are there and can be read, by partition."""
    found: dict[str, SetDescription] = {}
    for key in keys:
        path = files.root / key.set_path / DESCRIPTION_FILE
        if not path.is_file():
            continue
        try:
            found[key.partition] = read_description(path)
        except QuarryError:  # its checks say what is wrong with it
            continue
    return found


def rate_rows(sets: dict[str, SetDescription]) -> list[Sequence[str]]:
    """A line a set, under `HEADER`."""
    rows: list[Sequence[str]] = []
    for name, one in sets.items():
        counts, rate = one.counts, one.counts.rate
        rows.append(
            (
                name,
                str(one.n_rows),
                f"{counts.prompts_covered}/{counts.prompts}",
                f"{counts.generations:,}",
                str(counts.graded),
                str(counts.equivalent),
                f"{rate.rate:.1%} [{rate.range_text}]" if rate else "-",
                str(counts.ungraded),
            )
        )
    return rows


def rate_facts(sets: dict[str, SetDescription]) -> dict[str, dict[str, Any]]:
    """The same as plain JSON, by partition."""
    return {
        name: {"rows": one.n_rows, **one.counts.as_dict(), "rate": one.rate}
        for name, one in sets.items()
    }
