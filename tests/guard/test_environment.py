"""Children that read unproven files get what an interpreter needs, and no key."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from quarry.guard.environment import needed
from quarry.guard.guarded import ChildOutcome, Guard, run_alone

SECRETS = ("QUARRY_B2_KEY", "QUARRY_B2_KEY_ID", "HF_TOKEN", "ANTHROPIC_API_KEY", "PGPASSWORD")
NEEDED = ("HOME", "HDF5_USE_FILE_LOCKING", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONHASHSEED")
Run = Callable[[str, dict[str, Any], float], ChildOutcome]


@pytest.fixture(params=["served", "alone"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    for name in SECRETS:
        monkeypatch.setenv(name, "canary-value")
    monkeypatch.setenv("HDF5_USE_FILE_LOCKING", "FALSE")
    guard = Guard()
    yield guard.run if request.param == "served" else run_alone
    guard.close()


def test_a_child_gets_no_key(run: Run) -> None:
    outcome = run("tests.soak.secrets_child", {}, 30.0)
    assert outcome.failure is None
    assert "canary-value" not in str(outcome.messages)
    assert outcome.messages[0]["now"]["HDF5_USE_FILE_LOCKING"] == "FALSE"
    assert outcome.messages[0]["now"]["PATH"] == os.environ["PATH"]


def test_what_is_needed_is_kept_as_it_is_and_nothing_else() -> None:
    kept = {name: f"value of {name}" for name in NEEDED}
    assert needed({**kept, **dict.fromkeys(SECRETS, "canary-value")}) == kept
