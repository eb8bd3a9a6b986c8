"""`Case`: one thing that row 19 does with a canary key at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.soak.secrets_platform import SecretPlatform


@dataclass(frozen=True)
class Case:
    """One thing that is done.

    Args:
        name: in a few words.
        kind: where it is done.
        do: does it, and gives what a person or a tool was shown.
    """

    name: str
    kind: Literal["run", "object", "child", "command", "live"]
    do: Callable[[SecretPlatform], str]
