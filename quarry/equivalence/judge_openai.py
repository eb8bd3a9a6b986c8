"""`OpenAICompatibleJudge`: any server that speaks OpenAI's chat API, such as a local vLLM.

The reply's form is asked for by `response_format` with a strict JSON schema, which vLLM enforces
while it decodes. A server that ignores it is no worse a judge: what does not parse is no verdict.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from quarry.equivalence.judge_answer import Answer
from quarry.equivalence.judge_http import HttpJudge, read_body, without_verdict
from quarry.equivalence.judge_prompt import REPLY_SCHEMA


class _Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None


class _Choice(BaseModel):
    finish_reason: str | None
    message: _Message


class _Body(BaseModel):
    """What is needed of a chat completion."""

    model: str
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage


class OpenAICompatibleJudge(HttpJudge):
    """A model behind OpenAI's chat API; see `HttpJudge` for the parameters.

    `base_url` ends with the API's version, such as `http://localhost:8000/v1`.
    """

    KIND: ClassVar[str] = "openai-compatible"
    KEY_VARIABLE: ClassVar[str] = "OPENAI_API_KEY"

    def _connect(self, key: str, base_url: str | None, timeout_s: float) -> ModuleType:
        import openai

        self._client = openai.OpenAI(
            api_key=key, base_url=base_url, timeout=timeout_s, max_retries=0
        )
        return openai

    @property
    def _error(self) -> type[Exception]:
        return self._sdk.OpenAIError

    def _request(self, system: str, user: str) -> tuple[str, str]:
        response = self._client.chat.completions.with_raw_response.create(
            model=self.model,
            max_completion_tokens=self.max_output_tokens,
            messages=[
                {"role": "system", "content": system},
                {"role": "user", "content": user},
            ],
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "verdict", "strict": True, "schema": REPLY_SCHEMA},
            },
            extra_body=self._extra,
        )
        return response.text, response.headers.get("x-request-id") or ""

    def _read(self, raw: str, request_id: str) -> tuple[str, Answer]:
        body = read_body(raw, _Body)
        used = body.usage
        answer = Answer(raw, request_id, body.model, used.prompt_tokens, used.completion_tokens)
        choice = body.choices[0]
        text = choice.message.content
        is_one = len(body.choices) == 1 and not choice.message.tool_calls
        if choice.finish_reason != "stop" or text is None or choice.message.refusal or not is_one:
            raise without_verdict(
                f"the reply ended by {choice.finish_reason!r}, {len(body.choices)} of them", answer
            )
        return text, answer

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
