"""A grading model behind HTTP, in this process: Anthropic's API and OpenAI's, and their bad days.

It counts what a provider would bill, so that tests can hold the graders' books against it.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

from quarry.equivalence.judge_answer import Price

PRICE = Price(1.0, 5.0)
VERSION = "judge-1-20260101"
HANG_S = 30.0

Fault = Literal[
    "429", "429 long", "529", "500", "503", "hang", "drop", "no json", "bad json", "two verdicts",
    "wrong trimmed", "empty", "truncated", "another request", "free text", "two texts",
    "echo first", "echo last", "spend limit", "quota", "400", "401", "403", "404", "413",
    "408", "504", "too long",
]  # fmt: skip
PASSING: tuple[Fault, ...] = ("429", "529", "500", "503", "drop")
GARBAGE: tuple[Fault, ...] = (
    "bad json", "two verdicts", "wrong trimmed", "empty", "truncated", "another request",
    "free text",
)  # fmt: skip

_ANTHROPIC_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error",
    503: "api_error", 529: "overloaded_error", 408: "timeout_error", 504: "timeout_error",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One request as the server understood it."""

    number: int
    name: str
    prompt: str
    target: str
    completion: str
    body: dict[str, Any]
    headers: dict[str, str]


def is_same(asked: Asked) -> bool:
    """The verdict of a sensible judge: the first line says the target."""
    return asked.completion.strip().split("\n")[0].strip() == asked.target.strip()


@dataclass
class Books:
    """What was asked and answered."""

    asked: list[Asked] = field(default_factory=list)
    successes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    billed_nano_usd: int = 0
    in_flight: int = 0
    most_in_flight: int = 0

    @property
    def billed_usd(self) -> float:
        return self.billed_nano_usd / 1e9


class GraderServer:
    """The server; `fault` says what goes wrong with a request, `decide` what a good one gets."""

    def __init__(
        self,
        *,
        fault: Callable[[Asked], Fault | None] = lambda _: None,
        decide: Callable[[Asked], bool] = is_same,
        reasoning: Callable[[Asked], str] = lambda _: "as the rubric says",
        before_answer: Callable[[Asked], None] = lambda _: None,
        retry_after: str = "0",
    ) -> None:
        self.books = Books()
        self.lock = threading.Lock()
        self.fault = fault
        self.decide = decide
        self.reasoning = reasoning
        self.before_answer = before_answer
        self.retry_after = retry_after
        self.closing = threading.Event()
        server = self

        class Handler(_Handler):
            grader = server

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    grader: GraderServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def handle(self) -> None:
        with suppress(ConnectionError):  # of clients that were killed
            super().handle()

    def do_POST(self) -> None:
        n_bytes = int(self.headers["content-length"])
        raw = self.rfile.read(n_bytes)
        if len(raw) < n_bytes:  # the client was killed while it asked
            self.close_connection = True
            return
        asked = self._understand(json.loads(raw))
        with self.grader.lock:
            books = self.grader.books
            books.in_flight += 1
            books.most_in_flight = max(books.most_in_flight, books.in_flight)
        try:
            fault = self.grader.fault(asked)
            if fault:
                with self.grader.lock:
                    self.grader.books.faults[fault] += 1
            self._answer(asked, fault, len(raw))
        except ConnectionError:
            self.close_connection = True
        finally:
            with self.grader.lock:
                self.grader.books.in_flight -= 1

    @property
    def _is_anthropic(self) -> bool:
        return self.path.endswith("/messages")

    def _understand(self, body: dict[str, Any]) -> Asked:
        message = body["messages"][-1]["content"]
        found = re.fullmatch(
            r"Request (\w+)\n<request-\1>\n([^<>]*)\n</request-\1>", message, re.DOTALL
        )
        assert found, message
        item = json.loads(found[2])
        with self.grader.lock:
            asked = Asked(
                len(self.grader.books.asked), found[1], item["prompt"], item["target"],
                item["completion"], body, dict(self.headers),
            )  # fmt: skip
            self.grader.books.asked.append(asked)
        return asked

    def _answer(self, asked: Asked, fault: Fault | None, n_bytes: int) -> None:
        if fault in ("hang", "drop"):
            if fault == "hang":
                self.grader.closing.wait(HANG_S)
            self.close_connection = True
            return
        if fault == "no json":
            self._send(200, b"<html>502</html>", "text/html")
            return
        if fault in ("spend limit", "quota"):
            self._refuse(429, fault)
            return
        if fault == "too long":
            self._refuse(400, fault)
            return
        if fault and fault[:3].isdigit():
            asked_s = "3600" if fault == "429 long" else self.grader.retry_after
            extra = {"retry-after": asked_s} if fault.startswith("429") else {}
            self._refuse(int(fault[:3]), None, extra)
            return
        texts = self._texts(asked, fault)
        input_tokens, output_tokens = n_bytes // 4, sum(map(len, texts)) // 4 + 1
        with self.grader.lock:
            self.grader.books.billed_nano_usd += PRICE.nano_usd(input_tokens, output_tokens)
            if fault is None:
                self.grader.books.successes[asked.completion] += 1
        self.grader.before_answer(asked)
        make = self._anthropic if self._is_anthropic else self._openai
        body = make(asked, texts, fault == "truncated", (input_tokens, output_tokens))
        self._send(200, json.dumps(body).encode(), "application/json")

    def _texts(self, asked: Asked, fault: Fault | None) -> list[str]:
        verdict = "EQUIVALENT" if self.grader.decide(asked) else "NOT_EQUIVALENT"
        good = {
            "request": asked.name,
            "reasoning": self.grader.reasoning(asked),
            "trimmed_completion": asked.completion.split("\n")[0],
            "decision": verdict,
        }
        text = json.dumps(good)
        match fault:
            case "bad json" | "truncated":
                return [text[:-10]]
            case "two verdicts":
                return [text[:-1] + ', "decision": "EQUIVALENT"}']
            case "wrong trimmed":
                return [json.dumps(good | {"trimmed_completion": "x" + asked.completion})]
            case "empty":
                return [""]
            case "another request":
                return [json.dumps(good | {"request": "0123456789abcdef"})]
            case "free text":
                return [asked.completion]
            case "two texts":
                return [text, text]
            case "echo first":
                return [asked.completion, text]
            case "echo last":
                return [text, asked.completion]
            case _:
                return [text]

    @staticmethod
    def _anthropic(
        asked: Asked, texts: list[str], is_cut: bool, usage: tuple[int, int]
    ) -> dict[str, Any]:
        return {
            "id": f"msg_{asked.number}", "type": "message", "role": "assistant", "model": VERSION,
            "content": [{"type": "text", "text": text} for text in texts],
            "stop_reason": "max_tokens" if is_cut else "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": usage[0], "output_tokens": usage[1]},
        }  # fmt: skip

    @staticmethod
    def _openai(
        asked: Asked, texts: list[str], is_cut: bool, usage: tuple[int, int]
    ) -> dict[str, Any]:
        choices = [
            {
                "index": row, "finish_reason": "length" if is_cut else "stop",
                "message": {"role": "assistant", "content": text, "refusal": None},
            }
            for row, text in enumerate(texts)
        ]  # fmt: skip
        return {
            "id": f"chatcmpl-{asked.number}", "object": "chat.completion", "created": 1,
            "model": VERSION, "choices": choices,
            "usage": {
                "prompt_tokens": usage[0], "completion_tokens": usage[1],
                "total_tokens": sum(usage),
            },
        }  # fmt: skip

    def _refuse(
        self, status: int, cause: str | None, headers: dict[str, str] | None = None
    ) -> None:
        message = f"refused with {status}: {self.headers['authorization']}"
        error: dict[str, Any] = {"type": _ANTHROPIC_TYPES[status], "message": message}
        if cause == "spend limit":
            error["details"] = {"error_code": "enforced_spend_limit_reached"}
        if cause == "quota":
            error |= {"type": "insufficient_quota", "code": "insufficient_quota", "param": None}
        if cause == "too long":
            error["code"] = "context_length_exceeded"
        body = {"type": "error", "error": error}
        self._send(status, json.dumps(body).encode(), "application/json", headers)

    def _send(
        self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        number = len(self.grader.books.asked)
        for name, value in {
            "content-type": kind, "content-length": str(len(body)),
            "request-id": f"req_{number}", "x-request-id": f"req_{number}", **(headers or {}),
        }.items():  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
