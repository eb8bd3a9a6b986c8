"""Examiners without confinement, for tests of what is the same in each layer."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from quarry.grading.examination import Examination, Examiners, Outcome
from quarry.sandbox.limits import Limits


@pytest.fixture(scope="module")
def examiners() -> Iterator[Examiners]:
    """One slot with a short time limit."""
    limits = Limits(timeout_s=1.0, memory_bytes=512 << 20, layer="unconfined")
    with Examiners(limits, n_slots=1) as opened:
        yield opened


@pytest.fixture
def examine(examiners: Examiners) -> Any:
    """Examine a program with tests of the function `f`."""

    def one(program: str, *tests: str, **others: Any) -> Outcome:
        examination = Examination(others.pop("entry_point", "f"), tests, **others)
        return examiners.examine(textwrap.dedent(program), examination)

    return one
