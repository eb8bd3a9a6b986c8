"""`HttpJudge`: what judges behind an HTTP API share: the key, the parameters, the errors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from types import ModuleType
from typing import Any, ClassVar, Final, TypeVar

from pydantic import BaseModel, ValidationError

from quarry.equivalence.judge import Judge
from quarry.equivalence.judge_answer import Answer, Price, RequestFailedError
from quarry.equivalence.judge_failures import failure_of
from quarry.errors import JudgeRefusedError, UsageError

_OURS: Final = frozenset(
    ("model", "messages", "system", "stream", "n", "tools", "tool_choice", "response_format")
) | {"max_tokens", "max_completion_tokens", "output_config"}
"""Parameters that decide what a reply is or may cost."""

T = TypeVar("T", bound=BaseModel)


class HttpJudge(Judge):
    """A model behind an HTTP API.

    Args:
        model: its id, as the provider takes it; a dated one where there is one, since verdicts are
            kept under this name.
        api_key: never stored or shown. A local server without keys takes any text.
        price: of the model's tokens; zeros for a model of one's own.
        temperature: 0 for models that take one; None for those that refuse it.
        max_output_tokens: of a reply, thinking included.
        request: more parameters of the request, such as `{"thinking": {"type": "disabled"}}` for
            Claude or `chat_template_kwargs` for vLLM.
        timeout_s: most seconds to wait for a reply.
        base_url: of a server, a proxy or a test; None for the provider's own.

    Raises:
        JudgeRefusedError: there is no key.
        UsageError: the SDK is not installed, or `request` names what is set elsewhere.
    """

    KIND: ClassVar[str]
    KEY_VARIABLE: ClassVar[str]

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None,
        price: Price,
        temperature: float | None = 0.0,
        max_output_tokens: int = 512,
        request: Mapping[str, Any] | None = None,
        timeout_s: float = 60.0,
        base_url: str | None = None,
    ) -> None:
        extra: dict[str, Any] = {} if temperature is None else {"temperature": temperature}
        extra |= request or {}
        _refuse_ours(model, extra)
        super().__init__(
            self.KIND, model, price=price, max_output_tokens=max_output_tokens, parameters=extra
        )
        self._extra = extra or None
        self._key = _require_key(api_key, self.KEY_VARIABLE)
        try:
            self._sdk = self._connect(self._key, base_url, timeout_s)
        except ModuleNotFoundError as error:
            raise UsageError(
                f"The package {error.name} is not installed",
                expected="it beside quarry",
                got="no such package",
                fix="pip install 'quarry-data[grader]'",
            ) from error

    def send(self, system: str, user: str) -> tuple[str, Answer]:
        """One request; see `Judge.send`."""
        try:
            raw, request_id = self._request(system, user)
        except (self._error, ValueError) as error:
            raise failure_of(error, self._sdk, key=self._key, variable=self.KEY_VARIABLE) from None
        return self._read(raw, request_id)

    @property
    @abstractmethod
    def _error(self) -> type[Exception]:
        """The base of the SDK's errors."""

    @abstractmethod
    def _connect(self, key: str, base_url: str | None, timeout_s: float) -> ModuleType:
        """Open the SDK's client, without attempts of its own: the grader pays for each.

        Raises:
            ModuleNotFoundError: the SDK is not installed.
        """

    @abstractmethod
    def _request(self, system: str, user: str) -> tuple[str, str]:
        """Send one request; the reply's body and the provider's name for the call."""

    @abstractmethod
    def _read(self, raw: str, request_id: str) -> tuple[str, Answer]:
        """The structured field of a body, and the bill.

        Raises:
            RequestFailedError: the reply was cut, refused, or has not exactly one such field.
        """


def read_body(text: str, shape: type[T]) -> T:
    """What is needed of a reply's body.

    Raises:
        RequestFailedError: it is none; what it is billed at is not known.
    """
    try:
        return shape.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "body"
        raise RequestFailedError(
            f"the reply is no message of this API: {place}: {first['msg']}",
            kind="unusable",
            is_billed=None,
        ) from error


def without_verdict(what: str, answer: Answer) -> RequestFailedError:
    """The error for a reply that came whole and is billed, and holds no structured field."""
    return RequestFailedError(what, kind="unusable", answer=answer, is_billed=True)


def _require_key(key: str | None, variable: str) -> str:
    """The key.

    Raises:
        JudgeRefusedError: there is none.
    """
    if key and key.strip():
        return key.strip()
    raise JudgeRefusedError(
        "A judge has no key",
        where=f"environment variable {variable}",
        expected="the key of an account",
        got="nothing",
        fix=f"set {variable}, or choose another grader in the catalog",
    )


def _refuse_ours(model: str, extra: Mapping[str, Any]) -> None:
    """Refuse parameters that would change behind the books what a reply is or costs.

    Raises:
        UsageError: there is one.
    """
    if taken := sorted(_OURS & set(extra)):
        raise UsageError(
            "A judge's request names parameters that are set elsewhere",
            where=model,
            expected=f"none of {', '.join(sorted(_OURS))}",
            got=", ".join(taken),
            fix="take them out; the length of a reply is max_output_tokens",
        )
