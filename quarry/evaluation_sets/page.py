"""The page of a graded table: distinct completions with counts and verdicts, as Markdown."""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from quarry.audit.tables import markdown_table, share_text
from quarry.evaluation_sets.counts import SetCounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

_HEADER = ("Prompt", "Completion", "Count", "Verdict", "Decided by", "Why")
_VERDICTS = {"equivalent": "equivalent", "not_equivalent": "**not**", "ungraded": "*ungraded*"}
_MOST_CHARACTERS = 160


def distinct_table(graded: pd.DataFrame, *, most_rows: int = 200) -> str:
    """Distinct completions, by prompt in the table's order and then by count.

    Completions are model output: they are shown as code, so that nothing in them is drawn, linked
    or loaded.

    Args:
        graded: the graded table.
        most_rows: rows shown; a line below says what was left out.
    """
    places = {name: place for place, name in enumerate(dict.fromkeys(graded["prompt_id"]))}
    records: list[dict[Any, Any]] = graded.to_dict("records")
    records.sort(key=lambda one: (places[one["prompt_id"]], -int(one["count"])))
    table = markdown_table(_HEADER, [_cells(one) for one in records[:most_rows]])
    left_out = len(records) - most_rows
    if left_out <= 0:
        return table
    return f"{table}\n{left_out:,} of {len(records):,} distinct completions are not shown.\n"


def counts_table(counts: SetCounts) -> str:
    """A line each: graded, equivalent, the rate with its interval.

    They stand below each other since a page of the UI cuts off a table that is wider than it.

    Args:
        counts: of the graded table.
    """
    rate = counts.rate
    rows = {
        "prompts covered": f"{counts.prompts_covered}/{counts.prompts}",
        "generations": f"{counts.generations:,}",
        "distinct completions": f"{counts.distinct:,}",
        "graded": f"{counts.graded:,}",
        "equivalent": f"{counts.equivalent:,}",
        "ungraded": f"{counts.ungraded:,}",
        "equivalence rate": f"{share_text(rate)} [{rate.range_text}]" if rate else "-",
    }
    return markdown_table(("Of this set", ""), [list(row) for row in rows.items()])


def _cells(record: Mapping[Any, Any]) -> list[str]:
    """A row of the page."""
    why = record["reason"] or record["reasoning"]
    return [
        _code(_cut(str(record["prompt"]))),
        _code(_cut(repr(record["completion"]))),
        f"{int(record['count']):,}",
        _VERDICTS.get(record["outcome"], str(record["outcome"])),
        _plain(str(record["decided_by"])),
        _plain(_cut(why)) if isinstance(why, str) else "",
    ]


def _cut(text: str) -> str:
    """A text that is not too long for a cell."""
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def _code(text: str) -> str:
    """Text as inline code, whatever is in it."""
    runs = re.findall(r"`+", text)
    fence = "`" * (max(map(len, runs), default=0) + 1)
    edge = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{edge}{text}{edge}{fence}"


def _plain(text: str) -> str:
    """Text in which no character means anything to Markdown."""
    return re.sub(r"([\\`*_\[\]<>!#~])", r"\\\1", text)
