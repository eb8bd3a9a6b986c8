"""`CompletionRow`: one completion of a file, the same shape whatever tool wrote it.

How a tool's records become rows lives in the module of the tool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from quarry.inference.engine import FinishReason

ToolChoice = Literal["auto", "quarry", "human-eval", "evalplus", "lm-eval"]
"""Who wrote a file; `auto` finds out from its records."""

SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class TheirVerdict:
    """What the tool that wrote a row says of its completion.

    Args:
        tool: `human-eval`, `evalplus`, `lm-eval` or `quarry`.
        rule: which of its verdicts this is: a metric and a filter, a set of tests, a grader.
        said: the value as it stands in the file.
        is_correct: what that comes to for this one completion; None where it does not say.
        note: why ours may rightly differ, such as other tests; empty where nothing speaks for it.
    """

    tool: str
    rule: str
    said: str | float | bool | None
    is_correct: bool | None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = {
            "tool": self.tool,
            "rule": self.rule,
            "said": self.said,
            "is_correct": self.is_correct,
        }
        return {**values, "note": self.note} if self.note else values


@dataclass(frozen=True)
class CompletionRow:
    """One completion and what its file says of it.

    Args:
        fields: what a graded row keeps: the record, or the part of it that belongs to this row.
        tool: who wrote it.
        completion: the text to judge; None where the row holds none.
        finish_reason: why generation ended; None where that is not known.
        theirs: the writing tool's own verdicts.
        doc: the benchmark's record beside the completion; None where the row names an id instead.
        doc_digest: SHA-256 of that record.
        problem: why the row can't be graded, as evidence; empty where nothing is wrong so far.
    """

    fields: Mapping[str, Any]
    tool: str
    completion: str | None
    finish_reason: FinishReason | None = None
    theirs: tuple[TheirVerdict, ...] = ()
    doc: Mapping[str, Any] | None = None
    doc_digest: str | None = None
    problem: Mapping[str, Any] = field(default_factory=dict[str, Any])


def unusable(fields: Mapping[str, Any], tool: str, reason: str, **evidence: Any) -> CompletionRow:
    """A row that stands for something that can't be graded."""
    return CompletionRow(fields, tool, None, problem={"reason": reason, **evidence})


def shown(value: object) -> str:
    """A value for a message, shortened."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


def known_reason(value: object) -> FinishReason | None:
    """Our finish reasons; other tools' values count as not known."""
    return value if value in ("stop", "length") else None
