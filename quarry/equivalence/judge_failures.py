"""What the errors of a provider mean for a grader.

The same for both SDKs: they raise classes of the same names and shapes. An SDK's own error holds
the request with the key in its headers, so that only its text is passed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import Any, Final, cast

from quarry.equivalence.judge_answer import RequestFailedError, RequestRefusedError
from quarry.errors import JudgeRefusedError, QuarryError

_SPENT: Final = frozenset(
    (
        "enforced_spend_limit_reached",
        "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "linked_organization_billing_unavailable",
        "billing_error",
        "insufficient_quota",
        "billing_hard_limit_reached",
    )
)
"""Codes after which no waiting helps; Anthropic's and OpenAI's."""

_ITEM: Final = frozenset(
    (
        "context_length_exceeded",
        "string_above_max_length",
        "content_filter",
        "content_policy_violation",
    )
)
"""Codes that concern one item only."""

_TIMEOUTS: Final = frozenset((408, 504, 524))
"""Of gateways: the model behind them may have answered, and the answer is billed."""

_PASSES: Final = frozenset((408, 409, 425, 429))
_NEVER_SENT: Final = frozenset(("ConnectError", "ConnectTimeout", "PoolTimeout"))
_FIX: Final = {
    400: "correct model, parameters and address; models since Claude 4.6 may refuse a temperature: "
    "set it to null",
    401: "set {key} to a valid key",
    403: "use a key that may use this model",
    404: "correct the model's id and the address",
}


def failure_of(error: Any, sdk: ModuleType, *, key: str, variable: str) -> QuarryError:
    """What an error of an SDK means.

    Args:
        error: as the SDK raised it.
        sdk: the SDK's module.
        key: is taken out of the message.
        variable: the environment variable of the key, for the message.
    """
    text = _one_line(error, key)
    if isinstance(error, sdk.APIStatusError):
        status = int(error.status_code)
        return _status_failure(
            status, error.response.headers, error.body, f"HTTP {status}: {text}", variable
        )
    if isinstance(error, sdk.APIConnectionError):
        is_sent = type(error.__cause__).__name__ not in _NEVER_SENT
        return RequestFailedError(text, kind="passes", is_billed=None if is_sent else False)
    return RequestFailedError(
        f"the reply can't be read: {type(error).__name__}: {text}", kind="unusable", is_billed=None
    )


def _status_failure(
    status: int, headers: Mapping[str, str], body: object, text: str, variable: str
) -> QuarryError:
    """What an answer with an error status means; but for timeouts, none of them is billed."""
    codes = _codes(body)
    if status == 402 or codes & _SPENT:
        return RequestFailedError(f"the provider's own spend limit: {text}", kind="limit")
    if status in _PASSES or status >= 500:
        return RequestFailedError(
            text,
            kind="passes",
            retry_after_s=retry_after_s(headers),
            is_billed=None if status in _TIMEOUTS else False,
        )
    if status == 413 or (status == 400 and codes & _ITEM):
        return RequestFailedError(text, kind="item")
    refused = RequestRefusedError if status == 400 else JudgeRefusedError
    return refused(
        "A judge's provider refuses requests",
        expected="a verdict",
        got=text,
        fix=_FIX.get(status, "see what the provider says").format(key=variable),
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long a provider asks to wait: seconds or a date; None if unsaid."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        asked = headers.get("retry-after")
        if asked is None:
            return None
        if asked.strip().replace(".", "", 1).isdigit():
            return float(asked)
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _codes(body: object) -> set[str]:
    """All that an error's body says about its kind."""
    outer = _members(body)
    found = _members(outer.get("error")) or outer
    named = (
        found.get("type"),
        found.get("code"),
        found.get("error_code"),
        _members(found.get("details")).get("error_code"),
    )
    return {name for name in named if isinstance(name, str)}


def _members(value: object) -> dict[str, Any]:
    """An object's members; none of anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _one_line(error: Exception, key: str) -> str:
    """An error's text without the key, short enough for a log."""
    text = str(error).replace(key, "[key]")  # before it is cut: the key may lie across the cut
    text = " ".join(text.split()) or type(error).__name__
    return text if len(text) <= 300 else text[:300] + " …"
