"""What is wrong with a table of sampled completions, from the table and what was to be sampled."""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from quarry.findings import Finding
from quarry.sampling.prompts import EvalPrompt
from quarry.selection.columns import records_of

if TYPE_CHECKING:
    import pandas as pd

ALL_SAMPLED: Final = "all_sampled"
_AGAIN = "materialise sampled_completions of the checkpoint; what is there is kept"


def examine_sampled(sampled: pd.DataFrame, prompts: Sequence[EvalPrompt], n: int) -> list[Finding]:
    """Whether every prompt has all its generations, each counted once.

    Args:
        sampled: with `SAMPLED_COLUMNS`.
        prompts: of the domain, as they are now.
        n: generations that the catalog asks for.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for record in records_of(sampled):
        rows.setdefault(str(record["prompt_id"]), []).append(record)
    known = {prompt.id: prompt for prompt in prompts}
    findings = [_missing(prompt) for prompt in prompts if prompt.id not in rows]
    findings += [_unknown(prompt_id) for prompt_id in rows if prompt_id not in known]
    for prompt_id, prompt in known.items():
        findings += _of_prompt(prompt, rows.get(prompt_id, []), n)
    return findings


def _of_prompt(prompt: EvalPrompt, rows: Sequence[dict[str, Any]], n: int) -> list[Finding]:
    """Findings of one prompt that is there."""
    if not rows:
        return []
    counted, stated = sum(int(row["count"]) for row in rows), int(rows[0]["n_generations"])
    texts = {str(row["completion"]) for row in rows}
    found: list[Finding] = []
    if counted != stated or len(texts) != len(rows):
        found.append(
            _finding(
                "miscounted",
                "The counts of a prompt's completions do not add up",
                prompt.source,
                f"{stated} generations, each completion once",
                f"{counted} generations, {len(texts)} of {len(rows)} completions distinct",
            )
        )
    if stated < n:
        found.append(
            _finding(
                "too_few",
                "A prompt has fewer generations than the catalog asks for",
                prompt.source,
                f"{n}",
                f"{stated}",
            )
        )
    if rows[0]["target"] != prompt.target:
        found.append(
            _finding(
                "other_target",
                "The right completion of a prompt has changed since it was sampled",
                prompt.source,
                repr(prompt.target),
                repr(rows[0]["target"]),
            )
        )
    return found


def _missing(prompt: EvalPrompt) -> Finding:
    return _finding(
        "missing", "A prompt was not sampled", prompt.source, prompt.text, "no completion"
    )


def _unknown(prompt_id: str) -> Finding:
    return _finding(
        "unknown",
        "Completions are of a prompt that the domain no longer has",
        prompt_id,
        "prompts of the domain",
        "another prompt",
    )


def _finding(kind: str, what: str, where: str, expected: str, got: str) -> Finding:
    return Finding(
        check=ALL_SAMPLED,
        kind=kind,
        what=what,
        where=where,
        expected=expected,
        got=got,
        cure=_AGAIN,
    )
