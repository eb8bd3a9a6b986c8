"""`AnthropicJudge`: Claude as a judge, by Anthropic's SDK.

The reply's form is enforced by the API (`output_config.format`, generally available since 2026),
which compiles a schema once and then holds every reply to it; a forced tool would do the same
with more tokens. The SDK has no sampling parameters any more: models after Claude 4.5 refuse them.
"""

from __future__ import annotations

from types import ModuleType
from typing import ClassVar

from pydantic import BaseModel

from quarry.equivalence.judge_answer import Answer
from quarry.equivalence.judge_http import HttpJudge, read_body, without_verdict
from quarry.equivalence.judge_prompt import REPLY_SCHEMA


class _Usage(BaseModel):
    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Block(BaseModel):
    type: str
    text: str | None = None


class _Message(BaseModel):
    """What is needed of a message; the API may add to it at any time."""

    model: str
    stop_reason: str | None
    content: list[_Block]
    usage: _Usage


class AnthropicJudge(HttpJudge):
    """Claude; see `HttpJudge` for the parameters."""

    KIND: ClassVar[str] = "anthropic"
    KEY_VARIABLE: ClassVar[str] = "ANTHROPIC_API_KEY"

    def _connect(self, key: str, base_url: str | None, timeout_s: float) -> ModuleType:
        import anthropic

        self._client = anthropic.Anthropic(
            api_key=key, base_url=base_url, timeout=timeout_s, max_retries=0
        )
        return anthropic

    @property
    def _error(self) -> type[Exception]:
        return self._sdk.AnthropicError

    def _request(self, system: str, user: str) -> tuple[str, str]:
        response = self._client.messages.with_raw_response.create(
            model=self.model,
            max_tokens=self.max_output_tokens,
            system=system,
            messages=[{"role": "user", "content": user}],
            output_config={"format": {"type": "json_schema", "schema": REPLY_SCHEMA}},
            extra_body=self._extra,
        )
        return response.text(), response.headers.get("request-id") or ""

    def _read(self, raw: str, request_id: str) -> tuple[str, Answer]:
        message = read_body(raw, _Message)
        used = message.usage
        cached = (used.cache_creation_input_tokens or 0) + (used.cache_read_input_tokens or 0)
        answer = Answer(
            raw, request_id, message.model, used.input_tokens + cached, used.output_tokens
        )
        texts = [block.text or "" for block in message.content if block.type == "text"]
        kinds = {block.type for block in message.content}
        others = sorted(kinds - {"text", "thinking", "redacted_thinking"})
        if message.stop_reason != "end_turn" or len(texts) != 1 or others:
            raise without_verdict(
                f"the reply ended by {message.stop_reason!r} with {len(texts)} texts"
                + (f" and {', '.join(others)}" if others else ""),
                answer,
            )
        return texts[0], answer

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
