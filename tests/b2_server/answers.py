"""What an operation hands to the connection: a status, headers and a body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.b2_server.refusals import Refusal

JSON_TYPE = "application/json;charset=UTF-8"


@dataclass
class Answer:
    """One answer. The connection adds the length, and leaves the body out for a HEAD."""

    status: int
    body: bytes | bytearray | memoryview
    headers: dict[str, str] = field(default_factory=dict)


def json_answer(content: Mapping[str, Any]) -> Answer:
    """A 200 with a JSON body; sets become lists, as the service has no sets."""
    return Answer(200, json.dumps(content, default=list).encode(), {"Content-Type": JSON_TYPE})


def refusal_answer(refusal: Refusal) -> Answer:
    """An error in the service's JSON form."""
    content = {"status": refusal.status, "code": refusal.code, "message": refusal.message}
    headers = {"Content-Type": JSON_TYPE}
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    return Answer(refusal.status, json.dumps(content).encode(), headers)
