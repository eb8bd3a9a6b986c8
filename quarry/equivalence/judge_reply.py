"""Reading a verdict from a judge's structured reply: exactly one, or none at all.

Never searched for in free text: whoever looks for the first thing that resembles a verdict finds
the one that the completion put there.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, ValidationError

from quarry.equivalence.grader import GradingItem
from quarry.equivalence.judge_answer import Answer, Reply, RequestFailedError, Verdict


class _Written(BaseModel):
    """The object that a judge is asked for, nothing more and nothing less."""

    model_config = ConfigDict(extra="forbid", strict=True)

    request: str
    reasoning: str
    trimmed_completion: str
    decision: Verdict


def read_reply(text: str, item: GradingItem, request_name: str, answer: Answer) -> Reply:
    """The verdict of a reply.

    A judge often drops the spaces that a completion begins with; these are put back. Any other
    difference between the trimmed completion and the beginning of the completion is an error.

    Args:
        text: content of the structured field.
        item: what was asked about.
        request_name: of the request; a reply to another one is none.
        answer: the bill.

    Raises:
        RequestFailedError: there is not exactly one verdict, or the trimmed completion is not the
            beginning of the completion.
    """
    try:
        written = _Written.model_validate(json.loads(text, object_pairs_hook=_without_repetition))
    except (ValueError, RecursionError) as error:
        _fail(f"is not the one object that was asked for: {_first_line(error)}", answer)
    if written.request != request_name:
        _fail("does not name the request", answer)
    trimmed = _as_prefix(written.trimmed_completion, item.completion)
    if trimmed is None:
        _fail("has a trimmed completion that the completion does not begin with", answer)
    if not trimmed.strip() and written.decision == "EQUIVALENT":
        _fail("calls an empty answer equivalent", answer)
    reasoning = written.reasoning.encode("utf-8", "replace").decode()
    return Reply(written.decision, reasoning.strip(), trimmed or None, answer)


def _as_prefix(trimmed: str, completion: str) -> str | None:
    """The trimmed completion as the completion begins; None if it does not begin so."""
    if completion.startswith(trimmed):
        return trimmed
    n_spaces = len(completion) - len(completion.lstrip())
    bare = trimmed.lstrip()
    return completion[: n_spaces + len(bare)] if completion[n_spaces:].startswith(bare) else None


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object each of whose names occurs once; `json` would silently keep the last.

    Raises:
        ValueError: a name occurs twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _first_line(error: Exception) -> str:
    """What is wrong, in short; never what was written."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'the reply'}: {first['msg']}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _fail(what: str, answer: Answer) -> NoReturn:
    """Say that a reply holds no verdict; it is billed all the same."""
    raise RequestFailedError(f"the reply {what}", kind="unusable", answer=answer, is_billed=True)
